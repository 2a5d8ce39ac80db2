"""The CEL library as type checker: what rules may name as a generated message, what they may call as a table."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, Final

import msgspec
from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, timestamp_pb2

from maitred_server.playbook.hints import did_you_mean
from maitred_server.playbook.rules import checked
from maitred_server.playbook.rules.declarations import BUILT_IN, Declarations, TypeName
from maitred_server.playbook.rules.errors import RuleError
from maitred_server.playbook.rules.functions import OVERLOADS, Overload
from maitred_server.playbook.rules.limits import TOO_DEEP
from maitred_server.playbook.rules.quoting import aliases, is_identifier, unquoted
from maitred_server.playbook.rules.wording import reworded

LONGEST: Final = 10_000  # characters of an expression
_FIELD = descriptor_pb2.FieldDescriptorProto
_PACKAGE: Final = "maitred"
_KINDS: Final[dict[TypeName, int]] = {
    "text": _FIELD.TYPE_STRING,
    "number": _FIELD.TYPE_DOUBLE,
    "whole": _FIELD.TYPE_INT64,
    "flag": _FIELD.TYPE_BOOL,
    "texts": _FIELD.TYPE_STRING,
    "time": _FIELD.TYPE_MESSAGE,
}
_ERROR: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


class Environment:
    """Checks expressions against one set of declarations. Costs some milliseconds to make."""

    def __init__(self, declarations: Declarations) -> None:
        self.declarations = declarations
        self._aliases = {root: aliases(declarations.of(root)) for root in BUILT_IN}
        self._names = {root: {alias: name for name, alias in of.items()} for root, of in self._aliases.items()}
        roots = {root: cel.Type(f"{_PACKAGE}.{root}") for root in BUILT_IN}
        self._env = cel.NewEnv(
            descriptor_pool=self._pool(),
            config=cel.NewEnvConfigFromYaml(_functions()),
            variables={**roots, "now": cel.Type.TIMESTAMP},
        )

    @classmethod
    def of(cls, declarations: Declarations) -> Environment:
        """The environment of some declarations; the last few are kept."""
        return _environment(msgspec.msgpack.encode(declarations))

    def check(self, expression: str) -> Any:
        """The checked expression (`checked.read`). Raises RuleError."""
        if len(expression) > LONGEST:
            raise RuleError(f"longer than {LONGEST:,} characters")

        def alias(root: str, literal: str, at: int) -> str:
            return self._alias(root, literal, *place(expression, at))

        text = unquoted(expression, alias)
        try:
            return checked.read(self._env.compile(text).serialize())
        except RuntimeError as error:
            raise self._error(expression, str(error)) from None

    def name(self, root: str, field: str) -> str:
        """The declared name that a field of the generated message stands for."""
        return self._names[root].get(field, field)

    def _alias(self, root: str, literal: str, line: int, column: int) -> str:
        name = _constant(literal)
        if name not in self.declarations.of(root):
            raise RuleError(self.unknown(root, name), line, column)
        return name if is_identifier(name) else self._aliases[root][name]

    def unknown(self, root: str, name: str) -> str:
        """The message about a name that is not declared."""
        word = {"subject": "trait", "context": "context attribute", "item": "item attribute"}[root]
        return f"unknown {word} `{name}`{did_you_mean(name, self.declarations.of(root))}"

    def _error(self, expression: str, text: str) -> RuleError:
        if "recursion" in text:
            return RuleError(TOO_DEEP)
        found = _ERROR.search(text)
        if found is None:
            return RuleError(text.partition("\n")[0])
        return RuleError(reworded(found[3], self.unknown), int(found[1]), int(found[2]))

    def _pool(self) -> descriptor_pool.DescriptorPool:
        file = descriptor_pb2.FileDescriptorProto(
            name="maitred.proto", package=_PACKAGE, dependency=["google/protobuf/timestamp.proto"], syntax="proto2"
        )
        for root in BUILT_IN:
            message = file.message_type.add(name=root)
            message.options.deprecated_legacy_json_field_conflicts = True  # `a_b` and `aB` are two names
            for number, (name, kind) in enumerate(sorted(self.declarations.of(root).items()), 1):
                _add_field(message, self._aliases[root].get(name, name), _number(number), kind)
        pool = descriptor_pool.DescriptorPool()
        pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
        pool.AddSerializedFile(file.SerializeToString())
        return pool


def _number(number: int) -> int:
    return number if number < 19_000 else number + 1_000  # the numbers between are reserved


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: TypeName) -> None:
    label = _FIELD.LABEL_REPEATED if kind == "texts" else _FIELD.LABEL_OPTIONAL
    field = message.field.add(name=name, number=number, label=label, type=_KINDS[kind], json_name=f"j{number}")
    if kind == "time":
        field.type_name = ".google.protobuf.Timestamp"


@lru_cache(maxsize=16)
def _environment(encoded: bytes) -> Environment:
    return Environment(msgspec.msgpack.decode(encoded, type=Declarations))


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of a character."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


@lru_cache(maxsize=1)
def _literals() -> cel.Env:
    return cel.NewEnv()


def _constant(literal: str) -> str:
    """The text that a text's literal stands for."""
    if "\\" not in literal and literal[0] in "'\"" and literal[:3] not in ("'''", '"""'):
        return literal[1:-1]
    try:
        return str(_literals().compile(literal).eval().value())
    except RuntimeError:
        return literal


@lru_cache(maxsize=1)
def _functions() -> str:
    """The environment's configuration: nothing of the standard library but the overloads of `functions`."""
    functions: dict[str, list[dict[str, Any]]] = {}
    for one in OVERLOADS.values():
        functions.setdefault(one.function, []).append(_overload(one))
    listed = [{"name": name, "overloads": overloads} for name, overloads in functions.items()]
    return json.dumps({"name": "rules", "stdlib": {"disable": True}, "functions": listed})


def _overload(one: Overload) -> dict[str, Any]:
    args = [_type(arg) for arg in one.args]
    found: dict[str, Any] = {"id": one.id, "args": args, "return": _type(one.result)}
    if one.member:
        found["target"], found["args"] = args[0], args[1:]
    return found


def _type(name: str) -> dict[str, Any]:
    kind, _, params = name.partition("(")
    found: dict[str, Any] = {"type_name": kind}
    if params:
        found["params"] = [_type(param) for param in params.rstrip(")").split(",")]
    if len(kind) == 1:
        found["is_type_param"] = True
    return found
