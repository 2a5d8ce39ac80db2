"""`maitred replay`: what another policy would have earned, told from the journal or from a log."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import typer
from rich.table import Table

from maitred_server.cli_estimates import Stages, progress, show, warn
from maitred_server.cli_options import AsJson, out
from maitred_server.errors import InvalidRequest

if TYPE_CHECKING:
    from maitred_server.evaluate.log import Log, Target
    from maitred_server.evaluate.report import Evaluation, Options
    from maitred_server.replaying.replay import Journal

OF_LOG = "column:target_probability"
SETTING = "NAME=VALUE, such as exploration=0.1"


class _Asked(NamedTuple):
    """Which decisions of a journal, and by what they are judged: as on the command line."""

    brand: str
    placement: str
    settings: list[str]
    since: str
    until: str
    response: str
    wait: str
    model: str
    most: int
    arm: str


def replay(
    policy: Annotated[
        str,
        typer.Option(
            help="With --journal one that is served: greedy, uniform, popular ...; with --log uniform, logged,"
            " always:ACTION, column:NAME or greedy:NAME."
        ),
    ] = "",
    journal: Annotated[Path | None, typer.Option(help="A data directory; a server may run on it.")] = None,
    log: Annotated[Path | None, typer.Option(help="A .csv or .parquet file of decisions, with probabilities.")] = None,
    placement: Annotated[str, typer.Option(help="Of the journal; without it the only one there is.")] = "",
    brand: Annotated[str, typer.Option(help="Whose journal.")] = "default",
    setting: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the policy: exploration, scale, or the order of `fixed`.")
    ] = None,
    since: Annotated[str, typer.Option("--from", help="Decisions from this time on, as 2026-05-01T12:00Z.")] = "",
    until: Annotated[str, typer.Option("--to", help="Decisions before this time.")] = "",
    arm: Annotated[str, typer.Option(help="LAYER=ARM: only decisions in it; the one that explores, say.")] = "",
    response: Annotated[str, typer.Option(help="One outcome type is the reward, worth 1; else what is learned.")] = "",
    wait: Annotated[str, typer.Option(help="How long such an outcome may take, as 7d.")] = "",
    model: Annotated[str, typer.Option(help="VERSION or `latest`; else the model in force at each decision.")] = "",
    most: Annotated[int, typer.Option(min=2, help="Decisions that are looked at, chosen by hash.")] = 20_000,
    write_log: Annotated[Path | None, typer.Option(help="Write the journal's decisions as a .parquet log.")] = None,
    column: Annotated[list[str] | None, typer.Option(help="FIELD=NAME: the log calls a field otherwise.")] = None,
    clip: Annotated[float, typer.Option(min=0, help="Clip weights here; 0: the root of the decisions' number.")] = 0.0,
    resamples: Annotated[int, typer.Option(min=100, max=100_000, help="Of the bootstrap.")] = 2_000,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")] = 1,
    html: Annotated[Path | None, typer.Option(help="Write the figures as a page with a picture too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell from what was logged what another policy would have earned: better, worse, or cannot be told."""
    from maitred_server.evaluate.page import write
    from maitred_server.evaluate.report import Options

    if (journal is None) == (log is None):
        raise InvalidRequest("give --journal DIR, a data directory, or --log FILE, a file of decisions", "journal")
    options = Options(clip, resamples, confidence, seed)
    asked = _Asked(brand, placement, setting or [], since, until, response, wait, model, most, arm)
    source: Journal | None = None
    with progress() as told:
        if journal is not None:
            _not_given("log", column=column)
            found, source = _of_journal(journal, policy, asked, options, write_log, told)
        else:
            _not_given("journal", write_log=write_log, **_changed(asked))
            found = _of_log(log or Path(), policy or OF_LOG, column or [], options, told)
    if html:
        write(html, found)
    if as_json:
        _print_json(found, source)
        return
    if source is not None:
        show_journal(source)
    show(found)


def _of_log(path: Path, policy: str, columns: list[str], options: Options, told: Stages) -> Evaluation:
    from maitred_server.evaluate import table
    from maitred_server.evaluate.build import build
    from maitred_server.evaluate.targets import target

    read = table.read(path, dict(_pair(text, "column", "FIELD=NAME, such as reward=click") for text in columns))
    built = build(read)
    return _evaluated(built, target(policy, built, read), options, told)


def _of_journal(
    data: Path, policy: str, asked: _Asked, options: Options, write_log: Path | None, told: Stages
) -> tuple[Evaluation, Journal]:
    from maitred_server.playbook.schema.values import milliseconds
    from maitred_server.replaying.candidate import candidate
    from maitred_server.replaying.reading import Asked
    from maitred_server.replaying.replay import Wanted, placement_of, replay
    from maitred_server.replaying.written import write
    from maitred_server.store import Store

    chosen = candidate(policy, dict(_pair(text, "setting", SETTING) for text in asked.settings))
    try:
        wait = milliseconds(asked.wait) if asked.wait else None
    except ValueError as error:
        raise InvalidRequest(f"--wait {asked.wait}: {error}", "wait") from None
    arm = _pair(asked.arm, "arm", "LAYER=ARM, such as first=chance") if asked.arm else None
    times = moment(asked.since, "from", 0), moment(asked.until, "to", 1 << 62)
    with Store.open(data, read_only=True) as store:
        name = placement_of(data, asked.brand, asked.placement)
        wanted = Wanted(
            Asked(asked.brand, name, *times, asked.most, arm=arm), chosen, asked.response, wait, asked.model
        )
        found = replay(store, data, wanted, told)
    _refuse_certainty(found.log, name)
    if write_log:
        write(write_log, found.log, found.target)
    return _evaluated(found.log, found.target, options, told), found.journal


def _evaluated(log: Log, target: Target, options: Options, told: Stages) -> Evaluation:
    from maitred_server.evaluate.report import evaluate

    return evaluate(log, target, options, lambda done, of: told("resampling", done, of))


def _refuse_certainty(log: Log, placement: str) -> None:
    if (log.probability == 1).all():
        raise InvalidRequest(
            f"every choice in placement `{placement}` had the probability 1: a policy that never varies what it does"
            " shows nothing of what another would get; serve one that explores, or see `maitred policy apprentice`",
            "placement",
        )


def _changed(asked: _Asked) -> dict[str, Any]:
    """What was asked of a journal and is not the default."""
    return {name: value for name, value in asked._asdict().items() if value not in ("", [], "default", 20_000)}


def _not_given(what: str, **given: Any) -> None:
    names = {"settings": "setting", "since": "from", "until": "to"}
    for name, value in given.items():
        if value:
            option = names.get(name, name).replace("_", "-")
            raise InvalidRequest(f"--{option} goes with --{what} alone", option)


def moment(text: str, field: str, otherwise: int) -> int:
    """A time of the command line, ms. Raises InvalidRequest."""
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidRequest(f"--{field} {text!r} is no time as 2026-05-01 or 2026-05-01T12:00Z", field) from None
    if at is None:
        return otherwise
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)


def _pair(text: str, field: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InvalidRequest(f"{text!r} is no {form}", field)
    return name, value


def _print_json(found: Evaluation, source: Journal | None) -> None:
    told = msgspec.to_builtins(found) | ({} if source is None else {"journal": msgspec.to_builtins(source)})
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")


def show_journal(source: Journal) -> None:
    """What became of the journal's decisions, before what they say."""
    table = Table(show_header=False, title=f"the journal: placement {source.placement}", title_justify="left")
    sampled = (
        f", {source.sampled:,} looked at" if source.sampled < source.decisions - sum(source.left_out.values()) else ""
    )
    table.add_row("decisions shown", f"{source.decisions:,}{sampled}")
    for why, count in source.left_out.items():
        table.add_row("left out", f"{count:,}: {why}")
    table.add_row("made again", f"{source.replayed:,}")
    for note, count in source.notes.items():
        table.add_row("as near as can be", f"{count:,}: {note}")
    table.add_row("checked", f"{source.same:,} of {source.checked:,} gave back the probabilities that were logged")
    table.add_row("reward", source.reward)
    if source.model:
        table.add_row("model", source.model)
    out.print(table, highlight=False)
    for text in source.warnings:
        warn(text)
