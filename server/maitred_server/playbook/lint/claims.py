"""What a rule claims of single traits, as far as it can be told apart, and whether two claims can both hold.

A rule's claims are the parts that it joins by `&&`: a trait compared with a constant, a trait that is one of some
constants, a flag, a segment, `has`. All else claims nothing that is looked at here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any, Final, NamedTuple

from maitred_server.playbook.rules.rule import Rule, membership
from maitred_server.playbook.rules.tree import Call, Const, Field, Has, ListOf, Node, literal

_COMPARISONS: Final[Mapping[str, str]] = {"less": "<", "less_equals": "<=", "greater": ">", "greater_equals": ">="}
_TURNED: Final[Mapping[str, str]] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_DENIED: Final[Mapping[str, str]] = {
    "<": ">=",
    "<=": ">",
    ">": "<=",
    ">=": "<",
    "==": "!=",
    "!=": "==",
    "in": "not in",
    "not in": "in",
    "has": "lacks",
    "lacks": "has",
}
_HOLDS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "in": lambda value, values: value in values,
    "not in": lambda value, values: value not in values,
}


class Claim(NamedTuple):
    """That `about` (`subject.age`, or a segment) stands in a relation to a value. `said`: who says so, for people."""

    about: str
    relation: str
    value: Any
    said: str


def claims(rule: Rule, said: str, segments: Mapping[str, Rule]) -> Iterator[Claim]:
    """All claims of a rule, and of the segments that it asks for."""
    yield from _of_parts(rule, said, segments, frozenset())


def _of_parts(rule: Rule, said: str, segments: Mapping[str, Rule], within: frozenset[str]) -> Iterator[Claim]:
    for part in _parts(rule.tree):
        claim = _claim(part, said)
        if claim is None:
            continue
        yield claim
        name = claim.about.removeprefix("segment ")
        if claim.about == f"segment {name}" and claim.relation == "==" and name in segments and name not in within:
            yield from _of_parts(segments[name], f'"{name}" in subject.segments', segments, within | {name})


def contradiction(found: Iterable[Claim]) -> tuple[Claim, Claim] | None:
    """Two claims that cannot both hold; None when no two are found."""
    by_name: dict[str, list[Claim]] = {}
    for claim in found:
        by_name.setdefault(claim.about, []).append(claim)
    for alike in by_name.values():
        for one, other in combinations(alike, 2):
            if _apart(one, other):
                return one, other
    return None


def _parts(tree: Node) -> Iterator[Node]:
    if isinstance(tree, Call) and tree.overload == "and":
        for arg in tree.args:
            yield from _parts(arg)
    else:
        yield tree


def _claim(part: Node, said: str) -> Claim | None:
    if isinstance(part, Has):
        return Claim(f"{part.root}.{part.name}", "has", None, said) if part.root != "item" else None
    if isinstance(part, Field):
        return Claim(f"{part.root}.{part.name}", "==", True, said) if part.root != "item" else None
    if not isinstance(part, Call):
        return None
    if part.overload == "not":
        claim = _claim(part.args[0], said)
        return claim._replace(relation=_DENIED[claim.relation]) if claim else None
    segment = membership(part)
    return Claim(f"segment {segment}", "==", True, said) if segment is not None else _comparison(part, said)


def _comparison(part: Call, said: str) -> Claim | None:
    relation = _relation(part.overload)
    if relation is None:
        return None
    left, right = map(_bare, part.args)
    if isinstance(left, Field) and left.root != "item" and (value := _constant(right)) is not None:
        return Claim(f"{left.root}.{left.name}", relation, value, said)
    if (
        isinstance(right, Field)
        and right.root != "item"
        and relation != "in"
        and (value := _constant(left)) is not None
    ):
        return Claim(f"{right.root}.{right.name}", _TURNED[relation], value, said)
    return None


def _relation(overload: str) -> str | None:
    if overload in ("in_list", "in_double_ints", "in_int_doubles"):
        return "in"
    if overload.startswith("not_equals"):
        return "!="
    if overload == "equals" or overload.startswith(("equals_",)):
        return "=="
    for name in ("less_equals", "greater_equals", "less", "greater"):
        if overload.startswith(name + "_"):
            return _COMPARISONS[name]
    return None


def _bare(node: Node) -> Node:
    """Without the conversion that compares whole numbers with others."""
    while isinstance(node, Call) and node.overload == "double_int":
        node = node.args[0]
    return node


def _constant(node: Node) -> Any:
    """A constant, or a list of constants as a tuple; None for anything else."""
    if isinstance(node, Const):
        return literal(node)
    if isinstance(node, ListOf) and all(isinstance(_bare(item), Const) for item in node.items):
        return tuple(literal(_bare(item)) for item in node.items)
    return None


def _apart(one: Claim, other: Claim) -> bool:
    """Whether no value is in both relations."""
    relations = {one.relation, other.relation}
    if "lacks" in relations:
        return relations != {"lacks"}
    if "has" in relations:
        return False
    for listing, against in ((one, other), (other, one)):
        if listing.relation in ("==", "in"):
            values = listing.value if listing.relation == "in" else (listing.value,)
            return not any(_HOLDS[against.relation](value, against.value) for value in values)
    return _no_room(one, other) or _no_room(other, one)


def _no_room(above: Claim, below: Claim) -> bool:
    """Whether nothing lies above the one and below the other."""
    if above.relation not in (">", ">=") or below.relation not in ("<", "<="):
        return False
    touch = above.relation == ">=" and below.relation == "<="
    return bool(above.value > below.value or (above.value == below.value and not touch))
