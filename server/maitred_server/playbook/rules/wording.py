"""What the CEL library says is wrong, in the words of whoever writes a rule."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from maitred_server.playbook.hints import did_you_mean
from maitred_server.playbook.rules.functions import OVERLOADS

_OVERLOAD: Final = re.compile(r"found no matching overload for '(.+)' applied to '(.*)'")
_FIELD: Final = re.compile(r"undefined field '(.+)' not found in struct 'maitred\.(\w+)'")
_UNKNOWN: Final = re.compile(r"undeclared reference to '(.+?)' \(in container ''\)")
_EXPECTING: Final = re.compile(r" expecting \{.*")  # what could have followed: everything
_OPERATORS: Final = {"_[_]": "[ ]", "@in": "in", "_?_:_": "? :"}
_NAMES: Final = ("subject", "context", "item", "now", "has", "exists", "all", "exists_one", "filter", "map")
_KNOWN: Final = {*(one.function for one in OVERLOADS.values() if one.function.isalpha()), *_NAMES}
_TYPES: Final = {
    "string": "a text",
    "int": "a whole number",
    "double": "a number",
    "bool": "a flag",
    "timestamp": "a moment",
    "google.protobuf.Timestamp": "a moment",
    "duration": "a duration",
    "google.protobuf.Duration": "a duration",
    "list(string)": "a list of texts",
    "null": "null",
    "null_type": "null",
}


def reworded(message: str, unknown_field: Callable[[str, str], str]) -> str:
    """The library's message in other words. `unknown_field`: root and name -> message."""
    if found := _FIELD.search(message):
        return unknown_field(found[2], found[1])
    if found := _UNKNOWN.search(message):
        return _unknown(found[1])
    if found := _OVERLOAD.search(message):
        return _mismatch(found[1], found[2])
    message = _EXPECTING.sub("", message)
    return f"{message[:1].lower()}{message[1:]}"


def _unknown(name: str) -> str:
    return f"unknown name or function `{name}`{did_you_mean(name, _KNOWN)}"


def _mismatch(function: str, types: str) -> str:
    shown = _OPERATORS.get(function, function.replace("_", "") if not function.isalpha() else function)
    kinds = [in_words(kind) for kind in _split(types.strip("()") if "(" not in types[1:] else types[1:-1])]
    hint = ""
    if set(kinds) == {"a number", "a whole number"}:
        hint = "; write the whole number with a point, like 2.0"
    return f"`{shown}` does not take {' and '.join(kinds) or 'nothing'}{hint}"


def _split(types: str) -> list[str]:
    """The types between the commas that are in no brackets."""
    parts, depth = [""], 0
    for character in types:
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def in_words(kind: str) -> str:
    """A CEL type for people."""
    if kind.startswith("maitred."):
        return f"`{kind.removeprefix('maitred.')}` as a whole"
    if kind.startswith("list("):
        return _TYPES.get(kind, "a list")
    if kind.startswith("map("):
        return "a map"
    return _TYPES.get(kind, kind)
