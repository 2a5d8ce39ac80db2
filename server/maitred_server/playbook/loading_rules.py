"""rules.yaml, and the rules that items, groups and placements carry themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from maitred_server.playbook.control import Layer, Rule, Scope
from maitred_server.playbook.desk import Desk
from maitred_server.playbook.expressions import Expression
from maitred_server.playbook.items import Written
from maitred_server.playbook.schema.expressions import RestrictedPart
from maitred_server.playbook.schema.items import GroupsFile
from maitred_server.playbook.schema.placements import PlacementsFile
from maitred_server.playbook.schema.rules import RulesFile
from maitred_server.playbook.validation import Checked
from maitred_server.playbook.yamltree import Node, Path

LAYERS: Final[tuple[Layer, ...]] = ("eligibility", "applicability", "suitability")
LONGEST_NAME: Final = 100


class Carried(NamedTuple):
    """A rule that something carries: in `kind` of a scope, under `name`."""

    layer: Layer
    expression: Expression
    kind: str  # items, groups or placements
    name: str


def rules(checked: Checked[RulesFile], desk: Desk) -> Iterator[Rule]:
    """The rules of rules.yaml; their plan is empty where they have mistakes."""
    for part, path in desk.each(checked, "rules", checked.part.rules):
        plan = desk.plan(checked, (*path, "if"), part.if_)
        scope = desk.scope(checked, (*path, "for"), part.for_)
        yield Rule(part.name, part.layer, part.if_.strip(), plan, scope, part.why)


def carried_rules(carried: Iterable[Carried], desk: Desk, taken: Iterable[str]) -> Iterator[Rule]:
    """One rule for each layer and text, about all that carry it. `taken`: names of other rules.

    Placements are apart: in a scope they narrow down what items and groups say.
    """
    gathered: dict[tuple[bool, Layer, str], list[Carried]] = {}
    for one in carried:
        key = (one.kind == "placements", one.layer, one.expression.text.strip())
        gathered.setdefault(key, []).append(one)
    names = set(taken)
    for (of_placements, layer, text), alike in gathered.items():
        name = _free(_name("placement" if of_placements else "item", layer, text), names)
        yield Rule(name, layer, text, _plan(alike, desk), _scope(alike))


def _plan(alike: list[Carried], desk: Desk) -> bytes:
    """The plan that all have; of a mistake the first place is named, and how many there are."""
    before = len(desk.mistakes)
    plan = desk.compiled(alike[0].expression)
    if len(alike) > 1:
        more = f" (and in {len(alike) - 1:,} more places)"
        desk.mistakes[before:] = [one._replace(message=one.message + more) for one in desk.mistakes[before:]]
    return plan


def _scope(alike: list[Carried]) -> Scope:
    named: dict[str, list[str]] = {"items": [], "groups": [], "placements": []}
    for one in alike:
        named[one.kind].append(one.name)
    return Scope(**{kind: tuple(dict.fromkeys(names)) for kind, names in named.items()})


def _name(what: str, layer: Layer, text: str) -> str:
    """The same as long as the rule's text is, whoever carries it."""
    name = " ".join(f"{what} {layer}: {text}".split())
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."


def _free(name: str, names: set[str]) -> str:
    """The name, or with a number when it is taken."""
    free, number = name, 2
    while free in names:
        free, number = f"{name} ({number})", number + 1
    names.add(free)
    return free


def of_items(written: Iterable[Written]) -> Iterator[Carried]:
    """The rules that items carry."""
    for one in written:
        if one.part is not None and one.node is not None and one.part.is_restricted:
            for layer, path, text in _texts(one.part):
                expression = Expression(text, one.file, partial(_found, one, path))
                yield Carried(layer, expression, "items", one.item.id)


def _found(written: Written, path: Path) -> Node:
    assert written.node is not None
    return written.node().find(path)


def of_groups(checked: Checked[GroupsFile]) -> Iterator[Carried]:
    """The rules that groups carry."""
    for at, group in enumerate(checked.part.groups):
        yield from _of_part(checked, ("groups", at), group, "groups", group.id)


def of_placements(checked: Checked[PlacementsFile]) -> Iterator[Carried]:
    """The rules that placements carry."""
    for at, placement in enumerate(checked.part.placements):
        yield from _of_part(checked, ("placements", at), placement, "placements", placement.name)


def _of_part(checked: Checked[Any], path: Path, part: RestrictedPart, kind: str, name: str) -> Iterator[Carried]:
    for layer, below, text in _texts(part):
        yield Carried(layer, Expression.of(checked, (*path, *below), text), kind, name)


def _texts(part: RestrictedPart) -> Iterator[tuple[Layer, Path, str]]:
    """Each expression with its layer and where it is below the part."""
    for layer in LAYERS:
        written = getattr(part, layer)
        if not isinstance(written, str):
            yield from ((layer, (layer, at), text) for at, text in enumerate(written))
        elif written:
            yield layer, (layer,), written
