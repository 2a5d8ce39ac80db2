"""Numbers, whole numbers, moments and durations of many rows at once. Moments and durations are microseconds here.

What cannot be done exactly in 64 bits raises NotNumeric; then it is done once for each distinct value instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from maitred_server.playbook.rules import times
from maitred_server.playbook.rules.closures import Frame, closure
from maitred_server.playbook.rules.columns import Bools, Coded, Numeric
from maitred_server.playbook.rules.logic import asks_items, asks_items_alone
from maitred_server.playbook.rules.tree import NUMERIC, Call, Field, Node, comparison

_TIMES: Final = {"timestamp", "duration"}
_EXACT: Final = {"int", "timestamp", "duration"}
_MICROSECOND: Final = 1000
_INT: Final = (-(2**63), 2**63 - 1)
_MOMENT: Final = (times.FIRST // _MICROSECOND, times.LAST // _MICROSECOND)
_DURATION: Final = (-(2**63 // _MICROSECOND), 2**63 // _MICROSECOND)

Array: TypeAlias = npt.NDArray[Any]


class NotNumeric(Exception):
    """This is not for columns of numbers."""


class Source(Protocol):
    """Where the columns of rows come from: `rows.Rows`."""

    def numeric(self, field: Field) -> Numeric:
        """A number of each row; moments in milliseconds."""
        ...

    def coded(self, node: Node) -> Coded:
        """The distinct values of a node that asks the item alone."""
        ...


class Column(NamedTuple):
    """A value of each row, or one of all; of exact types (those in 64 bits) also the bounds of all values."""

    values: Any
    least: int = 0
    most: int = 0


# Of a frame the column; rows that turn out to be errors are added to the list. Raises Failure when all of them are.
Step: TypeAlias = Callable[[Frame, list[Bools]], Column]


class Vector(NamedTuple):
    """A node over rows. `present`: rows that have all attributes that it needs."""

    step: Step
    present: Any


def vector(node: Node, rows: Source) -> Vector:
    """A node of type bool or of numbers, prepared for some rows. Raises NotNumeric, and so may its step."""
    if node.type not in NUMERIC and node.type != "bool":
        raise NotNumeric
    if not asks_items(node):
        return Vector(_scalar(node), np.True_)
    if isinstance(node, Field):
        values, present = rows.numeric(node)
        return _constant(values * _MICROSECOND if node.type == "timestamp" else values, present, node.type)
    operation = _operation(node)
    if operation is not None and isinstance(node, Call):
        args = [vector(arg, rows) for arg in node.args]
        return Vector(operation(*(arg.step for arg in args)), reduce(np.logical_and, [arg.present for arg in args]))
    if asks_items_alone(node):
        return _of_codes(node, rows)
    raise NotNumeric


def is_operation(node: Node) -> bool:
    """Whether it is worked out over columns, not by its distinct values."""
    return _operation(node) is not None


def _scalar(node: Node) -> Step:
    evaluate, kind = closure(node), node.type

    def scalar(frame: Frame, failed: list[Bools]) -> Column:
        value = evaluate(frame)
        if kind in _TIMES:
            value = _microseconds(value)
        return Column(value, value, value) if kind in _EXACT else Column(value)

    return scalar


def _constant(values: Array, present: Bools, kind: str) -> Vector:
    column = Column(values)
    if kind in _EXACT:
        found = values[present]
        column = Column(values, int(found.min(initial=_INT[1])), int(found.max(initial=_INT[0])))
    return Vector(lambda frame, failed: column, present)


def _microseconds(ns: int) -> int:
    if ns % _MICROSECOND:
        raise NotNumeric
    return ns // _MICROSECOND


def _of_codes(node: Node, rows: Source) -> Vector:
    codes, values = rows.coded(node)
    if node.type in _TIMES:
        values = [_microseconds(value) for value in values]
    kind = {"double": np.float64, "bool": np.bool_}.get(node.type, np.int64)
    return _constant(np.array([*values, 0], kind)[codes], codes >= 0, node.type)


def _operation(node: Node) -> Callable[..., Step] | None:
    if not isinstance(node, Call):
        return None
    if len(node.args) == 2 and comparison(node) in _COMPARE and node.args[0].type in (*NUMERIC, "bool"):
        return _plain(_COMPARE[comparison(node)])
    return _OPERATIONS.get(node.overload)


def _plain(run: Callable[..., Array]) -> Callable[..., Step]:
    """An operation that never fails, of doubles or to bools."""

    def operation(*args: Step) -> Step:
        if len(args) == 1:
            (only,) = args
            return lambda frame, failed: Column(run(only(frame, failed).values))
        one, two = args
        return lambda frame, failed: Column(run(one(frame, failed).values, two(frame, failed).values))

    return operation


def _sum(bounds: tuple[int, int]) -> Callable[[Step, Step], Step]:
    """Whose result is an error outside of some bounds."""

    def operation(one: Step, two: Step) -> Step:
        def run(frame: Frame, failed: list[Bools]) -> Column:
            a, b = one(frame, failed), two(frame, failed)
            return _checked(a.values + b.values, (a.least + b.least, a.most + b.most), bounds, failed)

        return run

    return operation


def _difference(bounds: tuple[int, int]) -> Callable[[Step, Step], Step]:
    def operation(one: Step, two: Step) -> Step:
        def run(frame: Frame, failed: list[Bools]) -> Column:
            a, b = one(frame, failed), two(frame, failed)
            return _checked(a.values - b.values, (a.least - b.most, a.most - b.least), bounds, failed)

        return run

    return operation


def _checked(values: Any, found: tuple[int, int], bounds: tuple[int, int], failed: list[Bools]) -> Column:
    """Only when the bounds of what went in allow it, values may lie outside. Raises NotNumeric beyond 64 bits."""
    if bounds[0] <= found[0] and found[1] <= bounds[1]:
        return Column(values, *found)
    if found[0] < _INT[0] or found[1] > _INT[1]:
        raise NotNumeric
    failed.append((values < bounds[0]) | (values > bounds[1]))
    return Column(values, max(bounds[0], found[0]), min(bounds[1], found[1]))


def _negated(one: Step) -> Step:
    def run(frame: Frame, failed: list[Bools]) -> Column:
        a = one(frame, failed)
        return _checked(-a.values, (-a.most, -a.least), _INT, failed)

    return run


_COMPARE: Final[dict[str, Callable[[Array, Array], Array]]] = {
    "less": np.less,
    "less_equals": np.less_equal,
    "greater": np.greater,
    "greater_equals": np.greater_equal,
    "equals": np.equal,
    "not_equals": np.not_equal,
}
_OPERATIONS: Final[dict[str, Callable[..., Step]]] = {
    "add_double_double": _plain(np.add),
    "subtract_double_double": _plain(np.subtract),
    "multiply_double_double": _plain(np.multiply),
    "divide_double_double": _plain(np.divide),
    "negate_double": _plain(np.negative),
    "double_int": _plain(lambda values: np.asarray(values, np.float64)),
    "add_int_int": _sum(_INT),
    "subtract_int_int": _difference(_INT),
    "negate_int": _negated,
    "add_timestamp_duration": _sum(_MOMENT),
    "add_duration_timestamp": _sum(_MOMENT),
    "add_duration_duration": _sum(_DURATION),
    "subtract_timestamp_duration": _difference(_MOMENT),
    "subtract_timestamp_timestamp": _difference(_DURATION),
    "subtract_duration_duration": _difference(_DURATION),
}
