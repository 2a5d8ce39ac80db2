"""`maitred load`: put a measured load on a server, and hold it to a budget."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from maitred_server.cli_options import Key, Server, err, out
from maitred_server.errors import InvalidRequest, MaitredError

if TYPE_CHECKING:
    from maitred_server.load.asked import Asked, Plan, Wire
    from maitred_server.load.budget import Budget
    from maitred_server.load.figures import Setup
    from maitred_server.load.measured import Measured
    from maitred_server.load.watch import Lines, Screen

BROKEN, WRONG, INTERRUPTED = 1, 2, 130


def _option(panel: str, name: str, text: str) -> Any:
    return typer.Option(name, help=text, rich_help_panel=panel)


RATE = _option("How much", "--rate", "Calls a second, of all processes together.")
RAMP = _option(
    "How much",
    "--ramp",
    "from:to:step/length, e.g. 500:20000:500/5s. Finds the knee: the highest rate that the server keeps up with. Ends "
    "two steps after it.",
)
DURATION = _option("How much", "--duration", "How long, e.g. 30s. Without this and --calls: 10s.")
CALLS = _option("How much", "--calls", "How many calls at most, over all steps.")
KNEE_P99 = _option(
    "How much",
    "--knee-p99",
    "A step keeps up while its p99 is at most this. Without: 5 times the first step's, at least 1ms.",
)
PLACEMENT = _option("What is asked", "--placement", "NAME or NAME:slots; again for a page of several.")
SUBJECTS = _option(
    "What is asked",
    "--subjects",
    "uniform:COUNT, zipf:EXPONENT:COUNT, or a file: one id a line, or .jsonl with id, kind, context.",
)
PREFIX = _option("What is asked", "--subject-prefix", "What the ids of drawn subjects begin with.")
KIND = _option(
    "What is asked",
    "--kind",
    "person, household, device or session, where the file says none; else the server's default.",
)
CONTEXT = _option(
    "What is asked", "--context", "KEY=VALUE (a text, or JSON), again for more; and one FILE.jsonl at most."
)
MIX = _option(
    "What is asked",
    "--mix",
    "Shares of the answered decisions that are exposed and that have an outcome, e.g. "
    "expose=0.8,outcome=0.1:click. It is real feedback: the server keeps it, and learns from it.",
)
BATCH = _option("What is asked", "--batch", "Decisions in each call, up to 256, by DecideBatch.")
ARRIVALS = _option("How it is sent", "--arrivals", "poisson: as independent callers come; or even.")
PROCESSES = _option("How it is sent", "--processes", "Processes that share the rate.")
CONNECTIONS = _option("How it is sent", "--connections", "Connections of each process.")
DEADLINE = _option("How it is sent", "--deadline", "A call that takes longer is given up, and has failed.")
SEED = _option("How it is sent", "--seed", "Of all that is drawn.")
OWNED = _option("How it is sent", "--i-own-this-server", "The server may be on another machine than this one.")
FAIL_IF = _option(
    "What comes of it",
    "--fail-if",
    "A budget: 'p99>5ms', 'p99.9>20ms', 'max>1s', 'mean>1ms', 'errors>0.1%', 'errors>0', 'rate<1900', "
    "'feedback.p99>50ms'; again for more. Of a ramp it is held at the knee.",
)
JSON = _option("What comes of it", "--json", "File for all figures, each second's too.")
HGRM = _option(
    "What comes of it", "--hgrm", "File for the percentile distribution, in ms, as HdrHistogram's tools plot it."
)
HTML = _option("What comes of it", "--html", "File for a page with charts.")


class Options(NamedTuple):
    """What was typed, as far as it needs no reading."""

    server: str
    key: str | None
    owned: bool
    json: Path | None
    hgrm: Path | None
    html: Path | None


def load(
    placement: Annotated[list[str] | None, PLACEMENT] = None,
    subjects: Annotated[str, SUBJECTS] = "uniform:100000",
    subject_prefix: Annotated[str, PREFIX] = "load-",
    kind: Annotated[str, KIND] = "",
    context: Annotated[list[str] | None, CONTEXT] = None,
    mix: Annotated[str, MIX] = "decide=1",
    batch: Annotated[int, BATCH] = 1,
    rate: Annotated[str | None, RATE] = None,
    ramp: Annotated[str | None, RAMP] = None,
    duration: Annotated[str | None, DURATION] = None,
    calls: Annotated[int | None, CALLS] = None,
    knee_p99: Annotated[str | None, KNEE_P99] = None,
    arrivals: Annotated[str, ARRIVALS] = "poisson",
    processes: Annotated[int, PROCESSES] = 1,
    connections: Annotated[int, CONNECTIONS] = 4,
    deadline: Annotated[str, DEADLINE] = "1s",
    seed: Annotated[int, SEED] = 1,
    server: Server = "localhost:7400",
    key: Key = None,
    owned: Annotated[bool, OWNED] = False,
    fail_if: Annotated[list[str] | None, FAIL_IF] = None,
    json: Annotated[Path | None, JSON] = None,
    hgrm: Annotated[Path | None, HGRM] = None,
    html: Annotated[Path | None, HTML] = None,
) -> None:
    """Put a load on a server, and measure it as its callers would feel it.

    An open loop: calls are sent at moments that wait for no answer, and
    latency counts from the moment at which a call was meant to be sent. So a
    stall shows in every call that it delayed. When this program itself is
    late, it says so.

    Load goes to servers on this machine, unless you say that you answer for
    the other one.

    maitred load --placement home --rate 2000 --fail-if 'p99>5ms'

    maitred load --placement home:3 --ramp 500:20000:500/5s --html knee.html

    maitred load --placement home --rate 9 --mix expose=0.8,outcome=0.1:click

    Ends with 0; with 1 when a budget was broken or nothing was answered; with
    2 when something is wrong before load begins; with 130 after Ctrl-C, which
    ends the load with a report of what was measured.
    """
    options = Options(server, key, owned, json, hgrm, html)
    try:
        from maitred_server.load import budget

        budgets = [budget.parse(text) for text in fail_if or []]
        plan = _plan(rate, ramp, duration, calls, knee_p99, processes, arrivals)
        asked = _asked(placement or [], subjects, subject_prefix, kind, context or [], mix, batch, seed)
        status = _run(plan, asked, _wire(options, connections, deadline), options, budgets)
    except MaitredError as error:
        _say(f"maitred: {error.message}")
        status = WRONG
    raise typer.Exit(status)


def _plan(
    rate: str | None,
    ramp: str | None,
    duration: str | None,
    calls: int | None,
    knee_p99: str | None,
    processes: int,
    arrivals: str,
) -> Plan:
    from maitred_server.load import parsing
    from maitred_server.load.asked import MOST_PROCESSES, Plan

    if (rate is None) == (ramp is None):
        raise InvalidRequest("how much? give --rate 2000, or --ramp 500:20000:500/5s to find the knee")
    if ramp is not None and duration is not None:
        raise InvalidRequest("--duration goes with --rate; a ramp has the length of its steps: from:to:step/length")
    if arrivals not in ("poisson", "even"):
        raise InvalidRequest(f"--arrivals {arrivals!r}: it is poisson or even")
    _between(processes, 1, MOST_PROCESSES, "processes")
    steady = parsing.steady(parsing.rate(rate or "1"), duration, calls)  # checks --calls for a ramp too
    return Plan(
        steps=parsing.ramp(ramp) if ramp is not None else (steady,),
        ramp=ramp is not None,
        processes=processes,
        poisson=arrivals == "poisson",
        knee_p99_us=parsing.duration(knee_p99, "knee-p99") * 1e6 if knee_p99 else 0.0,
        calls=calls or 0,
    )


def _asked(
    placement: list[str], subjects: str, prefix: str, kind: str, context: list[str], mix: str, batch: int, seed: int
) -> Asked:
    from maitred_server.load import parsing, questions
    from maitred_server.load.asked import MOST_BATCH, Asked

    _between(batch, 1, MOST_BATCH, "batch")
    _between(seed, 0, 2**63, "seed")
    asked = Asked(
        placements=parsing.placements(placement),
        subjects=parsing.subjects(subjects, prefix, parsing.kind(kind)),
        context=parsing.context(context),
        mix=parsing.mix(mix),
        batch=batch,
        seed=seed,
    )
    questions.check(asked)
    return asked


def _wire(options: Options, connections: int, deadline: str) -> Wire:
    from maitred_server.load import address, parsing
    from maitred_server.load.asked import MOST_CONNECTIONS, Wire

    _between(connections, 1, MOST_CONNECTIONS, "connections")
    return Wire(
        target=address.resolve(options.server, options.owned),
        key=options.key,
        connections=connections,
        deadline_s=parsing.duration(deadline, "deadline"),
    )


def _between(number: int, low: int, high: int, name: str) -> None:
    if not low <= number <= high:
        raise InvalidRequest(f"--{name} {number} is out of bounds: {low} to {high}", name)


def _run(plan: Plan, asked: Asked, wire: Wire, options: Options, budgets: list[Budget]) -> int:
    from maitred_server.load import conductor, figures, probing, written

    for path in (options.json, options.hgrm, options.html):
        written.check(path)
    catalogue = probing.probe(asked, wire)
    setup = figures.Setup(options.server, datetime.now(UTC).isoformat(timespec="seconds"), catalogue, plan, asked, wire)
    with _watcher() as watcher:
        measured = conductor.run(plan, asked, wire, watcher)
    return _tell(setup, measured, options, budgets)


def _watcher() -> Lines | Screen:
    from maitred_server.load.watch import Lines, Screen

    return Screen(err) if err.is_terminal else Lines(_say)


def _tell(setup: Setup, measured: Measured, options: Options, budgets: list[Budget]) -> int:
    from maitred_server.load import budget, figures, page, summary, written
    from maitred_server.load.notes import main_step

    step = main_step(measured)
    held = [(one.text, budget.broken(one, step)) for one in budgets]
    told = figures.figures(setup, measured, held)
    for table in summary.tables(told):
        out.print(table)
    for note in told["notes"]:
        out.print(note, markup=False, highlight=False, soft_wrap=True)
    if options.json:
        written.write_json(options.json, told)
    if options.hgrm:
        written.write(options.hgrm, step.count.latency.hgrm())
    if options.html:
        written.write(options.html, page.render(told, measured))
    for how in filter(None, (how for _, how in held)):
        _say(how)
    if any(how for _, how in held) or not step.count.answered:
        return BROKEN
    return INTERRUPTED if measured.interrupted else 0


def _say(text: str) -> None:
    err.print(text, markup=False, highlight=False, soft_wrap=True)
