"""A formula by what its parts ask: the subject alone, items alone, or both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec

from maitred_server.playbook.rules.logic import (
    All,
    Formula,
    Literal,
    asks_items,
    asks_items_alone,
    conjunction,
    disjunction,
)
from maitred_server.playbook.rules.tree import Node


class OfSubject(msgspec.Struct, frozen=True):
    """A part that asks no items: formula `number` of the program's matcher."""

    number: int


class OfItems(msgspec.Struct, frozen=True):
    """A part that asks items alone."""

    of: Formula


class OfBoth(msgspec.Struct, frozen=True):
    """An atom that asks both."""

    literal: Literal


class Joined(msgspec.Struct, frozen=True):
    """Parts of which every one (`every`), or else one, has to hold. Those that are quickest to answer come first."""

    every: bool
    parts: tuple[Split, ...]


Split: TypeAlias = OfSubject | OfItems | OfBoth | Joined


def split(of: Formula, number: Callable[[Formula], int]) -> Split:
    """`number`: gives a formula that asks no items its number."""
    if not asks_items(of):
        return OfSubject(number(of))
    if _of_items_alone(of):
        return OfItems(of)
    if isinstance(of, Literal):
        return OfBoth(of)
    join = conjunction if isinstance(of, All) else disjunction
    subject = [part for part in of.parts if not asks_items(part)]
    items = [part for part in of.parts if _of_items_alone(part)]
    rest = [part for part in of.parts if asks_items(part) and not _of_items_alone(part)]
    parts: list[Split] = [OfSubject(number(join(subject)))] if subject else []
    parts += [OfItems(join(items))] if items else []
    return Joined(isinstance(of, All), (*parts, *(split(part, number) for part in rest)))


def _of_items_alone(of: Formula) -> bool:
    if isinstance(of, Literal):
        return asks_items_alone(of.atom)
    return all(map(_of_items_alone, of.parts))


def atoms(of: Split) -> Iterator[Node]:
    """All atoms that ask both."""
    if isinstance(of, OfBoth):
        yield of.literal.atom
    elif isinstance(of, Joined):
        for part in of.parts:
            yield from atoms(part)
