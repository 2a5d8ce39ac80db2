"""What the server is to reach, and whether it does, from the figures of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from maitred_tools.bench import deciding, inprocess, peers, places, seed, workers
from maitred_tools.bench.measure import Figures

MANY_WORKERS: Final = 4
BESIDE_US: Final = 40.0  # a call's share of a decision in a batch


class Target(NamedTuple):
    """`limit`: at most, or at least when `least`. `value` None: not measured, and `note` says why."""

    name: str
    limit: float
    value: float | None = None
    note: str = ""
    least: bool = False

    @property
    def met(self) -> bool | None:
        """None: not measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.least else self.value <= self.limit

    @property
    def target(self) -> str:
        """In words."""
        return f"at {'least' if self.least else 'most'} {_number(self.limit)}"

    @property
    def reached(self) -> str:
        """The value in words."""
        return "not measured" if self.value is None else _number(self.value)

    def plain(self) -> dict[str, Any]:
        """As the report has it."""
        said = {"name": self.name, "target": self.target, "limit": self.limit, "value": self.value, "met": self.met}
        return said | ({"note": self.note} if self.note else {})


def targets(sections: Mapping[str, Figures]) -> list[Target]:
    """All targets, from the sections that were measured."""
    return [one for make in (_calls, _alone, _batch, _sdk, _feedback, _growth, _start) for one in make(sections)]


def _calls(sections: Mapping[str, Figures]) -> Iterator[Target]:
    found = sections.get("decide")
    text = "server CPU of a decide, 1,000 candidates, everything on, through {} / the cheaper empty grpcio echo"
    for front, name, limit in ((seed.GRPCIO, "grpcio", 1.4), (seed.ENVOY, "the Envoy front", 0.9)):
        one = deciding.find(found, places.EVERYTHING, front) if found else None
        missing = "not installed" if front == seed.ENVOY and found and not found["envoy"] else _NOT
        yield _target(text.format(name), limit, one["ratio"] if one else None, missing)


def _alone(sections: Mapping[str, Figures]) -> Iterator[Target]:
    found = sections.get("process")
    one = inprocess.case(found, places.EVERYTHING) if found else None
    plain = inprocess.case(found, places.PLAIN) if found else None
    name = "decision in process, 1,000 candidates, everything on / vowpalwabbit with examples parsed beforehand"
    beside = {} if one is None else one["peers"]
    missing = "vowpalwabbit is not installed" if one is not None else _NOT
    value = beside[peers.VOWPAL]["ratio"] if peers.VOWPAL in beside else None
    also = f"plain: {plain['peers'][peers.VOWPAL]['ratio']:.3f}" if plain is not None and value is not None else missing
    yield Target(name, 1 / 8, value, also)
    filters = found["filters"] if found else {}
    for items, limit in ((1_000, 40.0), (10_000, 150.0)):
        value = filters.get(f"gate.open at {items:,} items")
        yield _target(f"filter stage, 500 rules, {items:,} items, us", limit, value)


def _batch(sections: Mapping[str, Figures]) -> Iterator[Target]:
    found, alone = sections.get("batch"), sections.get("process")
    one = inprocess.case(alone, places.EVERYTHING) if alone else None
    name = "a decision in a batch of 100, less the decision in process, us"
    value = found["batch of 100"]["us"] - one["decision_us"] if found and one else None
    yield _target(name, BESIDE_US, value, "needs the sections batch and process")


def _sdk(sections: Mapping[str, Figures]) -> Iterator[Target]:
    found = _measured(sections, "sdk")
    names = {"decide_cached_us": ("cached decide", 2.0), "expose_us": ("expose", 5.0), "record_us": ("record", 5.0)}
    for name, (text, limit) in names.items():
        yield _target(f"SDK: {text}, us", limit, _median(found.get(name)))


def _median(figure: Any) -> float | None:
    return figure.get("median") if isinstance(figure, Mapping) else figure


def _feedback(sections: Mapping[str, Figures]) -> Iterator[Target]:
    streams = _measured(sections, "feedback").get("streams", [])
    for each, text, limit in ((10, "ten events a subject", 50_000.0), (1, "all subjects distinct", 12_000.0)):
        rates = {
            one["workers"]: one["events_per_s"]
            for one in streams
            if (one["clients"], one["events_a_subject"]) == (100, each)
        }
        best = max(rates, key=lambda workers: rates[workers], default=0)
        name = f"durable events/s with counters, 100 clients, {text}"
        value = float(rates[best]) if rates else None
        yield Target(name, limit, value, f"{best} workers" if rates else _NOT, least=True)


def _growth(sections: Mapping[str, Figures]) -> Iterator[Target]:
    found = sections.get("growth", {})
    p50 = {one["profiles"]: one["p50"] for one in found.get("profiles", [])}
    value = _over(p50, 10_000_000, 10_000)
    so_far = _over(p50, 1_000_000, 10_000)
    note = "" if value is not None else f"at 1 million: {so_far:.2f}; more with --full" if so_far else _NOT
    yield Target("p50 at 10 million profiles / at 10 thousand", 1.15, value, note)
    yield _workers(found.get("workers", {}))


def _workers(found: Figures) -> Target:
    """With all workers loaded at once; what they make one at a time, as with a core for each, is told beside it."""
    name = "decisions per CPU-second, 4 workers / 1 worker"
    once = workers.ratio(found, MANY_WORKERS, workers.AT_ONCE) if found else None
    alone = workers.ratio(found, MANY_WORKERS, workers.IN_TURN) if found else None
    if once is None or alone is None:
        return Target(name, 0.9, note=_NOT, least=True)
    told = f"all at once on {found['cores']} cores, with the clients; one worker at a time: {alone:.2f}"
    return Target(name, 0.9, once, told, least=True)


def _over(found: Mapping[int, float], many: int, few: int) -> float | None:
    return found[many] / found[few] if many in found and few in found else None


def _start(sections: Mapping[str, Figures]) -> Iterator[Target]:
    found = sections.get("start")
    value = found["s"]["profiles"]["s"] if found and found["profiles"] >= 1_000_000 else None
    yield _target("start with 1 million profiles, s", 1.0, value)


def _measured(sections: Mapping[str, Figures], name: str) -> Figures:
    return sections.get(name, {})


_NOT: Final = "not measured"
_Make = Callable[[Mapping[str, Figures]], Iterator[Target]]


def _target(name: str, limit: float, value: float | None, missing: str = _NOT, *, least: bool = False) -> Target:
    return Target(name, limit, value, "" if value is not None else missing, least)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
