"""Rules as formulas of atoms that are true, false, or neither because they are errors.

`is true` of a rule needs no negation: it is a formula, by and and or, of literals: an atom is true, or is false. An
atom that is an error is neither, and that is all that CEL's `&&`, `||`, `!` and `? :` know of errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import TypeAlias

import msgspec

from maitred_server.playbook.rules.tree import Call, Const, Field, Has, Local, Macro, Node, Now, children, walk


class Literal(msgspec.Struct, frozen=True):
    """An atom is `wanted`."""

    atom: Node
    wanted: bool


class All(msgspec.Struct, frozen=True):
    """Every part holds; without parts always."""

    parts: tuple[Formula, ...] = ()


class Some(msgspec.Struct, frozen=True):
    """At least one part holds; without parts never."""

    parts: tuple[Formula, ...] = ()


Formula: TypeAlias = Literal | All | Some
ALWAYS = All()
NEVER = Some()


def formula(node: Node, wanted: bool = True) -> Formula:
    """When a node of type bool is `wanted`."""
    if isinstance(node, Const):
        return ALWAYS if node.value is wanted else NEVER
    if isinstance(node, Call) and node.overload == "not":
        return formula(node.args[0], not wanted)
    if isinstance(node, Call) and node.overload in ("and", "or"):
        parts = [formula(arg, wanted) for arg in node.args]
        return conjunction(parts) if (node.overload == "and") is wanted else disjunction(parts)
    if isinstance(node, Call) and node.overload == "conditional" and not _conditional_within(node.args[0]):
        condition, then, otherwise = node.args
        return disjunction(
            [
                conjunction([formula(condition, True), formula(then, wanted)]),
                conjunction([formula(condition, False), formula(otherwise, wanted)]),
            ]
        )
    return Literal(node, wanted)


def _conditional_within(node: Node) -> bool:
    """A condition stands in the formula twice; conditions of conditions would grow without bound."""
    return any(isinstance(one, Call) and one.overload == "conditional" for one in walk(node))


def conjunction(parts: Iterable[Formula]) -> Formula:
    """All parts, without All in All and what is always so."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, All) else (part,))]
    if NEVER in flat:
        return NEVER
    return flat[0] if len(flat) == 1 else All(tuple(flat))


def disjunction(parts: Iterable[Formula]) -> Formula:
    """Some part, without Some in Some and what is never so."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, Some) else (part,))]
    if ALWAYS in flat:
        return ALWAYS
    return flat[0] if len(flat) == 1 else Some(tuple(flat))


def literals(of: Formula) -> Iterable[Literal]:
    """All literals of a formula."""
    if isinstance(of, Literal):
        yield of
    else:
        for part in of.parts:
            yield from literals(part)


def clauses(of: Formula, most: int) -> list[tuple[Literal, ...]] | None:
    """The formula as a list of clauses that all hold; of each clause some literal does. None: more than `most`."""
    if isinstance(of, Literal):
        return [(of,)]
    lists = [clauses(part, most) for part in of.parts]
    if any(one is None for one in lists):
        return None
    found: list[tuple[Literal, ...]] = []
    if isinstance(of, All):
        found = [clause for one in lists for clause in one or ()]
    else:
        found = [()]
        for one in lists:
            found = [(*left, *right) for left in found for right in one or ()]
            if len(found) > most:
                return None
    return found if len(found) <= most else None


def as_node(of: Formula) -> Node:
    """A node of type bool that is true when the formula holds."""
    if isinstance(of, Literal):
        return of.atom if of.wanted else Call("not", (of.atom,), "bool")
    nodes = [as_node(part) for part in of.parts]
    if not nodes:
        return Const("bool", isinstance(of, All))
    word = "and" if isinstance(of, All) else "or"
    return reduce(lambda left, right: Call(word, (left, right), "bool"), nodes)


def asks_items(of: Node | Formula) -> bool:
    """Whether it depends on the item."""
    if isinstance(of, Literal):
        return asks_items(of.atom)
    if isinstance(of, All | Some):
        return any(map(asks_items, of.parts))
    return any(isinstance(one, Field | Has) and one.root == "item" for one in walk(of))


def asks_items_alone(node: Node) -> bool:
    """Whether it depends on the item, and otherwise on nothing outside of itself."""
    return (
        asks_items(node)
        and not any(isinstance(one, Now) or (isinstance(one, Field | Has) and one.root != "item") for one in walk(node))
        and not open_locals(node)
    )


def open_locals(node: Node, bound: frozenset[int] = frozenset()) -> bool:
    """Whether it reads the variable of a macro around it."""
    if isinstance(node, Local):
        return node.slot not in bound
    if isinstance(node, Macro):
        inner = bound | {node.slot}
        return open_locals(node.over, bound) or open_locals(node.test, inner) or open_locals(node.result, inner)
    return any(open_locals(child, bound) for child in children(node))
