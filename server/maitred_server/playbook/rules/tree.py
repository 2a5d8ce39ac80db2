"""A checked rule as a small typed tree, which is also how it is stored. Types are CEL's names: `int`, `list(string)`.

Moments and durations are nanoseconds. Trees compare by `key`: to Python 1, 1.0 and True would be one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import msgspec


class _Node(msgspec.Struct, frozen=True, array_like=True, tag_field="node"):
    pass


class Const(_Node, frozen=True, tag="c"):
    """A constant. `value` of a timestamp or duration: nanoseconds as text, since they need more than 64 bits."""

    type: str
    value: bool | int | float | str


class Field(_Node, frozen=True, tag="f"):
    """`subject.NAME`, `context.NAME` or `item.NAME`."""

    root: str
    name: str
    type: str


class Now(_Node, frozen=True, tag="n"):
    """The moment of the decision."""

    type: str = "timestamp"


class Has(_Node, frozen=True, tag="h"):
    """`has(ROOT.NAME)`. `of`: the type of what may be there."""

    root: str
    name: str
    of: str
    type: str = "bool"


class Local(_Node, frozen=True, tag="l"):
    """The variable of a macro around this node."""

    slot: int
    type: str


class Given(_Node, frozen=True, tag="g"):
    """A value that is put in from outside, or the error that it is. Never in a rule's own tree."""

    slot: int
    type: str


class Call(_Node, frozen=True, tag="x"):
    """An operator or function by the id of its overload; see `functions.OVERLOADS`."""

    overload: str
    args: tuple[Node, ...]
    type: str


class ListOf(_Node, frozen=True, tag="a"):
    """A list as it is written."""

    items: tuple[Node, ...]
    type: str


class MapOf(_Node, frozen=True, tag="m"):
    """A map as it is written."""

    keys: tuple[Node, ...]
    values: tuple[Node, ...]
    type: str


class Macro(_Node, frozen=True, tag="e"):
    """`exists`, `all`, `exists_one` (by `test`), `filter` (by `test`), `map` (`test`, then `result`)."""

    kind: str
    slot: int
    over: Node
    test: Node
    result: Node
    type: str


Node: TypeAlias = Const | Field | Now | Has | Local | Given | Call | ListOf | MapOf | Macro
# A comparison with its sides changed.
FLIPPED: Final = {
    "less": "greater",
    "less_equals": "greater_equals",
    "greater": "less",
    "greater_equals": "less_equals",
}
NUMERIC: Final = {"int", "double", "timestamp", "duration"}


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below."""
    if isinstance(node, Call):
        return node.args
    if isinstance(node, ListOf):
        return node.items
    if isinstance(node, MapOf):
        return node.keys + node.values
    if isinstance(node, Macro):
        return node.over, node.test, node.result
    return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def with_children(node: Node, replace: Callable[[Node], Node]) -> Node:
    """The node with others right below it."""
    changed: dict[str, Any] = {}
    for name in ("args", "items", "values"):
        if below := getattr(node, name, None):
            changed[name] = tuple(map(replace, below))
    for name in ("over", "test", "result"):
        if hasattr(node, name):
            changed[name] = replace(getattr(node, name))
    return msgspec.structs.replace(node, **changed) if changed else node


def key(node: Node) -> bytes:
    """Equal for equal trees alone."""
    return msgspec.msgpack.encode(node)


def literal(node: Node) -> Any:
    """The value of a constant."""
    assert isinstance(node, Const)
    return int(node.value) if node.type in ("timestamp", "duration") else node.value


def constant_of(kind: str, value: Any) -> Const:
    """A value as a constant."""
    return Const(kind, str(value) if kind in ("timestamp", "duration") else value)


def comparison(call: Call) -> str:
    """The word of a comparison, `less` of `less_int`; of another call whatever there is before its first type."""
    return call.overload.partition(f"_{call.args[0].type}")[0]
