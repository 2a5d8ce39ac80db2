"""Items that no subject can ever be shown, and segments that nobody can ever be in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from maitred_server.errors import Mistake
from maitred_server.model import Item
from maitred_server.playbook import control
from maitred_server.playbook.lint.claims import claims, contradiction
from maitred_server.playbook.lint.scene import Scene, some
from maitred_server.playbook.rules import Rule, typed

LIVE = "price"  # an attribute that changes without a publish


def never_matching(scene: Scene) -> Iterator[Mistake]:
    """Segments whose own rule contradicts itself, or is false."""
    segments = _segments(scene)
    for segment in scene.control.segments:
        rule = segments[segment.name]
        if _is_false(rule):
            yield scene.warning("segments", segment.name, f"segment `{segment.name}` can never match: it is false")
        elif found := contradiction(claims(rule, segment.expression, segments)):
            told = " and ".join(dict.fromkeys(f"`{claim.said}`" for claim in found))
            message = f"segment `{segment.name}` can never match: {told} cannot hold together"
            yield scene.warning("segments", segment.name, message)


def never_eligible(scene: Scene) -> Iterator[Mistake]:
    """Candidates whose rules cannot all hold. Rules of some channels only are left out: they may not apply."""
    rules = [rule for rule in scene.control.rules if not rule.scope.channels]
    closed = _Closed(scene, rules)
    found: dict[tuple[str, frozenset[str]], list[str]] = {}
    for placement in scene.candidates:
        by_reason: dict[str, set[str]] = defaultdict(set)
        for name, applied in _applied(scene, rules, placement):
            if reason := closed.why(scene.items[name], applied):
                by_reason[reason].add(name)
        for reason, names in sorted(by_reason.items()):
            found.setdefault((reason, frozenset(names)), []).append(placement)
    for (reason, together), placements in found.items():
        where = some(placements, "placement")
        message = f"{some(together)} can never be eligible in {where}: {reason}"
        yield scene.about_items(together, ("placements", placements[0]), message)


def _applied(scene: Scene, rules: Sequence[control.Rule], placement: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Each candidate with the numbers of the rules that it must meet in any channel."""
    candidates, common = scene.candidates[placement], list[int]()
    own: dict[str, list[int]] = defaultdict(list)
    for number, rule in enumerate(rules):
        reached = scene.reached(rule.scope, placement)
        if len(reached) == len(candidates):
            common.append(number)
        else:
            for name in reached:
                own[name].append(number)
    for name in candidates if common else own:
        yield name, (*common, *own.get(name, ()))


class _Closed:
    """Why rules close items, remembered by what they have in common."""

    def __init__(self, scene: Scene, rules: list[control.Rule]) -> None:
        self._rules = rules
        self._compiled = [scene.rule(rule.plan) for rule in rules]
        self._of_items = [_of_item_alone(rule) for rule in self._compiled]
        self._segments = _segments(scene)
        self._types = dict(scene.control.item_types)
        self._contradictions: dict[tuple[int, ...], str] = {}

    def why(self, item: Item, applied: tuple[int, ...]) -> str:
        """Why an item is never eligible under some rules; "" when that is not proved."""
        for number in applied:
            if self._of_items[number] and not self._matches(number, item):
                of = "it" if self._compiled[number].uses.item else "anything"
                return f"`{self._rules[number].expression}` is not true of {of}"
        if applied not in self._contradictions:
            self._contradictions[applied] = self._contradiction(applied)
        return self._contradictions[applied]

    def _matches(self, number: int, item: Item) -> bool:
        attributes = {**typed(item.attributes, self._types), "id": item.id, "groups": item.groups}
        return self._compiled[number].matches({}, {}, 0, attributes)

    def _contradiction(self, applied: tuple[int, ...]) -> str:
        found = contradiction(
            claim
            for number in applied
            for claim in claims(self._compiled[number], self._rules[number].expression, self._segments)
        )
        if found is None:
            return ""
        told = list(dict.fromkeys(f"`{claim.said}`" for claim in found))
        return f"{' and '.join(told)} cannot hold together" if len(told) > 1 else f"{told[0]} contradicts itself"


def _of_item_alone(rule: Rule) -> bool:
    """Whether the answer depends on what is written of the item, and on nothing else."""
    uses = rule.uses
    return not (uses.subject or uses.context or uses.now or uses.segments or LIVE in uses.item)


def _is_false(rule: Rule) -> bool:
    uses = rule.uses
    return not (uses.subject or uses.context or uses.now or uses.segments) and not rule.matches({}, {}, 0)


def _segments(scene: Scene) -> Mapping[str, Rule]:
    return {segment.name: scene.rule(segment.plan) for segment in scene.control.segments}
