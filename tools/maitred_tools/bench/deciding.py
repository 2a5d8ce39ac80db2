"""Server CPU of Decide beside an empty echo, from 10 to 10,000 candidates, and latency at half of the capacity."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc

from maitred_tools.bench import charts, echo, places, seed, uncompiled
from maitred_tools.bench.measure import Case, Figures, Round, at_rates, cheapest, figures, interleaved, ratios, spread
from maitred_tools.bench.process import ServerProcess
from maitred_tools.bench.section import Bench, Section, Table, reading, steps
from maitred_tools.load import DECIDE, Load

FRONTS: Final = tuple(front.value for front in echo.Front)
PARTS: Final = 2
HALF: Final = 0.5
LONGEST_S: Final = 25.0  # of an open loop
NOT_COMPILED: Final = ", not compiled"
HEADER: Final = (
    "",
    "server CPU, us a call",
    "echo, us",
    "ratio to echo",
    "calls/s, closed loop",
    "half load, calls/s",
    "p50, us",
    "p99",
    "p99.9",
)


class Asked(NamedTuple):
    """One placement that is asked for."""

    placement: str
    candidates: int
    policy: str


LEARNED: Final = [Asked(places.placement(size), size, "inverse_gap") for size in places.SIZES]
HABIT: Final = Asked(places.HABIT, places.MAIN, "habit")
MAIN: Final = [one for one in LEARNED if one.candidates == places.MAIN]


def envoy_there() -> bool:
    """Whether the Envoy front is there, with what it needs."""
    return all(map(find_spec, ("maitred_server.rpc.envoy", "pyvoy", "connectrpc")))


def measure(bench: Bench) -> Figures:
    """Both playbooks through each front. Everything of a pass takes turns with its own echo servers."""
    fronts = (seed.GRPCIO, seed.ENVOY) if envoy_there() else (seed.GRPCIO,)
    cases: list[Figures] = []
    for playbook in (places.PLAIN, places.EVERYTHING):
        for front in fronts:
            whole = LEARNED if front == seed.GRPCIO else MAIN
            cases += _pass(bench, playbook, front, [HABIT, *whole])
    if uncompiled.there():
        cases += _pass(bench, places.EVERYTHING, seed.GRPCIO, MAIN, uncompiled.WITHOUT)
    models = {str(size): facts._asdict() for size, facts in bench.models.items()}
    setup = {"profiles": bench.scale.profiles, "slots": seed.SLOTS, "models": models}
    return {"setup": setup, "envoy": envoy_there(), "cases": cases}


def _pass(
    bench: Bench, playbook: str, front: str, asked: Sequence[Asked], environment: Mapping[str, str] | None = None
) -> list[Figures]:
    data, scale = bench.put(playbook), bench.scale
    what = f"{playbook}, {front}{', not compiled' if environment else ''}"
    loads = {one.placement: Load(bench.requests(one.placement), _calls(scale.calls, one)) for one in asked}
    with seed.server(data, front, environment=environment) as server, echoes(server, loads) as others:
        server.settle()
        cases = {name: Case(server, load) for name, load in loads.items()}
        together = {**others, **cases}
        with steps(f"Decide, {what}", scale.rounds * len(together)) as done:
            found = interleaved(together, scale.rounds, done)
        opened = _at_half_load(cases | _nearest(others, found), found, scale.open_calls, f"half load, {what}")
        same = {
            "playbook": playbook,
            "front": front,
            "pure": bool(environment),
            "compiled": _compiled(server, environment),
        }
    return [same | one._asdict() | _figures(one.placement, found) | _opened(one.placement, opened) for one in asked]


def _compiled(server: ServerProcess, environment: Mapping[str, str] | None) -> list[str]:
    """What the server had in use. Raises RuntimeError when that was to be nothing."""
    found = uncompiled.in_use_by(server.pids())
    if environment and found:
        raise RuntimeError(f"the server has compiled parts in use: {uncompiled.told(found)}")
    return found


def _calls(calls: int, asked: Asked) -> int:
    return calls if asked.candidates <= places.MAIN else max(1, calls // 3)


@contextmanager
def echoes(server: ServerProcess, loads: Mapping[str, Load]) -> Iterator[dict[str, Case]]:
    """Echo servers of both kinds that answer each load with an answer of the real server."""
    with tempfile.TemporaryDirectory() as folder:
        arguments: list[str] = []
        for number, load in enumerate(loads.values()):
            path = Path(folder) / str(number)
            path.write_bytes(ask(server.target, load.requests[0], load.method))
            arguments += ["--answer", str(path)]
        with _echo("aio", arguments) as on_asyncio, _echo("sync", arguments) as on_threads:
            servers = dict(zip(FRONTS, (on_asyncio, on_threads), strict=True))
            yield {
                f"{name} {front}": Case(running, _of_echo(load, number))
                for front, running in servers.items()
                for number, (name, load) in enumerate(loads.items())
            }


def _echo(front: str, arguments: list[str]) -> ServerProcess:
    return ServerProcess("maitred_tools.bench.echo", ["--front", front, *arguments])


def _of_echo(load: Load, number: int) -> Load:
    return Load(load.requests, load.calls, load.connections, method=f"/{echo.SERVICE}/{echo.method(number)}")


def ask(target: str, request: bytes, method: str = DECIDE) -> bytes:
    """One answer. Raises RuntimeError when the server gives none."""
    with grpc.insecure_channel(target) as channel:
        call: Any = channel.unary_unary(method)
        try:
            return bytes(call(request, timeout=10.0))
        except grpc.RpcError as error:
            raise RuntimeError(f"the server does not decide: {error.details()}") from None


def _nearest(others: Mapping[str, Case], found: Mapping[str, Sequence[Round]]) -> dict[str, Case]:
    """The echo server that is the reference of the main placement."""
    name = _reference(seed.PLACEMENT, found)
    return {name: others[name]}


def _reference(placement: str, found: Mapping[str, Sequence[Round]]) -> str:
    return cheapest({name: found[name] for name in (f"{placement} {front}" for front in FRONTS)})


def _at_half_load(
    cases: Mapping[str, Case], found: Mapping[str, Sequence[Round]], calls: int, what: str
) -> dict[str, Figures]:
    rates = {name: HALF * figures(found[name])["calls_per_s"] for name in cases}
    loads = {
        name: Case(case.server, replace(case.load, calls=_lasting(rates[name], calls))) for name, case in cases.items()
    }
    with steps(what, PARTS * len(loads)) as done:
        return at_rates(loads, rates, PARTS, done)


def _lasting(rate: float, calls: int) -> int:
    """So many calls, or as many as take the longest time that is waited for."""
    return max(PARTS, min(calls, int(rate * LONGEST_S)))


def _figures(placement: str, found: Mapping[str, Sequence[Round]]) -> Figures:
    reference = _reference(placement, found)
    echoed = {f"echo_{name}": value for name, value in figures(found[reference]).items()}
    ratio = spread("ratio", ratios(found[placement], found[reference]))
    return figures(found[placement]) | {"echo_front": reference.rpartition(" ")[2]} | echoed | ratio


def _opened(placement: str, opened: Mapping[str, Figures]) -> Figures:
    echo_name = next(name for name in opened if " " in name)
    beside = {"echo_half_load": opened[echo_name]} if placement == seed.PLACEMENT else {}
    return {"half_load": opened[placement]} | beside


def name_of(case: Figures) -> str:
    """A case in words."""
    playbook = "everything on" if case["playbook"] == places.EVERYTHING else "plain"
    policy = "" if case["policy"] == "inverse_gap" else f", {case['policy']}"
    front = "" if case["front"] == seed.GRPCIO else f", {case['front']} front"
    return f"{playbook}, {case['candidates']:,} candidates{policy}{front}{NOT_COMPILED if case['pure'] else ''}"


def find(found: Figures, playbook: str, front: str = seed.GRPCIO, policy: str = "inverse_gap") -> Figures | None:
    """The case of 1,000 candidates, with what was compiled."""
    wanted = (playbook, front, places.MAIN, policy)
    keys = ("playbook", "front", "candidates", "policy")
    cases = (one for one in found["cases"] if not one.get("pure"))
    return next((one for one in cases if tuple(one[key] for key in keys) == wanted), None)


def tables(found: Figures) -> list[Table]:
    """One row for each case, and the echo where it was put under half its load too; what was compiled."""
    rows = [row for case in found["cases"] for row in _rows(case)]
    used = [one["compiled"] for one in found["cases"] if not one["pure"]]
    return [
        Table("Decide beside an empty echo", HEADER, rows),
        uncompiled.table("in the server", sorted({name for names in used for name in names})),
    ]


def _rows(case: Figures) -> Iterator[tuple[str, ...]]:
    yield (
        name_of(case),
        reading(case, "server_us"),
        reading(case, "echo_server_us"),
        reading(case, "ratio", 2),
        f"{case['calls_per_s']:,.0f}",
        *_half(case["half_load"]),
    )
    if "echo_half_load" in case:
        cost, calls = f"{case['echo_server_us']:,.0f}", f"{case['echo_calls_per_s']:,.0f}"
        yield (f"its echo, {case['echo_front']}", cost, cost, "1", calls, *_half(case["echo_half_load"]))


def _half(half: Figures) -> tuple[str, ...]:
    return tuple(f"{half[name]:,.0f}" for name in ("rate", "p50", "p99", "p999"))


def drawn(found: Figures) -> list[str]:
    """The ratios."""
    bars = [charts.Bar(name_of(one), one["ratio"], *one["ratio_range"]) for one in found["cases"]]
    return [charts.bars("Server CPU of a decision, as a multiple of an empty echo's", bars, "times the echo", mark=1.0)]


SECTION: Final = Section(
    "decide",
    "Decide beside an empty echo",
    "Server CPU of a unary call, in a closed loop, and latency at half of that loop's calls a second.",
    measure,
    tables,
    drawn,
)
