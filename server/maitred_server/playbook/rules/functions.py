"""Every operator and function that rules may use: this table is what is checked, evaluated and documented.

Nothing else of CEL is declared to its type checker, so nothing else passes it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import re2

from maitred_server.playbook.rules import times
from maitred_server.playbook.rules.errors import Failure

_LEAST, _MOST = -(2**63), 2**63 - 1
_ORDERED: Final = ("bool", "int", "double", "string", "timestamp", "duration")


class Overload(NamedTuple):
    """One way to call a function. Types as `int`, `list(A)`, `map(K,V)`. `run`: of arguments without errors."""

    id: str
    function: str
    args: tuple[str, ...]
    result: str
    run: Callable[..., Any]
    member: bool = False


def whole(value: int) -> int:
    """An int of 64 bits. Raises Failure."""
    if _LEAST <= value <= _MOST:
        return value
    raise Failure("a whole number of more than 64 bits")


def divide(dividend: int, divisor: int) -> int:
    """Without the fraction. Raises Failure."""
    if divisor == 0:
        raise Failure("a division by zero")
    return whole(times.towards_zero(dividend, divisor))


def remainder(dividend: int, divisor: int) -> int:
    """Has the sign of the dividend. Raises Failure."""
    if divisor == 0:
        raise Failure("a division by zero")
    return dividend - divisor * divide(dividend, divisor)


def divide_doubles(dividend: float, divisor: float) -> float:
    """As IEEE 754 has it: by zero it is infinite, or not a number."""
    if divisor:
        return dividend / divisor
    if dividend == 0.0 or dividend != dividend:
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1.0, divisor)


def same(one: Any, other: Any) -> bool:
    """Equality within lists and maps; NaN equals nothing, not even itself."""
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return bool(one == other)


def contains(value: Any, values: Sequence[Any]) -> bool:
    """Whether a list holds a value."""
    return any(same(value, other) for other in values)


def at(values: Sequence[Any], index: int) -> Any:
    """Raises Failure."""
    if 0 <= index < len(values):
        return values[index]
    raise Failure(f"there is no [{index}] in a list of {len(values)}")


def of_key(values: Mapping[Any, Any], key: Any) -> Any:
    """Raises Failure."""
    try:
        return values[key]
    except KeyError:
        raise Failure("a key that is not in the map") from None


def truncate(value: float) -> int:
    """Raises Failure."""
    if -9223372036854775808.0 < value < 9223372036854775808.0:
        return int(value)
    raise Failure("a number too large for a whole number")


def text_of_double(value: float) -> str:
    """The shortest text that reads back as this number, as C's `%g` writes it."""
    for digits in range(6, 18):
        text = f"{value:.{digits}g}"
        if float(text) == value or value != value:
            return text
    return repr(value)  # pragma: no cover - 17 digits always read back


@lru_cache(maxsize=4096)
def pattern(text: str) -> Any:
    """A compiled RE2 pattern. Raises Failure."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options=options)
    except re2.error as error:
        reason = error.args[0]
        raise Failure(f"the pattern is wrong: {reason.decode() if isinstance(reason, bytes) else reason}") from None


def _matches(text: str, regex: str) -> bool:
    return pattern(regex).search(text) is not None


def _compared() -> list[Overload]:
    found = []
    for name, word, run in (
        ("_<_", "less", operator.lt),
        ("_<=_", "less_equals", operator.le),
        ("_>_", "greater", operator.gt),
        ("_>=_", "greater_equals", operator.ge),
    ):
        found += [Overload(f"{word}_{kind}", name, (kind, kind), "bool", run) for kind in _ORDERED]
        found += _mixed(name, word, run)
    for name, word, run in (("_==_", "equals", same), ("_!=_", "not_equals", lambda a, b: not same(a, b))):
        found += [Overload(word, name, ("A", "A"), "bool", run), *_mixed(name, word, run)]
    return found


def _mixed(name: str, word: str, run: Callable[..., Any]) -> list[Overload]:
    """Between `int` and `double`: as if the whole number were a `double`. They never come to be run, see `lowering`."""
    return [
        Overload(f"{word}_int_double", name, ("int", "double"), "bool", run),
        Overload(f"{word}_double_int", name, ("double", "int"), "bool", run),
    ]


def _arithmetic() -> list[Overload]:
    def of(word: str, name: str, kinds: str, run: Callable[..., Any]) -> Overload:
        *args, result = kinds.split()
        return Overload(f"{word}_{'_'.join(args)}", name, tuple(args), result, run)

    def add_moments(a: int, b: int) -> int:
        return times.moment(a + b)

    return [
        of("add", "_+_", "int int int", lambda a, b: whole(a + b)),
        of("add", "_+_", "double double double", operator.add),
        of("add", "_+_", "string string string", operator.add),
        of("add", "_+_", "timestamp duration timestamp", add_moments),
        of("add", "_+_", "duration timestamp timestamp", add_moments),
        of("add", "_+_", "duration duration duration", lambda a, b: times.difference(a + b)),
        Overload("add_list", "_+_", ("list(A)", "list(A)"), "list(A)", operator.add),
        of("subtract", "_-_", "int int int", lambda a, b: whole(a - b)),
        of("subtract", "_-_", "double double double", operator.sub),
        of("subtract", "_-_", "timestamp duration timestamp", lambda a, b: times.moment(a - b)),
        of("subtract", "_-_", "timestamp timestamp duration", lambda a, b: times.difference(a - b)),
        of("subtract", "_-_", "duration duration duration", lambda a, b: times.difference(a - b)),
        of("multiply", "_*_", "int int int", lambda a, b: whole(a * b)),
        of("multiply", "_*_", "double double double", operator.mul),
        of("divide", "_/_", "int int int", divide),
        of("divide", "_/_", "double double double", divide_doubles),
        of("modulo", "_%_", "int int int", remainder),
        of("negate", "-_", "int int", lambda a: whole(-a)),
        of("negate", "-_", "double double", operator.neg),
    ]


def _lists_and_maps() -> list[Overload]:
    return [
        Overload("in_list", "@in", ("A", "list(A)"), "bool", contains),
        Overload("in_map", "@in", ("K", "map(K,V)"), "bool", lambda key, values: key in values),
        Overload("in_double_ints", "@in", ("double", "list(int)"), "bool", contains),
        Overload("in_int_doubles", "@in", ("int", "list(double)"), "bool", contains),
        Overload("index_list", "_[_]", ("list(A)", "int"), "A", at),
        Overload("index_map", "_[_]", ("map(K,V)", "K"), "V", of_key),
        *(
            Overload(f"size_{word}{'_of' * member}", "size", (kind,), "int", len, member)
            for word, kind in (("string", "string"), ("list", "list(A)"), ("map", "map(K,V)"))
            for member in (False, True)
        ),
    ]


def _texts() -> list[Overload]:
    return [
        Overload("contains", "contains", ("string", "string"), "bool", operator.contains, member=True),
        Overload("starts_with", "startsWith", ("string", "string"), "bool", str.startswith, member=True),
        Overload("ends_with", "endsWith", ("string", "string"), "bool", str.endswith, member=True),
        Overload("matches", "matches", ("string", "string"), "bool", _matches),
        Overload("matches_of", "matches", ("string", "string"), "bool", _matches, member=True),
    ]


def _conversions() -> list[Overload]:
    return [
        Overload("int_int", "int", ("int",), "int", int),
        Overload("int_double", "int", ("double",), "int", truncate),
        Overload("int_timestamp", "int", ("timestamp",), "int", lambda ns: ns // times.SECOND),
        Overload("double_double", "double", ("double",), "double", float),
        Overload("double_int", "double", ("int",), "double", float),
        Overload("string_string", "string", ("string",), "string", str),
        Overload("string_int", "string", ("int",), "string", str),
        Overload("string_double", "string", ("double",), "string", text_of_double),
        Overload("string_bool", "string", ("bool",), "string", lambda flag: "true" if flag else "false"),
        Overload("timestamp_string", "timestamp", ("string",), "timestamp", times.parse_moment),
        Overload("duration_string", "duration", ("string",), "duration", times.parse_duration),
    ]


_OF_CIVIL: Final[dict[str, Callable[[times.Civil], int]]] = {
    "getFullYear": lambda civil: civil.year,
    "getMonth": lambda civil: civil.month - 1,
    "getDate": lambda civil: civil.day,
    "getDayOfMonth": lambda civil: civil.day - 1,
    "getDayOfWeek": lambda civil: civil.weekday % 7,
    "getDayOfYear": lambda civil: civil.yearday - 1,
    "getHours": lambda civil: civil.hour,
    "getMinutes": lambda civil: civil.minute,
    "getSeconds": lambda civil: civil.second,
}
_OF_DURATION: Final[dict[str, Callable[[int], int]]] = {
    "getHours": lambda ns: times.towards_zero(ns, 3600 * times.SECOND),
    "getMinutes": lambda ns: times.towards_zero(ns, 60 * times.SECOND),
    "getSeconds": times.seconds_of,
    "getMilliseconds": lambda ns: times.towards_zero(ns - times.SECOND * times.seconds_of(ns), times.MILLISECOND),
}


def _of_moments() -> list[Overload]:
    found = []
    for name, read in _OF_CIVIL.items():
        run = _reader(read)
        found.append(Overload(name, name, ("timestamp",), "int", run, member=True))
        found.append(Overload(f"{name}_zone", name, ("timestamp", "string"), "int", run, member=True))
    milliseconds = _reader_of_milliseconds
    found.append(Overload("getMilliseconds", "getMilliseconds", ("timestamp",), "int", milliseconds, member=True))
    found.append(
        Overload("getMilliseconds_zone", "getMilliseconds", ("timestamp", "string"), "int", milliseconds, member=True)
    )
    found += [Overload(f"{name}_of", name, ("duration",), "int", run, True) for name, run in _OF_DURATION.items()]
    return found


def _reader(read: Callable[[times.Civil], int]) -> Callable[..., int]:
    return lambda ns, zone="UTC": read(times.civil(ns, zone))


def _reader_of_milliseconds(ns: int, zone: str = "UTC") -> int:
    times.civil(ns, zone)  # an unknown zone has no milliseconds either
    return ns // times.MILLISECOND % 1000


def _logic() -> list[Overload]:
    def never(*args: Any) -> Any:
        raise NotImplementedError("what comes of errors in its arguments is not for a function to say")

    return [
        Overload("and", "_&&_", ("bool", "bool"), "bool", never),
        Overload("or", "_||_", ("bool", "bool"), "bool", never),
        Overload("not", "!_", ("bool",), "bool", operator.not_),
        Overload("conditional", "_?_:_", ("bool", "A", "A"), "A", never),
        Overload("not_strictly_false", "@not_strictly_false", ("bool",), "bool", never),
    ]


OVERLOADS: Final[dict[str, Overload]] = {
    one.id: one
    for one in (
        *_logic(),
        *_compared(),
        *_arithmetic(),
        *_lists_and_maps(),
        *_texts(),
        *_conversions(),
        *_of_moments(),
    )
}
# Arguments that have to be constants, so that they are checked at publish: overload -> argument.
CONSTANT: Final = {"matches": 1, "matches_of": 1, "timestamp_string": 0, "duration_string": 0}
