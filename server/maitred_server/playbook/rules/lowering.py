"""From the library's checked expression to our tree: what is not supported is refused here, with its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from maitred_server.playbook.hints import did_you_mean
from maitred_server.playbook.rules import macros
from maitred_server.playbook.rules.declarations import BUILT_IN, CEL_TYPES, KINDS, Declarations
from maitred_server.playbook.rules.environment import Environment, place
from maitred_server.playbook.rules.errors import Failure, RuleError
from maitred_server.playbook.rules.functions import CONSTANT, OVERLOADS
from maitred_server.playbook.rules.limits import MOST_DEPTH, MOST_NODES, TOO_DEEP, too_dear
from maitred_server.playbook.rules.tree import (
    Call,
    Const,
    Field,
    Has,
    ListOf,
    Local,
    Macro,
    MapOf,
    Node,
    Now,
    constant_of,
    literal,
)
from maitred_server.playbook.rules.tree import (
    key as key_of,
)
from maitred_server.playbook.rules.wording import in_words

_SCALARS: Final = {"bool", "int", "double", "string", "timestamp", "duration"}
_PRIMITIVES: Final = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}
_WELL_KNOWN: Final = {1: "any", 2: "timestamp", 3: "duration"}
# What to try a constant pattern or time zone with, by overload.
_PROBES: Final[dict[str, str | int]] = {
    **{name: "" for name in OVERLOADS if name.startswith("matches")},
    **{name: 0 for name in OVERLOADS if name.endswith("_zone")},
}
_REFUSED: Final = {
    "null": "null is not supported; `has(subject.name)` tells whether there is a value",
    "uint": "unsigned numbers are not supported; write whole numbers without `u`",
    "bytes": "bytes are not supported; write texts",
    "dyn": "values of several types in one list, map or expression are not supported",
    "type": "types as values are not supported",
}


def lower(expression: str, declarations: Declarations) -> Node:
    """The tree of an expression. Raises RuleError."""
    environment = Environment.of(declarations)
    checked = environment.check(expression)
    lowering = _Lowering(expression, environment, checked)
    tree = lowering.node(checked.expr, 1)
    if tree.type != "bool":
        raise lowering.refuse(checked.expr, f"a rule answers true or false; this is {in_words(tree.type)}")
    if message := too_dear(tree):
        raise lowering.refuse(checked.expr, message)
    return tree


class _Lowering:
    def __init__(self, expression: str, environment: Environment, checked: Any) -> None:
        self._expression = expression
        self._environment = environment
        self._positions = {entry.key: entry.value for entry in checked.source_info.positions}
        self._overloads = {entry.key: tuple(entry.value.overload_id) for entry in checked.references}
        self._types = {entry.key: entry.value for entry in checked.types}
        self._slots: dict[str, list[Local]] = {}
        self._nodes = 0
        self._depth_of_slots = 0

    def place(self, expr: Any) -> tuple[int, int]:
        """Line and column of an expression."""
        return place(self._expression, self._positions.get(expr.id, 0))

    def refuse(self, expr: Any, message: str) -> RuleError:
        """The error about an expression."""
        return RuleError(message, *self.place(expr))

    def node(self, expr: Any, depth: int) -> Node:
        """The node of a checked expression."""
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise self.refuse(expr, f"more than {MOST_NODES} parts; split it into segments")
        if depth > MOST_DEPTH:
            raise self.refuse(expr, TOO_DEEP)
        found: Node = getattr(self, f"_{_kind(expr)}")(expr, depth)
        return found

    def _type(self, expr: Any) -> str:
        found = _type_name(self._types[expr.id])
        for word, message in _REFUSED.items():
            if word in found.replace("(", " ").replace(")", " ").replace(",", " ").split():
                raise self.refuse(expr, message)
        return found

    def _const_expr(self, expr: Any, depth: int) -> Node:
        kind = self._type(expr)
        _, value = expr.const_expr.ListFields()[0]
        return Const(kind, value)

    def _ident_expr(self, expr: Any, depth: int) -> Node:
        name = expr.ident_expr.name
        if self._slots.get(name):
            return self._slots[name][-1]
        if name == "now":
            return Now()
        if name in BUILT_IN:
            raise self.refuse(expr, f"`{name}` can only be read by name, like `{name}.kind`")
        raise self.refuse(expr, f"`{name}` is not supported here")

    def _select_expr(self, expr: Any, depth: int) -> Node:
        select = expr.select_expr
        root = select.operand.ident_expr.name if _kind(select.operand) == "ident_expr" else ""
        if root in BUILT_IN and not self._slots.get(root):
            name = self._environment.name(root, select.field)
            kind = CEL_TYPES[self._environment.declarations.of(root)[name]]
            return Has(root, name, kind) if select.test_only else Field(root, name, kind)
        of, key = self.node(select.operand, depth + 1), Const("string", select.field)
        if select.test_only:
            return Call("in_map", (key, of), "bool")
        return Call("index_map", (of, key), self._type(expr))

    def _list_expr(self, expr: Any, depth: int) -> Node:
        items = tuple(self.node(one, depth + 1) for one in expr.list_expr.elements)
        return ListOf(items, self._type(expr) if items else "list(dyn)")

    def _struct_expr(self, expr: Any, depth: int) -> Node:
        if expr.struct_expr.message_name:
            raise self.refuse(expr, "messages are not supported")
        entries = expr.struct_expr.entries
        keys = tuple(self.node(one.map_key, depth + 1) for one in entries)
        values = tuple(self.node(one.value, depth + 1) for one in entries)
        if not all(isinstance(key, Const) for key in keys):
            raise self.refuse(expr, "the keys of a map have to be constants")
        if len({key_of(key) for key in keys}) < len(keys):
            raise self.refuse(expr, "a key that stands twice in a map")
        return MapOf(keys, values, self._type(expr) if keys else "map(dyn,dyn)")

    def _comprehension_expr(self, expr: Any, depth: int) -> Node:
        form = macros.recognized(expr.comprehension_expr)
        if form is None:
            raise self.refuse(expr, "this macro is not supported")
        over = self.node(form.over, depth + 1)
        if over.type.startswith("map(") and form.kind in ("map", "filter"):
            raise self.refuse(expr, f"`{form.kind}` over a map is not supported: a map has no order")
        name = expr.comprehension_expr.iter_var
        if name in BUILT_IN or name == "now":
            raise self.refuse(expr, f"a macro's variable cannot be called `{name}`")
        return self._macro(expr, form, over, depth)

    def _macro(self, expr: Any, form: macros.Form, over: Node, depth: int) -> Node:
        name, slot = expr.comprehension_expr.iter_var, self._depth_of_slots
        local = Local(slot, _element(over.type))
        self._slots.setdefault(name, []).append(local)
        self._depth_of_slots += 1
        try:
            test = self.node(form.test, depth + 1) if form.test is not None else Const("bool", True)
            result = self.node(form.result, depth + 1) if form.result is not None else local
        finally:
            self._slots[name].pop()
            self._depth_of_slots -= 1
        kind = "bool" if form.kind in ("exists", "all", "exists_one") else f"list({result.type})"
        macro = Macro(form.kind, slot, over, test, result, kind)
        if message := too_dear(macro):
            raise self.refuse(expr, message)
        return macro

    def _call_expr(self, expr: Any, depth: int) -> Node:
        call = expr.call_expr
        targets = [call.target] if call.HasField("target") else []
        args = tuple(self.node(arg, depth + 1) for arg in (*targets, *call.args))
        overloads = self._overloads.get(expr.id, ())
        if len(overloads) != 1 or overloads[0] not in OVERLOADS:
            raise self.refuse(expr, _REFUSED["dyn"])
        self._check_names(expr, args)
        overload, args = _same_types(overloads[0], args)
        kind = self._type(expr)
        at = CONSTANT.get(overload)
        if at is not None and not isinstance(args[at], Const):
            raise self.refuse(expr, f"`{OVERLOADS[overload].function}` takes a constant text only")
        return self._folded(expr, Call(overload, args, kind))

    def _folded(self, expr: Any, call: Call) -> Node:
        """A call of constants as the constant that it is."""
        constant = all(isinstance(arg, Const) for arg in call.args)
        if call.overload in _PROBES and isinstance(call.args[1], Const):
            self._run(expr, call.overload, [_PROBES[call.overload], literal(call.args[1])])
        if not constant or call.type not in _SCALARS or call.overload in ("and", "or", "conditional"):
            return call
        return constant_of(call.type, self._run(expr, call.overload, [literal(arg) for arg in call.args]))

    def _run(self, expr: Any, overload: str, args: Sequence[Any]) -> Any:
        try:
            return OVERLOADS[overload].run(*args)
        except Failure as failure:
            raise self.refuse(expr, str(failure)) from None

    def _check_names(self, expr: Any, args: Sequence[Node]) -> None:
        """Constants that are compared with `subject.segments` or `subject.kind` are names that there are."""
        known: Sequence[str]
        for name, word, known in (
            ("segments", "segment", self._environment.declarations.segments),
            ("kind", "kind of subject", KINDS),
        ):
            if any(isinstance(arg, Field) and (arg.root, arg.name) == ("subject", name) for arg in args):
                for constant in _texts(args):
                    if constant not in known:
                        raise self.refuse(expr, f"unknown {word} `{constant}`{did_you_mean(constant, known)}")


def _texts(args: Sequence[Node]) -> list[str]:
    flat = [item for arg in args for item in (arg.items if isinstance(arg, ListOf) else (arg,))]
    return [str(item.value) for item in flat if isinstance(item, Const) and item.type == "string"]


def _same_types(overload: str, args: tuple[Node, ...]) -> tuple[str, tuple[Node, ...]]:
    """A comparison of `int` with `double` as one of doubles."""
    for mixed in ("_int_double", "_double_int"):
        if overload.endswith(mixed) and overload != mixed[1:]:
            word = overload.removesuffix(mixed)
            kind = word if word in ("equals", "not_equals") else f"{word}_double"
            return kind, tuple(_as_double(arg) for arg in args)
    if overload == "in_double_ints" and isinstance(args[1], ListOf):
        return "in_list", (args[0], ListOf(tuple(map(_as_double, args[1].items)), "list(double)"))
    if overload == "in_int_doubles":
        return "in_list", (_as_double(args[0]), args[1])
    return overload, args


def _as_double(node: Node) -> Node:
    if node.type == "double":
        return node
    return Const("double", float(node.value)) if isinstance(node, Const) else Call("double_int", (node,), "double")


def _kind(expr: Any) -> str:
    for field, _ in expr.ListFields():
        if field.name.endswith("_expr"):
            return str(field.name)
    return "const_expr"


def _type_name(kind: Any) -> str:
    for field, value in kind.ListFields():
        return _TYPES.get(field.name, lambda value: "dyn")(value)
    return "dyn"


_TYPES: Final[dict[str, Callable[[Any], str]]] = {
    "primitive": lambda value: _PRIMITIVES.get(value, "dyn"),
    "well_known": lambda value: _WELL_KNOWN.get(value, "dyn"),
    "list_type": lambda value: f"list({_type_name(value.elem_type)})",
    "map_type": lambda value: f"map({_type_name(value.key_type)},{_type_name(value.value_type)})",
    "message_type": str,
    "null": lambda value: "null",
    "type": lambda value: "type",
}


def _element(kind: str) -> str:
    """What a macro over a list or a map goes through."""
    inner = kind[kind.index("(") + 1 : -1]
    return inner.partition(",")[0] if kind.startswith("map(") else inner
