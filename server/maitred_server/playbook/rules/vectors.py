"""Numbers, whole numbers, moments and durations of many rows at once. Moments and durations are microseconds here.

What cannot be done exactly in 64 bits raises NotNumeric; then it is done once for each distinct value instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from maitred_server.playbook.rules import times
from maitred_server.playbook.rules.closures import Frame, closure
from maitred_server.playbook.rules.errors import Failure
from maitred_server.playbook.rules.logic import asks_items, asks_items_alone
from maitred_server.playbook.rules.tree import Call, Field, Node

if TYPE_CHECKING:
    from maitred_server.playbook.rules.rows import Rows

_NUMERIC: Final = {"double", "int", "bool", "timestamp", "duration"}
_TIMES: Final = {"timestamp", "duration"}
_MICROSECOND: Final = 1000
_FIRST, _LAST = times.FIRST // _MICROSECOND, times.LAST // _MICROSECOND
_LONGEST: Final = 2**63 // _MICROSECOND
_LEAST: Final = -(2**63)

Array = npt.NDArray[Any]


class NotNumeric(Exception):
    """This is not for columns of numbers."""


class Vector(NamedTuple):
    """A value for each row, or one for all; and which rows have it: the others are errors."""

    values: Any
    present: Any


def evaluate(node: Node, frame: Frame, rows: Rows) -> Vector:
    """A node of each row. Raises NotNumeric."""
    if node.type not in _NUMERIC:
        raise NotNumeric
    if not asks_items(node):
        return _scalar(node, frame)
    if isinstance(node, Field):
        values, present = rows.vector(node)
        return Vector(values * _MICROSECOND if node.type == "timestamp" else values, present)
    operation = _operation(node)
    if operation is not None:
        args = [evaluate(arg, frame, rows) for arg in node.args]  # type: ignore[union-attr]
        with np.errstate(all="ignore"):
            return operation(*args)
    if asks_items_alone(node):
        return _of_codes(node, rows)
    raise NotNumeric


def _scalar(node: Node, frame: Frame) -> Vector:
    try:
        value = closure(node)(frame)
    except Failure:
        return Vector(np.zeros((), _dtype(node.type)), np.False_)
    if node.type in _TIMES:
        value = _microseconds(value)
    return Vector(np.array(value, _dtype(node.type)), np.True_)


def _microseconds(ns: int) -> int:
    if ns % _MICROSECOND:
        raise NotNumeric
    return ns // _MICROSECOND


def _dtype(kind: str) -> Any:
    return {"double": np.float64, "bool": np.bool_}.get(kind, np.int64)


def _of_codes(node: Node, rows: Rows) -> Vector:
    codes, values = rows.coded(node)
    if node.type in _TIMES:
        values = [_microseconds(value) for value in values]
    return Vector(np.array([*values, 0], _dtype(node.type))[codes], codes >= 0)


def _operation(node: Node) -> Callable[..., Vector] | None:
    if not isinstance(node, Call):
        return None
    if len(node.args) == 2 and node.args[0].type in _NUMERIC:
        compare = _COMPARE.get(node.overload.partition(f"_{node.args[0].type}")[0])
        if compare is not None:
            return lambda a, b: Vector(compare(a.values, b.values), a.present & b.present)
    return _OPERATIONS.get(node.overload)


def _plain(run: Callable[..., Array]) -> Callable[..., Vector]:
    def operation(*args: Vector) -> Vector:
        return Vector(run(*[arg.values for arg in args]), reduce(and_, [arg.present for arg in args]))

    return operation


def _within(run: Callable[..., Array], least: int, most: int) -> Callable[..., Vector]:
    """An operation whose result is an error outside of some bounds."""

    def operation(a: Vector, b: Vector) -> Vector:
        values = run(a.values, b.values)
        return Vector(values, a.present & b.present & (values >= least) & (values <= most))

    return operation


def _add(a: Vector, b: Vector) -> Vector:
    values = a.values + b.values
    wrapped = ((a.values ^ values) & (b.values ^ values)) < 0
    return Vector(values, a.present & b.present & ~wrapped)


def _subtract(a: Vector, b: Vector) -> Vector:
    values = a.values - b.values
    wrapped = ((a.values ^ b.values) & (a.values ^ values)) < 0
    return Vector(values, a.present & b.present & ~wrapped)


def _negate(a: Vector) -> Vector:
    return Vector(-a.values, a.present & (a.values != _LEAST))


_COMPARE: Final[dict[str, Callable[[Array, Array], Array]]] = {
    "less": np.less,
    "less_equals": np.less_equal,
    "greater": np.greater,
    "greater_equals": np.greater_equal,
    "equals": np.equal,
    "not_equals": np.not_equal,
}
_moment_sum = _within(np.add, _FIRST, _LAST)
_duration_sum = _within(np.add, -_LONGEST, _LONGEST)
_duration_difference = _within(np.subtract, -_LONGEST, _LONGEST)
_OPERATIONS: Final[dict[str, Callable[..., Vector]]] = {
    "add_double_double": _plain(np.add),
    "subtract_double_double": _plain(np.subtract),
    "multiply_double_double": _plain(np.multiply),
    "divide_double_double": _plain(np.divide),
    "negate_double": _plain(np.negative),
    "double_double": _plain(np.positive),
    "double_int": _plain(lambda values: values.astype(np.float64)),
    "add_int_int": _add,
    "subtract_int_int": _subtract,
    "negate_int": _negate,
    "add_timestamp_duration": _moment_sum,
    "add_duration_timestamp": _moment_sum,
    "subtract_timestamp_duration": _within(np.subtract, _FIRST, _LAST),
    "subtract_timestamp_timestamp": _duration_difference,
    "add_duration_duration": _duration_sum,
    "subtract_duration_duration": _duration_difference,
}
