"""subjects.yaml and segments.yaml: what may be known of subjects and what for, and the segments they are in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, NamedTuple

from maitred_server.errors import Mistake
from maitred_server.model import Intensity
from maitred_server.playbook.checks import twice
from maitred_server.playbook.control import (
    ContextDeclaration,
    EventDeclaration,
    Purpose,
    Segment,
    TraitDeclaration,
    TypeName,
)
from maitred_server.playbook.desk import Desk
from maitred_server.playbook.expressions import Expression
from maitred_server.playbook.hints import did_you_mean
from maitred_server.playbook.rules.declarations import RESERVED
from maitred_server.playbook.schema.subjects import SegmentPart, SegmentsFile, SubjectsFile
from maitred_server.playbook.validation import Checked
from maitred_server.playbook.yamltree import Path

if TYPE_CHECKING:
    from maitred_server.playbook.rules import Rule

SERVICE = "service"  # the purpose that is built in
NO_ITEM = "a segment is about the subject; it cannot use `item`"


class Subjects(NamedTuple):
    """subjects.yaml as nouns."""

    purposes: tuple[Purpose, ...] = ()
    intensity: Intensity = Intensity.FULL
    traits: tuple[TraitDeclaration, ...] = ()
    context: tuple[ContextDeclaration, ...] = ()
    events: tuple[EventDeclaration, ...] = ()
    item_attributes: Mapping[str, TypeName] = {}


def subjects(part: SubjectsFile) -> Subjects:
    """The file's nouns."""
    return Subjects(
        tuple(Purpose(one.name, one.description, one.consent == "required") for one in part.purposes),
        Intensity[part.intensity.upper()],
        tuple(TraitDeclaration(t.name, t.type, t.purpose, t.sensitive, t.description) for t in part.traits),
        tuple(ContextDeclaration(one.name, one.type, one.description) for one in part.context),
        tuple(EventDeclaration(one.type, one.purpose) for one in part.events),
        dict(part.item_attributes),
    )


def check_subjects(checked: Checked[SubjectsFile]) -> Iterator[Mistake]:
    """What is wrong beyond the form of each field."""
    part = checked.part
    yield from twice(checked, ("traits",), [one.name for one in part.traits])
    yield from twice(checked, ("context",), [one.name for one in part.context])
    yield from twice(checked, ("events",), [one.type for one in part.events])
    yield from twice(checked, ("purposes",), [one.name for one in part.purposes])
    yield from _check_reserved(
        checked, "subject", ((("traits", at, "name"), t.name) for at, t in enumerate(part.traits))
    )
    traits = ((("traits", at, "name"), trait.name) for at, trait in enumerate(part.traits))
    yield from _check_reserved(checked, "subject", traits)
    attributes = ((("item_attributes", name), name) for name in part.item_attributes)
    yield from _check_reserved(checked, "item", attributes)
    for at, one in enumerate(part.purposes):
        if one.name == SERVICE:
            yield checked.mistake(("purposes", at, "name"), f"purpose `{SERVICE}` is built in, and assumed")
    yield from _check_purposes(checked)


def _check_reserved(checked: Checked[Any], root: str, names: Iterable[tuple[Path, str]]) -> Iterator[Mistake]:
    for path, name in names:
        if name in RESERVED[root]:
            mistake = checked.key_mistake if root == "item" else checked.mistake
            yield mistake(path, f"`{root}.{name}` is built in; take another name")


def _check_purposes(checked: Checked[SubjectsFile]) -> Iterator[Mistake]:
    known = [SERVICE, *(one.name for one in checked.part.purposes)]
    used = [(("traits", at), one.purpose) for at, one in enumerate(checked.part.traits)]
    used += [(("events", at), one.purpose) for at, one in enumerate(checked.part.events)]
    for path, purpose in used:
        if purpose not in known:
            message = f"unknown purpose `{purpose}`{did_you_mean(purpose, known)}"
            yield checked.mistake((*path, "purpose"), message)


def segments(checked: Checked[SegmentsFile], desk: Desk) -> tuple[Segment, ...]:
    """The file's segments that have no mistakes."""
    compiled: list[tuple[SegmentPart, Rule]] = []
    for part, path in desk.each(checked, "segments", checked.part.segments):
        rule = desk.compiler.rule(Expression.of(checked, (*path, "if"), part.if_), NO_ITEM, of_segment=True)
        if isinstance(rule, list):
            desk.mistakes += rule
        else:
            compiled.append((part, rule))
    uses = {part.name: rule.uses.segments for part, rule in compiled}
    desk.mistakes += _check_rings(checked, uses)
    timeless = _timeless(compiled)
    return tuple(
        Segment(part.name, part.if_.strip(), rule.plan, part.name in timeless, part.description)
        for part, rule in compiled
    )


def _check_rings(checked: Checked[SegmentsFile], uses: Mapping[str, frozenset[str]]) -> list[Mistake]:
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        ring: Sequence[str] = error.args[1][::-1]
        at = [part.name for part in checked.part.segments].index(ring[0])
        steps = ", ".join(f"`{name}`" for name in ring)
        return [checked.mistake(("segments", at, "if"), f"segments use each other in a ring: {steps}")]
    return []


def _timeless(compiled: Sequence[tuple[SegmentPart, Rule]]) -> set[str]:
    """Those that look neither at time nor at context, nor at a segment that does."""
    left = {part.name: rule.uses.segments for part, rule in compiled if not (rule.uses.now or rule.uses.context)}
    while fleeting := [name for name, used in left.items() if not used <= left.keys()]:
        for name in fleeting:
            del left[name]
    return set(left)
