"""Random expressions with the values that they are about, and what Google's CEL says to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from cel_expr_python import cel
from google.protobuf import timestamp_pb2
from hypothesis import strategies as st
from maitred_server.model import Value
from maitred_server.playbook.rules import Declarations, TypeName

DECLARED = Declarations(
    subject={
        "age": "number",
        "visits": "whole",
        "name": "text",
        "tags": "texts",
        "born": "time",
        "member": "flag",
        "shoe size": "number",
    },
    context={"device": "text", "budget": "number", "at": "time", "likes": "texts", "dark": "flag", "limit": "whole"},
    item={
        "price": "number",
        "stock": "whole",
        "brand": "text",
        "maker": "text",
        "tags": "texts",
        "launched": "time",
        "fresh": "flag",
    },
    segments=("skiers", "new"),
)
SUBJECT_SEGMENTS = st.lists(st.sampled_from(DECLARED.segments), max_size=2, unique=True).map(tuple)

WORDS = ["", "a", "b", "ab", "Kent", "😀", "person"]
MOMENTS = [0, 1_700_000_000_000, 1_700_000_086_400, -1, 951_782_400_123, 253_402_300_799_999, -62_135_596_800_000]
NUMBERS = [0.0, -0.0, 1.0, 2.5, -3.0, 18.0, 1e15, 1e300, float("inf"), 9007199254740992.0, 9223372036854775807.0]
WHOLES = [0.0, 1.0, 3.0, -2.0, 18.0, 2.0**53, -(2.0**63), 2.0**62]
VALUES: dict[TypeName, st.SearchStrategy[Value]] = {
    "text": st.sampled_from(WORDS),
    "number": st.sampled_from(NUMBERS),
    "whole": st.sampled_from(WHOLES),
    "flag": st.booleans(),
    "texts": st.lists(st.sampled_from(WORDS), max_size=3).map(tuple),
    "time": st.sampled_from(MOMENTS),
}
ANY_VALUE: st.SearchStrategy[Value] = st.one_of(*VALUES.values())
NOW = st.sampled_from([1_700_000_000_000, 1_700_000_000_001, 951_782_400_000])


def attributes(declared: Mapping[str, TypeName]) -> st.SearchStrategy[dict[str, Value]]:
    """Raw values: most declared names, now and then of another type."""
    return st.fixed_dictionaries(
        {},
        optional={name: VALUES[kind] if name != "stock" else ANY_VALUE for name, kind in declared.items()},
    )


Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]
FIELDS: dict[str, list[str]] = {
    "double": ["subject.age", 'subject["shoe size"]', "context.budget", "item.price"],
    "int": ["subject.visits", "context.limit", "item.stock"],
    "string": ["subject.name", "subject.kind", "context.device", "item.brand", "item.maker", "item.id"],
    "bool": ["subject.member", "context.dark", "item.fresh"],
    "timestamp": ["subject.born", "context.at", "item.launched", "now"],
    "list(string)": ["subject.tags", "subject.segments", "context.likes", "item.tags", "item.groups"],
}
CONSTANTS: dict[str, list[str]] = {
    "double": ["0.0", "1.0", "2.5", "-3.0", "18.0", "1e15", "9007199254740992.0", "-0.0"],
    "int": ["0", "1", "-2", "3", "18", "9007199254740993", "9223372036854775807", "-9223372036854775808"],
    "string": ['""', '"a"', "'b'", '"ab"', '"Kent"', '"\\U0001F600"', 'r"a"'],
    "bool": ["true", "false"],
    "timestamp": ['timestamp("2023-11-14T22:13:20Z")', 'timestamp("2000-02-29T00:00:00.123456+01:00")'],
    "duration": ['duration("24h")', 'duration("-1h30m")', 'duration("1.5s")', 'duration("2562047h")'],
}
ZONES = ["", '"Europe/Berlin"', '"America/New_York"', '"+05:30"', '"-01:00"', '"Nowhere"', "subject.name"]
GETTERS = [
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
]
PATTERNS = ["'^a'", "'b$'", "'(?i)KENT'", "'[[:alpha:]]{2}'", "'\\\\d'", "'.'", "''"]


class Grammar:
    """Draws expressions of a type. `roots`: what may be read. Locals are texts."""

    def __init__(self, draw: Draw, roots: tuple[str, ...]) -> None:
        self._draw = draw
        self._roots = roots
        self._locals: list[str] = []

    def one(self, kind: str, depth: int) -> str:
        """An expression of a type."""
        if depth <= 0 or self._chance(5):
            return self._leaf(kind)
        forms = getattr(self, "_" + kind.partition("(")[0] + ("s" if kind == "list(string)" else ""))(depth - 1)
        return str(self._pick(forms)())

    def _pick(self, choices: list[Any]) -> Any:
        return choices[self._draw(st.integers(0, len(choices) - 1))]

    def _chance(self, of: int) -> bool:
        return bool(self._draw(st.integers(0, of - 1)) == 0)

    def _leaf(self, kind: str) -> str:
        if kind == "list(int)":
            return "[" + ", ".join(self._pick(CONSTANTS["int"]) for _ in range(self._pick([0, 1, 2]))) + "]"
        fields = [name for name in FIELDS.get(kind, []) if name == "now" or name.startswith(self._roots)]
        if kind == "string":
            fields = fields + self._locals * 3
        if fields and (kind not in CONSTANTS or not self._chance(3)):
            return str(self._pick(fields))
        if kind not in CONSTANTS:
            return "[" + ", ".join(self._pick(CONSTANTS["string"]) for _ in range(self._pick([0, 1, 2]))) + "]"
        return str(self._pick(CONSTANTS[kind]))

    def _two(self, kind: str, depth: int, operators: list[str]) -> str:
        return f"({self.one(kind, depth)} {self._pick(operators)} {self.one(kind, depth)})"

    def _bool(self, depth: int) -> list[Callable[[], str]]:
        compared = ["<", "<=", ">", ">=", "==", "!="]
        return [
            *[lambda kind=kind: self._two(kind, depth, compared) for kind in ("double", "int", "string", "timestamp")],
            *[lambda kind=kind: self._two(kind, depth, compared) for kind in ("double", "string", "duration", "bool")],
            lambda: f"({self.one('double', depth)} {self._pick(compared)} {self.one('int', depth)})",
            lambda: f"({self.one('int', depth)} {self._pick(compared)} {self.one('double', depth)})",
            lambda: self._two("list(string)", depth, ["==", "!="]),
            lambda: self._two("bool", depth, ["&&", "||"]),
            lambda: self._two("bool", depth, ["&&", "||"]),
            lambda: self._two("bool", depth, ["&&", "||"]),
            lambda: f"!{self.one('bool', depth)}",
            lambda: self._conditional("bool", depth),
            lambda: f"has({self._field()})",
            lambda: f"({self.one('string', depth)} in {self.one('list(string)', depth)})",
            lambda: f"({self.one('string', depth)} in {self.one('list(string)', depth)})",
            lambda: f"({self._segment()} in subject.segments)" if "subject" in self._roots else "true",
            lambda: f"({self.one('double', depth)} in [{self.one('double', 0)}, {self.one('double', 0)}])",
            lambda: f"({self.one('double', depth)} in [1, 18])",
            lambda: f"({self.one('int', depth)} in {self.one('list(int)', depth)})",
            lambda: f"({self.one('string', depth)} in {{'a': 1, 'Kent': 2}})",
            lambda: f"{self.one('string', depth)}.{self._text_test()}({self.one('string', depth)})",
            lambda: f"{self.one('string', depth)}.matches({self._pick(PATTERNS)})",
            lambda: self._macro(self._pick(["exists", "all", "exists_one"]), "bool", depth),
            lambda: self._macro(self._pick(["exists", "all"]), "bool", depth),
        ]

    def _field(self) -> str:
        fields = [name for names in FIELDS.values() for name in names if name.startswith(self._roots)]
        plain = [name for name in fields if name != "now" and "[" not in name]
        return str(self._pick(plain))

    def _segment(self) -> str:
        return repr(self._pick(list(DECLARED.segments)))

    def _text_test(self) -> str:
        return str(self._pick(["contains", "startsWith", "endsWith"]))

    def _conditional(self, kind: str, depth: int) -> str:
        return f"({self.one('bool', depth)} ? {self.one(kind, depth)} : {self.one(kind, depth)})"

    def _macro(self, name: str, body: str, depth: int) -> str:
        over, variable = self.one("list(string)", depth - 1), f"v{len(self._locals)}"
        self._locals.append(variable)
        text = f"{over}.{name}({variable}, {self.one(body, depth - 1)})"
        self._locals.pop()
        return text

    def _int(self, depth: int) -> list[Callable[[], str]]:
        return [
            lambda: self._two("int", depth, ["+", "-", "*", "/", "%"]),
            lambda: self._two("int", depth, ["+", "-", "*", "/", "%"]),
            lambda: f"(-({self.one('int', depth)}))",
            lambda: f"size({self.one(self._pick(['string', 'list(string)']), depth)})",
            lambda: self._conditional("int", depth),
            lambda: f"int({self.one(self._pick(['double', 'timestamp', 'int']), depth)})",
            lambda: f"{self.one('timestamp', depth)}.{self._pick(GETTERS)}({self._pick(ZONES)})",
            lambda: f"{self.one('duration', depth)}.{self._pick(GETTERS[6:])}()",
            lambda: f"{self.one('list(int)', depth)}[{self.one('int', 0)}]",
            lambda: f"{{'a': 1, 'b': {self.one('int', 0)}}}[{self.one('string', depth)}]",
        ]

    def _double(self, depth: int) -> list[Callable[[], str]]:
        return [
            lambda: self._two("double", depth, ["+", "-", "*", "/"]),
            lambda: self._two("double", depth, ["+", "-", "*", "/"]),
            lambda: f"(-({self.one('double', depth)}))",
            lambda: self._conditional("double", depth),
            lambda: f"double({self.one(self._pick(['int', 'double']), depth)})",
        ]

    def _string(self, depth: int) -> list[Callable[[], str]]:
        return [
            lambda: self._two("string", depth, ["+"]),
            lambda: self._conditional("string", depth),
            lambda: f"string({self.one(self._pick(['int', 'double', 'bool', 'string']), depth)})",
            lambda: f"{self.one('list(string)', depth)}[{self.one('int', 0)}]",
        ]

    def _timestamp(self, depth: int) -> list[Callable[[], str]]:
        return [
            lambda: f"({self.one('timestamp', depth)} {self._pick(['+', '-'])} {self.one('duration', depth)})",
            lambda: f"({self.one('duration', depth)} + {self.one('timestamp', depth)})",
            lambda: self._conditional("timestamp", depth),
        ]

    def _duration(self, depth: int) -> list[Callable[[], str]]:
        return [
            lambda: self._two("timestamp", depth, ["-"]),
            lambda: self._two("timestamp", depth, ["-"]),
            lambda: self._two("duration", depth, ["+", "-"]),
        ]

    def _lists(self, depth: int) -> list[Callable[[], str]]:
        return [
            lambda: self._two("list(string)", depth, ["+"]),
            lambda: f"[{self.one('string', depth)}, {self.one('string', depth)}]",
            lambda: self._macro("filter", "bool", depth),
            lambda: self._macro("map", "string", depth),
            lambda: self._conditional("list(string)", depth),
        ]

    def _list(self, depth: int) -> list[Callable[[], str]]:
        return [
            lambda: f"[{self.one('int', depth)}, {self.one('int', depth)}]",
            lambda: self._macro("map", "int", depth),
        ]


@st.composite
def expressions(draw: Draw, roots: tuple[str, ...] = ("subject", "context", "item"), depth: int = 3) -> str:
    """A rule's text."""
    return Grammar(draw, roots).one("bool", depth)


PAIRS = [
    "item.price {c} subject.age",
    "context.budget {c} item.price",
    "item.price * 2.0 {c} context.budget + 1.0",
    "item.stock {c} subject.visits",
    "item.stock + 1 {c} context.limit",
    "item.stock {c} subject.age",
    "item.launched {c} now",
    "now - item.launched {c} duration('24h')",
    "item.launched + duration('1h') {c} subject.born",
    "item.price - context.budget {c} subject.age",
    "item.stock - subject.visits {c} 3",
    "-item.stock {c} subject.visits",
    "item.brand {e} subject.name",
    "context.device {e} item.id",
    "item.fresh {e} subject.member",
    "subject.name in item.tags",
    "context.device in item.groups",
    "item.brand in subject.tags",
    "item.id in context.likes",
    "subject.tags.exists(t, t in item.tags)",
    "item.groups.exists(g, g in context.likes)",
    "item.tags.exists(g, g in subject.segments)",
    "item.tags.all(g, g in subject.tags)",
    "has(item.price) && has(subject.age)",
    "item.brand + subject.name == 'ab'",
    "item.brand.startsWith(subject.name)",
    "item.brand == item.maker && subject.member",
    "subject.segments.exists(s, s == 'new')",
    "size(subject.segments) {c} size(item.tags)",
    "{{'a': 1}}[item.brand] {c} subject.visits",
]


@st.composite
def pairs(draw: Draw) -> str:
    """Atoms that ask items and subjects, joined."""
    parts = draw(st.lists(st.sampled_from(PAIRS), min_size=1, max_size=3))
    compared = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    texts = [part.format(c=draw(compared), e=draw(st.sampled_from(["==", "!="]))) for part in parts]
    texts = [draw(st.sampled_from(["({})", "!({})"])).format(text) for text in texts]
    whole: str = texts[0]
    for text in texts[1:]:
        whole = f"({whole} {draw(st.sampled_from(['&&', '||']))} {text})"
    return whole


@lru_cache(maxsize=1)
def oracle() -> cel.Env:
    """CEL over maps."""
    kind = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return cel.NewEnv(variables={"subject": kind, "context": kind, "item": kind, "now": cel.Type.TIMESTAMP})


def moment(ms: int) -> timestamp_pb2.Timestamp:
    """A moment as the library takes it inside of maps."""
    return timestamp_pb2.Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def as_maps(values: Mapping[str, object], declared: Mapping[str, TypeName]) -> dict[str, object]:
    """Typed values as the library takes them."""
    found: dict[str, object] = {}
    for name, value in values.items():
        if declared.get(name) == "time" and isinstance(value, int):
            found[name] = moment(value)
        else:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def library(expression: str) -> Any:
    """The expression as the library runs it. Unchecked: over maps there is nothing to check."""
    return oracle().compile(expression, disable_check=True)


def answer(expression: Any, data: Mapping[str, Any]) -> bool | None:
    """True, False or None for an error: what the library says."""
    value = expression.eval(data=data)
    return None if value.type() == cel.Type.ERROR else bool(value.value())
