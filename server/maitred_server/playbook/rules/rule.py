"""One rule: compiled once, answered many times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from maitred_server.playbook.rules.closures import Evaluate, closure, frame, slots
from maitred_server.playbook.rules.columns import ItemColumns
from maitred_server.playbook.rules.declarations import Declarations
from maitred_server.playbook.rules.errors import Failure, RuleFailure
from maitred_server.playbook.rules.logic import formula
from maitred_server.playbook.rules.rows import Rows
from maitred_server.playbook.rules.tree import Call, Const, Field, Has, Node, Now, children, walk

PLAN: Final = 1  # the form of plans
NO_ITEM: Final[Mapping[str, object]] = {}


class Uses(msgspec.Struct, frozen=True):
    """What a rule reads. `segments`: those it names; all that are declared, when it takes them as they come."""

    subject: frozenset[str]
    context: frozenset[str]
    item: frozenset[str]
    now: bool
    segments: frozenset[str]


class _Plan(msgspec.Struct, frozen=True, array_like=True):
    version: int
    expression: str
    segments: tuple[str, ...]
    tree: Node


class Rule:
    """A rule that was checked. Immutable; for any thread."""

    def __init__(self, expression: str, tree: Node, segments: Iterable[str]) -> None:
        """Use `compile` or `from_plan`. `segments`: names that the rule uses."""
        self.expression = expression
        self.tree = tree
        fields = [node for node in walk(tree) if isinstance(node, Field | Has)]
        self.uses = Uses(
            subject=frozenset(field.name for field in fields if field.root == "subject"),
            context=frozenset(field.name for field in fields if field.root == "context"),
            item=frozenset(field.name for field in fields if field.root == "item"),
            now=any(isinstance(node, Now) for node in walk(tree)),
            segments=frozenset(segments),
        )

    @property
    def plan(self) -> bytes:
        """The rule as bytes, for `from_plan`."""
        return msgspec.msgpack.encode(_Plan(PLAN, self.expression, tuple(sorted(self.uses.segments)), self.tree))

    @classmethod
    def from_plan(cls, plan: bytes) -> Rule:
        """The rule of a plan, without parsing or checking it. Raises ValueError for what is none of this version."""
        decoded = msgspec.msgpack.decode(plan, type=_Plan)
        if decoded.version != PLAN:
            raise ValueError(f"a rule's plan of version {decoded.version}; this server reads version {PLAN}")
        return cls(decoded.expression, decoded.tree, decoded.segments)

    def matches(
        self,
        subject: Mapping[str, object],
        context: Mapping[str, object],
        now: int,
        item: Mapping[str, object] | None = None,
    ) -> bool:
        """Whether the rule is true; an error is not. Values as `typed` gives them; `now` in ms since the epoch."""
        try:
            return bool(self.evaluate(frame(subject, context, item or NO_ITEM, now, self.slots)))
        except Failure:
            return False

    def result(
        self,
        subject: Mapping[str, object],
        context: Mapping[str, object],
        now: int,
        item: Mapping[str, object] | None = None,
    ) -> bool | RuleFailure:
        """As `matches`, and what is the matter when it is an error."""
        try:
            return bool(self.evaluate(frame(subject, context, item or NO_ITEM, now, self.slots)))
        except Failure as failure:
            return RuleFailure(str(failure))

    def mask(
        self, subject: Mapping[str, object], context: Mapping[str, object], columns: ItemColumns, now: int
    ) -> npt.NDArray[np.bool_]:
        """bool[items]: for which items the rule is true."""
        rows = Rows(columns, np.arange(columns.size, dtype=np.int32))
        return rows.holds(formula(self.tree), frame(subject, context, NO_ITEM, now, self.slots))

    @cached_property
    def evaluate(self) -> Evaluate:
        """The rule as a function of a frame of `slots`."""
        return closure(self.tree)

    @cached_property
    def slots(self) -> int:
        """How many variables of macros there are at once."""
        return slots(self.tree)

    @cached_property
    def item_types(self) -> dict[str, str]:
        """The CEL types of the item's attributes that the rule looks at."""
        return item_types(self.tree)


def item_types(tree: Node) -> dict[str, str]:
    """The CEL types of the item's attributes that a tree looks at."""
    nodes = [node for node in walk(tree) if isinstance(node, Field | Has) and node.root == "item"]
    return {node.name: node.of if isinstance(node, Has) else node.type for node in nodes}


def compile(expression: str, declarations: Declarations) -> Rule:  # noqa: A001 - the word of the trade
    """Checks an expression and makes a rule of it. Takes some milliseconds. Raises RuleError.

    See docs/rules.md for what is supported. The CEL library is loaded here, and by nothing else.
    """
    from maitred_server.playbook.rules.lowering import lower

    tree = lower(expression, declarations)
    return Rule(expression, tree, segments_of(tree, declarations.segments))


def segments_of(tree: Node, declared: Iterable[str]) -> frozenset[str]:
    """The segments that a tree names; all of the declared, when it uses them in another way than by name."""
    named: set[str] = set()
    for name in _named(tree):
        if name is None:
            return frozenset(declared)
        named.add(name)
    return frozenset(named)


def _named(node: Node) -> Iterable[str | None]:
    """Names in `"name" in subject.segments`; None for each other use of the segments."""
    segment = membership(node)
    if segment is not None:
        yield segment
    elif is_segments(node):
        yield None
    else:
        for child in children(node):
            yield from _named(child)


def takes_names(node: Node) -> bool:
    """Whether it reads the names of segments."""
    return any(is_segments(one) for one in walk(node))


def membership(node: Node) -> str | None:
    """The segment's name, when the node is `"name" in subject.segments`."""
    if isinstance(node, Call) and node.overload == "in_list" and is_segments(node.args[1]):
        name = node.args[0]
        return str(name.value) if isinstance(name, Const) else None
    return None


def is_segments(node: Node) -> bool:
    """Whether the node is `subject.segments`, or looks whether it is there."""
    return isinstance(node, Field | Has) and (node.root, node.name) == ("subject", "segments")
