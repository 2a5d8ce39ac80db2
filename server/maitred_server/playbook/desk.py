"""Where one reading of the control files gathers what it finds: mistakes, names that are used, and where they stand."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from maitred_server.errors import Mistake
from maitred_server.playbook.control import Scope
from maitred_server.playbook.expressions import Compiler, Expression
from maitred_server.playbook.hints import did_you_mean
from maitred_server.playbook.nouns import Mentions, PinnedItem, Reference
from maitred_server.playbook.schema.expressions import ScopePart
from maitred_server.playbook.templates import check as check_template
from maitred_server.playbook.validation import Checked
from maitred_server.playbook.yamltree import Path

P = TypeVar("P", bound="Named")


class Named(Protocol):
    """A part with a name."""

    @property
    def name(self) -> str: ...


class Scoped(Protocol):
    """A part that may name items and groups."""

    @property
    def items(self) -> Sequence[str]: ...
    @property
    def groups(self) -> Sequence[str]: ...


class Desk:
    """Gathers. `placements`: names of all placements; None when their file cannot be read."""

    def __init__(self, compiler: Compiler, placements: Collection[str] | None) -> None:
        self.compiler = compiler
        self.mistakes: list[Mistake] = []
        self.pins: list[PinnedItem] = []
        self.worths: list[Reference] = []
        self._placements = placements
        self._items: list[Reference] = []
        self._groups: list[Reference] = []
        self._places: dict[tuple[str, str], Reference] = {}

    @property
    def mentions(self) -> Mentions:
        """All that was named."""
        return Mentions(
            tuple(self._items),
            tuple(self._groups),
            tuple(self.pins),
            tuple(self.worths),
            frozenset(self.compiler.segments_used),
            self._places,
        )

    def each(self, checked: Checked[Any], key: str, parts: Iterable[P]) -> Iterator[tuple[P, Path]]:
        """The parts of a list with their paths; a name that was there before is a mistake. Notes their places."""
        for at, part in enumerate(parts):
            path = (key, at)
            here = Reference(part.name, checked.file, *checked.place(*path))
            before = self._places.setdefault((key, part.name), here)
            if before is not here:
                self.mistakes.append(here.mistake(f"`{part.name}` stands here twice; first in line {before.line}"))
            yield part, path

    def plan(self, checked: Checked[Any], path: Path, text: str, no_item: str = "") -> bytes:
        """The plan of an expression; b"" when it has mistakes."""
        return self.compiled(Expression.of(checked, path, text), no_item)

    def compiled(self, expression: Expression, no_item: str = "") -> bytes:
        """As `plan`."""
        rule = self.compiler.rule(expression, no_item)
        if isinstance(rule, list):
            self.mistakes += rule
            return b""
        return rule.plan

    def scope(self, checked: Checked[Any], path: Path, part: ScopePart | None) -> Scope:
        """What is named at a path."""
        if part is None:
            return Scope()
        self.placements(checked, (*path, "placements"), part.placements)
        items, groups = self.members(checked, path, part)
        return Scope(items, groups, tuple(part.placements), tuple(part.channels))

    def members(self, checked: Checked[Any], path: Path, part: Scoped) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The items and groups that are named at a path."""
        self._items += references(checked, (*path, "items"), part.items)
        self.groups(references(checked, (*path, "groups"), part.groups))
        return tuple(part.items), tuple(part.groups)

    def groups(self, named: Iterable[Reference]) -> None:
        """Groups that are named."""
        self._groups += named

    def placements(self, checked: Checked[Any], path: Path, names: Sequence[str]) -> None:
        """Placements that are named."""
        if self._placements is None:
            return
        for one in references(checked, path, names):
            if one.name not in self._placements:
                known = did_you_mean(one.name, self._placements)
                self.mistakes.append(one.mistake(f"unknown placement `{one.name}`{known}"))

    def template(self, text: str, content_type: str) -> list[str]:
        """What is wrong with a text with places, in words."""
        return check_template(text, content_type, self.compiler.declared.vocabulary)


def references(checked: Checked[Any], path: Path, names: Sequence[str]) -> list[Reference]:
    """The names of a list with where they stand."""
    return [Reference(name, checked.file, *checked.place(*path, at)) for at, name in enumerate(names)]
