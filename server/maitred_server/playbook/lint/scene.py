"""A playbook laid out for warnings: its items, which are candidates where, and what each scope is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final

from maitred_server.errors import Mistake
from maitred_server.model import Item
from maitred_server.playbook.control import Scope
from maitred_server.playbook.expressions import restored
from maitred_server.playbook.hints import listed
from maitred_server.playbook.nouns import PlannedPlacement, Playbook, Reference
from maitred_server.playbook.rules import Rule

MOST_NAMED: Final = 3  # in one warning


class Scene:
    """Everything that a warning may look at. Names of items stand for items."""

    def __init__(
        self, playbook: Playbook, items: Mapping[str, Item], places: Mapping[tuple[str, str], Reference]
    ) -> None:
        """`items`: all that are served; `places`: where items and placements are written, by kind and name."""
        self.playbook = playbook
        self.control = playbook.control
        self.items = items
        self._places = {**playbook.mentions.places, **places}
        self._rules: dict[bytes, Rule] = {}
        self._members: dict[tuple[tuple[str, ...], tuple[str, ...]], frozenset[str]] = {}

    @cached_property
    def by_group(self) -> Mapping[str, frozenset[str]]:
        """The items of each group."""
        members: dict[str, set[str]] = defaultdict(set)
        for item in self.items.values():
            for group in item.groups:
                members[group].add(item.id)
        return {group: frozenset(found) for group, found in members.items()}

    @cached_property
    def everything(self) -> frozenset[str]:
        """All items."""
        return frozenset(self.items)

    @cached_property
    def candidates(self) -> Mapping[str, frozenset[str]]:
        """The candidates of each placement."""
        return {plan.name: self._candidates(plan) for plan in self.playbook.placements}

    def _candidates(self, plan: PlannedPlacement) -> frozenset[str]:
        if plan.every_item:
            return self.everything
        return self.members([one.name for one in plan.items], [one.name for one in plan.groups])

    def members(self, items: Sequence[str], groups: Sequence[str]) -> frozenset[str]:
        """The items of some ids and some groups; all, when nothing is named."""
        key = tuple(items), tuple(groups)
        if key not in self._members:
            named = frozenset(items) & self.everything
            found = named.union(*(self.by_group.get(group, ()) for group in groups))
            self._members[key] = found if items or groups else self.everything
        return self._members[key]

    def reached(self, scope: Scope, placement: str) -> frozenset[str]:
        """The candidates of a placement that a scope is about, whatever the channel."""
        if scope.placements and placement not in scope.placements:
            return frozenset()
        return self.candidates[placement] & self.members(scope.items, scope.groups)

    def rule(self, plan: bytes) -> Rule:
        """The rule of a plan."""
        if plan not in self._rules:
            self._rules[plan] = restored(plan)
        return self._rules[plan]

    def warning(self, kind: str, name: str, message: str) -> Mistake:
        """About what has a kind (its list in the files) and a name."""
        here = self._places.get((kind, name))
        return here.mistake(message) if here else Mistake("playbook", 0, message)

    def about_items(self, names: Iterable[str], otherwise: tuple[str, str], message: str) -> Mistake:
        """About some items: at the place of the first that is written in the files, else at `otherwise`."""
        written = [(self._places[("items", name)], name) for name in names if ("items", name) in self._places]
        first = min(written, key=lambda one: (one[0].file, one[0].line), default=None)
        return self.warning("items", first[1], message) if first else self.warning(*otherwise, message)


def some(names: Iterable[str], what: str = "item") -> str:
    """Names in words: ``item `a` ``, ``items `a`, `b`, `c` and 7 more``."""
    ordered = sorted(names)
    more = f" and {len(ordered) - MOST_NAMED:,} more" if len(ordered) > MOST_NAMED else ""
    return f"{what}{'s' if len(ordered) > 1 else ''} {listed(ordered[:MOST_NAMED])}{more}"
