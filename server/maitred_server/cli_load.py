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
    from maitred_server.load.measured import Measured
    from maitred_server.load.watch import Lines, Screen

BROKEN, WRONG, INTERRUPTED = 1, 2, 130
HOW_MUCH, WHAT, HOW, RESULT = "How much", "What is asked", "How it is sent", "What comes of it"

EPILOG = """
Examples

  maitred load --placement home --rate 2000 --duration 30s --fail-if 'p99>5ms' --fail-if 'errors>0'

  maitred load --placement home:3 --ramp 500:20000:500/5s --processes 2 --html knee.html

  maitred load --placement home --rate 500 --mix decide=1,expose=0.8,outcome=0.1:click

Ends with 0; with 1 when a budget was broken, or nothing was answered; with 2 when something is wrong before load begins; with 130 when
Ctrl-C ended it.
"""


class Options(NamedTuple):
    """The plain part of what was typed."""

    server: str
    key: str | None
    owned: bool
    fail_if: list[str]
    json: Path | None
    hgrm: Path | None
    html: Path | None


def load(
    placement: Annotated[
        list[str] | None,
        typer.Option(help="NAME or NAME:slots; again for a page of several.", rich_help_panel=WHAT),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="Calls a second, all processes together.", rich_help_panel=HOW_MUCH)
    ] = None,
    ramp: Annotated[
        str | None,
        typer.Option(
            help="from:to:step/length, e.g. 500:20000:500/5s: finds the knee, the highest rate that the server keeps up "
            "with, and ends two steps after it.",
            rich_help_panel=HOW_MUCH,
        ),
    ] = None,
    duration: Annotated[
        str | None, typer.Option(help="How long, e.g. 30s; 10s when no count is given.", rich_help_panel=HOW_MUCH)
    ] = None,
    calls: Annotated[
        int | None, typer.Option(help="How many calls at most, over all steps.", rich_help_panel=HOW_MUCH)
    ] = None,
    knee_p99: Annotated[
        str | None,
        typer.Option(
            "--knee-p99",
            help="Beyond this p99 the server does not keep up; else 5 times that of the first step, at least 1ms.",
            rich_help_panel=HOW_MUCH,
        ),
    ] = None,
    subjects: Annotated[
        str,
        typer.Option(
            help="zipf:EXPONENT:COUNT, uniform:COUNT, or a file: an id a line, or .jsonl with id, kind, context.",
            rich_help_panel=WHAT,
        ),
    ] = "uniform:100000",
    subject_prefix: Annotated[
        str, typer.Option(help="What the ids of drawn subjects begin with.", rich_help_panel=WHAT)
    ] = "load-",
    kind: Annotated[
        str,
        typer.Option(help="person, household, device or session; else the server's default.", rich_help_panel=WHAT),
    ] = "",
    context: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY=VALUE (text, or JSON), again for more; or a .jsonl file, a context a line.", rich_help_panel=WHAT
        ),
    ] = None,
    mix: Annotated[
        str,
        typer.Option(
            help="Of the decisions that are answered, which share is exposed and has an outcome: "
            "decide=1,expose=0.8,outcome=0.1:clicked. This is real feedback: the server keeps it and learns from it.",
            rich_help_panel=WHAT,
        ),
    ] = "decide=1",
    batch: Annotated[
        int, typer.Option(help="Decisions in a call; above 1 it is DecideBatch.", rich_help_panel=WHAT)
    ] = 1,
    arrivals: Annotated[
        str, typer.Option(help="poisson, as independent callers come, or even.", rich_help_panel=HOW)
    ] = "poisson",
    processes: Annotated[int, typer.Option(help="Processes that share the rate.", rich_help_panel=HOW)] = 1,
    connections: Annotated[int, typer.Option(help="Connections of each process.", rich_help_panel=HOW)] = 4,
    deadline: Annotated[
        str, typer.Option(help="After which a call is given up: a failure.", rich_help_panel=HOW)
    ] = "1s",
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", rich_help_panel=HOW)] = 1,
    server: Server = "localhost:7400",
    key: Key = None,
    owned: Annotated[
        bool,
        typer.Option(
            "--i-own-this-server", help="Let the server be another machine than this one.", rich_help_panel=HOW
        ),
    ] = False,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            help="A budget, e.g. 'p99>5ms', 'p99.9>20ms', 'max>1s', 'mean>1ms', 'errors>0.1%', 'rate<1900', "
            "'feedback.p99>50ms'; again for more. Of a ramp: at the knee.",
            rich_help_panel=RESULT,
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="File for all figures.", rich_help_panel=RESULT)] = None,
    hgrm: Annotated[
        Path | None, typer.Option(help="File for the percentile distribution, in ms.", rich_help_panel=RESULT)
    ] = None,
    html: Annotated[Path | None, typer.Option(help="File for a page with charts.", rich_help_panel=RESULT)] = None,
) -> None:
    """Put a load on a server and measure it as its callers would feel it.

    An open loop: calls are sent at moments that wait for no answer, and latency counts from the moment at which a call was
    meant to be sent. So a stall of the server shows in every call that it delayed. When this program is late itself, it says so.

    Load goes to servers of this machine only, unless you say that you answer for the other one.
    """
    options = Options(server, key, owned, fail_if or [], json, hgrm, html)
    try:
        from maitred_server.load import budget

        budgets = [budget.parse(text) for text in options.fail_if]
        plan = _plan(rate, ramp, duration, calls, knee_p99, processes, arrivals)
        asked = _asked(placement or [], subjects, subject_prefix, kind, context or [], mix, batch, seed)
        status = _run(plan, asked, _wire(options, connections, deadline), options, budgets)
    except MaitredError as error:
        _say(f"maitred: {error.message}")
        raise typer.Exit(WRONG) from None
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


def _tell(setup: Any, measured: Measured, options: Options, budgets: list[Budget]) -> int:
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


load.__doc__ = (load.__doc__ or "") + EPILOG
