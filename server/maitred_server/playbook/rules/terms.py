"""Atoms taken apart: a term that has a value, and a test of this value against constants.

Tests of one term go into one table, so that the term is worked out once, and no test at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from maitred_server.playbook.rules.tables import Cuts, Effect, Names, Texts, byte_tables
from maitred_server.playbook.rules.times import MILLISECOND
from maitred_server.playbook.rules.tree import (
    FLIPPED,
    NUMERIC,
    Call,
    Const,
    Field,
    Has,
    ListOf,
    Node,
    comparison,
    literal,
)

# By where the value lies and where the constant: see `Cuts`.
_TESTS: Final[dict[str, Callable[[int, Sequence[int]], bool]]] = {
    "less": lambda at, constants: at < constants[0],
    "less_equals": lambda at, constants: at <= constants[0],
    "greater": lambda at, constants: at > constants[0],
    "greater_equals": lambda at, constants: at >= constants[0],
    "equals": lambda at, constants: at == constants[0],
    "not_equals": lambda at, constants: at != constants[0],
    "in": lambda at, constants: at in constants,
}


class Test(NamedTuple):
    """A term, and what is asked of its value.

    `name`: one of _TESTS; `true` (of a flag), `holds` (a list holds a text), `present`.
    """

    term: Node
    name: str
    constants: tuple[Any, ...] = ()


def tested(atom: Node) -> Test:
    """The atom as a test. What is no comparison with constants is a term itself, asked whether it is true."""
    if isinstance(atom, Has):
        return Test(Field(atom.root, atom.name, atom.of), "present")
    if isinstance(atom, Call) and atom.overload == "in_list":
        return _membership(atom)
    if isinstance(atom, Call) and len(atom.args) == 2:
        return _comparison(atom)
    return Test(atom, "true")


def _membership(atom: Call) -> Test:
    value, values = atom.args
    if isinstance(value, Const) and values.type == "list(string)" and not isinstance(values, ListOf):
        return Test(values, "holds", (literal(value),))
    if isinstance(values, ListOf) and all(map(_plain, values.items)) and _comparable(value):
        return Test(value, "in", tuple(map(literal, values.items)))
    return Test(atom, "true")


def _comparison(atom: Call) -> Test:
    name, (left, right) = comparison(atom), atom.args
    if _plain(left) and not isinstance(right, Const):
        left, right, name = right, left, FLIPPED.get(name, name)
    ordered = name in FLIPPED and left.type in NUMERIC
    if _plain(right) and (ordered or name in ("equals", "not_equals")) and _comparable(left):
        return Test(left, name, (literal(right),))
    return Test(atom, "true")


def _plain(node: Node) -> bool:
    """A constant that equals itself: anything but NaN."""
    return isinstance(node, Const) and node.value == node.value


def _comparable(node: Node) -> bool:
    return node.type in NUMERIC or node.type in ("string", "bool")


def value_in_table(node: Node, value: Any) -> Any:
    """A constant as the values of a term's table are: of a field that is a moment these are milliseconds.

    What lies between two milliseconds is rounded to between them.
    """
    if isinstance(node, Field) and node.type == "timestamp":
        whole, rest = divmod(value, MILLISECOND)
        return whole + 0.5 if rest else whole
    return value


def table(term: Node, tests: Sequence[tuple[Test, bool, Effect]]) -> Texts | Cuts | Names:
    """The table of a term. `tests`: each with what is wanted of it, and the bits of the literal that it is."""
    if term.type in NUMERIC:
        return _cuts(term, tests)
    if term.type == "list(string)":
        return _names(tests)
    return _texts(tests)


def _texts(tests: Sequence[tuple[Test, bool, Effect]]) -> Texts:
    known = {constant for test, _, _ in tests for constant in test.constants} | {True, False}
    entries: dict[Any, int] = {value: _bits(tests, [_holds(test, value) for test, _, _ in tests]) for value in known}
    other = _bits(tests, [_holds(test, None) for test, _, _ in tests])
    return Texts({**entries, None: _error(tests)}, other)


def _holds(test: Test, value: Any) -> bool:
    """`value` None: another than all that are named."""
    if test.name == "true":
        return value is True
    if test.name == "present":
        return True
    return (value in test.constants) is (test.name != "not_equals")


def _cuts(term: Node, tests: Sequence[tuple[Test, bool, Effect]]) -> Cuts:
    values = {value_in_table(term, constant) for test, _, _ in tests for constant in test.constants}
    cuts = sorted(values)
    places = {value: 2 * at + 1 for at, value in enumerate(cuts)}

    def holds(test: Test, at: int) -> bool:
        constants = [places[value_in_table(term, constant)] for constant in test.constants]
        return test.name == "present" or _TESTS[test.name](at, constants)

    entries = [_bits(tests, [holds(test, at) for test, _, _ in tests]) for at in range(2 * len(cuts) + 1)]
    nan = _bits(tests, [test.name in ("present", "not_equals") for test, _, _ in tests])
    return Cuts(cuts, entries, nan, _error(tests))


def _names(tests: Sequence[tuple[Test, bool, Effect]]) -> Names:
    found: dict[str, tuple[int, int]] = {}
    always = 0
    for test, wanted, effect in tests:
        if test.name == "present":
            always |= effect.bits(wanted)
            continue
        met, unmet = found.get(test.constants[0], (0, 0))
        found[test.constants[0]] = met | effect.bits(wanted), unmet | effect.bits(not wanted)
    effects = list(found.values()) or [(0, 0)]
    effects[0] = effects[0][0] | always, effects[0][1] | always
    return Names({name: 1 << at for at, name in enumerate(found)}, byte_tables(effects), _error(tests))


def _bits(tests: Sequence[tuple[Test, bool, Effect]], holds: Sequence[bool]) -> int:
    """What follows, when the one test holds and the other does not."""
    bits = 0
    for (_, wanted, effect), held in zip(tests, holds, strict=True):
        bits |= effect.bits(held is wanted)
    return bits


def _error(tests: Iterable[tuple[Test, bool, Effect]]) -> int:
    """Of an error nothing is so; but what is absent is known to be absent."""
    bits = 0
    for test, wanted, effect in tests:
        bits |= effect.bits(test.name == "present" and not wanted)
    return bits
