"""An explanation as a page of a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from google.protobuf.json_format import MessageToDict
from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from maitred_server.admin_client import Explained, ExplainedCandidate, ExplainedPlacement

FACTORS: Final = ("propensity", "score", "context weight", "value", "lever")  # their product is the priority
QUIET: Final = "dim"


def show(console: Console, told: Explained, items: Sequence[str]) -> None:
    """Print it. `items`: what was asked for; none: everything."""
    for part in _page(told, items):
        console.print(part, highlight=False)


def _page(told: Explained, items: Sequence[str]) -> Iterator[RenderableType]:
    yield _facts(told)
    for placement in told.placements:
        yield ""
        yield f"[bold]{escape(placement.placement)}[/]: {_served(placement)}"
        yield from map(_indented, _items(placement, items) if items else _funnel(placement))


def _indented(part: RenderableType) -> RenderableType:
    return Padding(part, (0, 0, 0, 2))


# Whom it is about


def _facts(told: Explained) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style=QUIET, no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for name, text in _said(told):
        table.add_row(name, text)
    return table


def _said(told: Explained) -> Iterator[tuple[str, str]]:
    policy = f", policy snapshot {told.versions.policy}" if told.versions.policy else ""
    yield "decided", f"{_when(told.decided_at_ms)}, catalogue version {told.versions.catalogue}{policy}"
    if told.HasField("repeated"):
        yield "again", "[green]the same answer[/]" if told.repeated else "[red]another answer than the receipt's[/]"
    yield "intensity", _word(told, "intensity", "INTENSITY_")
    yield "seen", ", ".join(f"{escape(name)} {escape(_value(told, name))}" for name in sorted(told.seen)) or "nothing"
    if told.segments:
        yield "segments", escape(", ".join(told.segments))
    if told.arms:
        yield "arms", ", ".join(_arm(one.layer, one.arm, one.overridden) for one in told.arms)
    yield from (("not used", escape(text)) for text in told.unseen)
    yield from (("note", f"[yellow]{escape(text)}[/]") for text in told.notes)


def _arm(layer: str, arm: str, overridden: bool) -> str:
    return f"{escape(layer)}: {escape(arm) or 'none'}{' (asked for)' if overridden else ''}"


def _value(told: Explained, name: str) -> str:
    """A wire value has one member."""
    wire = told.seen[name]
    member = wire.WhichOneof("value")
    if member == "time_ms":
        return _when(wire.time_ms)
    if member == "texts":
        return f"[{', '.join(wire.texts.texts)}]"
    if member == "flag":
        return "true" if wire.flag else "false"
    return f"{wire.number:g}" if member == "number" else f"“{wire.text}”"


def _served(placement: ExplainedPlacement) -> str:
    return f"policy {escape(placement.policy)}, reason {_word(placement, 'reason', 'REASON_')}"


# The whole funnel


def _funnel(placement: ExplainedPlacement) -> Iterator[RenderableType]:
    yield from _stages(placement)
    by_item = {(one.item, one.variant): one for one in placement.candidates}
    if placement.slate:
        yield ""
        yield _slate(placement, by_item)
    chosen = {(one.item, one.variant) for one in placement.slate}
    others = [one for key, one in by_item.items() if key not in chosen]
    if open_ := [one for one in others if not one.fell_at]:
        yield ""
        yield _open(open_)
    if refused := [one for one in others if one.fell_at]:
        yield ""
        yield _refused(refused)
    hidden = placement.funnel[0].left - len(placement.candidates)
    if hidden > 0:
        yield f"[{QUIET}]and {hidden:,} more candidates; --limit and --item show them[/]"


def _stages(placement: ExplainedPlacement) -> Iterator[RenderableType]:
    """What closes nothing is one quiet line."""
    table = _table("stage", "left", "closed")
    table.columns[1].justify = table.columns[2].justify = "right"
    table.add_row(placement.funnel[0].name, f"{placement.funnel[0].left:,}", "")
    idle = []
    for before, stage in pairwise(placement.funnel):
        closed = before.left - stage.left
        if closed:
            table.add_row(stage.name, f"{stage.left:,}", f"{closed:,}")
        else:
            idle.append(stage.name)
    yield table
    if idle:
        yield f"[{QUIET}]closed nothing: {', '.join(idle)}[/]"


def _slate(placement: ExplainedPlacement, told: dict[tuple[str, str], ExplainedCandidate]) -> Table:
    table = _table("slot", "shown", "reason", "P", "priority", "made of")
    for at in (0, 3, 4):
        table.columns[at].justify = "right"
    for choice in sorted(placement.slate, key=lambda one: one.slot):
        candidate = told.get((choice.item, choice.variant))
        reason = _word(choice, "reason", "REASON_") + (", stretch" if choice.stretch else "")
        table.add_row(
            str(choice.slot),
            _named(choice.item, choice.variant),
            reason,
            f"{choice.action_probability:.3g}",
            f"{choice.priority:,.4g}",
            _made_of(candidate) if candidate else "",
        )
        if choice.reason_text:
            table.add_row("", f"[{QUIET}]“{escape(choice.reason_text)}”[/]")
    return table


def _open(candidates: Iterable[ExplainedCandidate]) -> Table:
    table = _table("could be shown", "P", "priority", "made of")
    table.columns[1].justify = table.columns[2].justify = "right"
    for one in candidates:
        priority = f"{one.factors['priority']:,.4g}" if "priority" in one.factors else ""
        table.add_row(_named(one.item, one.variant), f"{one.action_probability:.3g}", priority, _made_of(one))
    return table


def _refused(candidates: Iterable[ExplainedCandidate]) -> Table:
    table = _table("not shown", "fell at", "why")
    table.columns[2].ratio = 1
    for one in candidates:
        table.add_row(_named(one.item, one.variant), one.fell_at, escape("\n".join(one.why)))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _made_of(candidate: ExplainedCandidate) -> str:
    """The factors that are not 1; their product is the priority."""
    base = [f"{name} {candidate.factors[name]:,.4g}" for name in FACTORS[:2] if name in candidate.factors]
    rest = [(name, candidate.factors[name]) for name in FACTORS[2:] if name in candidate.factors]
    return " x ".join([*base, *(f"{name} {value:,.4g}" for name, value in rest if value != 1.0)])


# Only some items


def _items(placement: ExplainedPlacement, items: Sequence[str]) -> Iterator[RenderableType]:
    found = [one for item in items for one in placement.candidates if one.item == item]
    if not found:
        yield f"{escape(', '.join(items))}: no candidate here"
    for one in found:
        yield f"[bold]{_named(one.item, one.variant)}[/] {_fate(placement, one)}"
        yield from (Padding(escape(why), (0, 0, 0, 2)) for why in one.why)


def _fate(placement: ExplainedPlacement, one: ExplainedCandidate) -> str:
    if one.HasField("slot"):
        choice = next(choice for choice in placement.slate if choice.slot == one.slot)
        reason = _word(choice, "reason", "REASON_")
        return f"is shown in slot {one.slot}, reason {reason}, P {choice.action_probability:.3g}: {_made_of(one)}"
    if one.fell_at:
        return f"is not shown: it fell at [bold]{escape(one.fell_at)}[/]"
    priority = one.factors.get("priority", 0.0)
    shown = ", ".join(f"{_named(c.item, c.variant)} {c.priority:,.4g}" for c in placement.slate)
    return (
        f"could be shown (P {one.action_probability:.3g}), and was not chosen: priority {priority:,.4g} "
        f"({_made_of(one)}); shown are {shown}"
    )


def _named(item: str, variant: str) -> str:
    return escape(f"{item} ({variant})" if variant else item)


def _word(message: Explained | ExplainedPlacement | object, field: str, prefix: str) -> str:
    told = MessageToDict(message, preserving_proto_field_name=True)  # type: ignore[arg-type]
    return str(told.get(field, "")).removeprefix(prefix).lower()


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(sep=" ", timespec="milliseconds")[:23] + " UTC"
