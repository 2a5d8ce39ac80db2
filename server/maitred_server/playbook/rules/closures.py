"""A tree as nested functions: what a rule means, one step at a time. Errors are raised, as Failure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

from maitred_server.playbook.rules.errors import Failure
from maitred_server.playbook.rules.functions import OVERLOADS
from maitred_server.playbook.rules.times import MILLISECOND
from maitred_server.playbook.rules.tree import (
    Call,
    Const,
    Field,
    Given,
    Has,
    ListOf,
    Local,
    Macro,
    MapOf,
    Node,
    Now,
    literal,
    walk,
)

# subject, context, item: typed values by name; then now in nanoseconds, then the variables of macros.
Frame: TypeAlias = list[Any]
Evaluate: TypeAlias = Callable[[Frame], Any]
IsTrue: TypeAlias = Callable[[Frame], bool]

ROOTS: Final = {"subject": 0, "context": 1, "item": 2}
_NOW: Final = 3
LOCALS: Final = 4


def frame(subject: Any, context: Any, item: Any, now: int, slots: int) -> Frame:
    """What a tree is evaluated in. `now`: milliseconds. `slots`: as `slots` says."""
    return [subject, context, item, now * MILLISECOND, *([None] * slots)]


def slots(node: Node) -> int:
    """How many variables of macros are there at once."""
    return max((one.slot + 1 for one in walk(node) if isinstance(one, Macro)), default=0)


def closure(node: Node) -> Evaluate:
    """A function of a frame that gives the node's value or raises Failure."""
    build: Callable[[Any], Evaluate] = _BUILDERS[type(node)]
    return build(node)


def _const(node: Const) -> Evaluate:
    value = literal(node)
    return lambda frame: value


def _field(node: Field) -> Evaluate:
    root, name, absent = ROOTS[node.root], node.name, f"`{node.root}.{node.name}` is absent"

    def field(frame: Frame) -> Any:
        try:
            return frame[root][name]
        except KeyError:
            raise Failure(absent) from None

    if node.type == "timestamp":
        return lambda frame: field(frame) * MILLISECOND
    return field


def _now(node: Now) -> Evaluate:
    return lambda frame: frame[_NOW]


def _has(node: Has) -> Evaluate:
    root, name = ROOTS[node.root], node.name
    return lambda frame: name in frame[root]


def _local(node: Local) -> Evaluate:
    slot = LOCALS + node.slot
    return lambda frame: frame[slot]


def _given(node: Given) -> Evaluate:
    slot = LOCALS + node.slot

    def given(frame: Frame) -> Any:
        value = frame[slot]
        if isinstance(value, Failure):
            raise value
        return value

    return given


def _list(node: ListOf) -> Evaluate:
    items = [closure(item) for item in node.items]
    return lambda frame: tuple([item(frame) for item in items])


def _map(node: MapOf) -> Evaluate:
    pairs = [(literal(key), closure(value)) for key, value in zip(node.keys, node.values, strict=True)]
    return lambda frame: {key: value(frame) for key, value in pairs}


def _call(node: Call) -> Evaluate:
    args = [closure(arg) for arg in node.args]
    special = _SPECIAL.get(node.overload)
    if special is not None:
        return special(*args)
    run = _plain(node)
    if len(args) == 1:
        (only,) = args
        return lambda frame: run(only(frame))
    if len(args) == 2:
        one, two = args
        return lambda frame: run(one(frame), two(frame))
    return lambda frame: run(*[arg(frame) for arg in args])


def _plain(node: Call) -> Callable[..., Any]:
    """The function of an overload; the quicker one where the type allows it."""
    exact = node.args[0].type in ("bool", "int", "string", "timestamp", "duration", "double")
    if exact and node.overload == "equals":
        return lambda a, b: a == b
    if exact and node.overload == "not_equals":
        return lambda a, b: a != b
    if node.overload == "in_list" and node.args[0].type in ("string", "int", "bool", "timestamp", "duration"):
        return lambda value, values: value in values
    return OVERLOADS[node.overload].run


def _and(left: Evaluate, right: Evaluate) -> Evaluate:
    return partial(_either, left, right, False)


def _or(left: Evaluate, right: Evaluate) -> Evaluate:
    return partial(_either, left, right, True)


def _either(left: IsTrue, right: IsTrue, decisive: bool, frame: Frame) -> bool:
    """One decisive side is enough, whatever becomes of the other."""
    try:
        if left(frame) is decisive:
            return decisive
    except Failure:
        if right(frame) is decisive:
            return decisive
        raise
    return right(frame)


def _conditional(condition: Evaluate, then: Evaluate, otherwise: Evaluate) -> Evaluate:
    return lambda frame: then(frame) if condition(frame) else otherwise(frame)


def _macro(node: Macro) -> Evaluate:
    build = _MACROS[node.kind]
    return partial(build, LOCALS + node.slot, closure(node.over), closure(node.test), closure(node.result))


def _some(decisive: bool, slot: int, over: Evaluate, test: IsTrue, result: Evaluate, frame: Frame) -> bool:
    failure = None
    for value in over(frame):
        frame[slot] = value
        try:
            if test(frame) is decisive:
                return decisive
        except Failure as caught:
            failure = failure or caught
    if failure is not None:
        raise failure
    return not decisive


def _exists_one(slot: int, over: Evaluate, test: Evaluate, result: Evaluate, frame: Frame) -> bool:
    found = 0
    for value in over(frame):
        frame[slot] = value
        found += bool(test(frame))
    return found == 1


def _built(slot: int, over: Evaluate, test: Evaluate, result: Evaluate, frame: Frame) -> tuple[Any, ...]:
    found = []
    for value in over(frame):
        frame[slot] = value
        if test(frame):
            found.append(result(frame))
    return tuple(found)


_SPECIAL: Final[dict[str, Callable[..., Evaluate]]] = {"and": _and, "or": _or, "conditional": _conditional}
_MACROS: Final[dict[str, Callable[..., Any]]] = {
    "exists": partial(_some, True),
    "all": partial(_some, False),
    "exists_one": _exists_one,
    "map": _built,
}
_BUILDERS: Final[dict[type, Callable[[Any], Evaluate]]] = {
    Const: _const,
    Field: _field,
    Now: _now,
    Has: _has,
    Local: _local,
    Given: _given,
    ListOf: _list,
    MapOf: _map,
    Call: _call,
    Macro: _macro,
}
