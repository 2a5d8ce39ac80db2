"""Types of items' attributes, as rules see them: declared, or as the items have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from maitred_server.errors import Mistake
from maitred_server.model import Item, Value
from maitred_server.playbook.control import TypeName
from maitred_server.playbook.draft import ITEMS
from maitred_server.playbook.items import Written
from maitred_server.playbook.rules.declarations import RESERVED, is_whole

WORDS: Mapping[TypeName, str] = {
    "text": "a text",
    "number": "a number",
    "whole": "a whole number",
    "flag": "true or false",
    "texts": "a list of texts",
    "time": "a moment",
}
_OF: Mapping[type, TypeName] = {bool: "flag", float: "number", int: "time", str: "text", tuple: "texts"}


class ItemTypes(NamedTuple):
    """Types by attribute; what is `unclear`, since items differ; and where items are not what was declared."""

    types: dict[str, TypeName]
    unclear: dict[str, str]
    mistakes: list[Mistake]


def type_of(value: Value) -> TypeName:
    """The type that a value has by itself."""
    return _OF[type(value)]


def item_types(written: Iterable[Written], imported: Iterable[Item], declared: Mapping[str, TypeName]) -> ItemTypes:
    """Of all items, those of the files first. Of several with mistakes about one attribute the first is named."""
    first: dict[str, dict[TypeName, str]] = {}
    wrong: dict[str, Mistake] = {}
    for one in written:
        for name, value in one.item.attributes.items():
            _note(first, one.item.id, name, value)
            if (message := _differs(one.item.id, name, value, declared)) and name not in wrong:
                wrong[name] = one.mistake(message)
    for item in imported:
        for name, value in item.attributes.items():
            _note(first, item.id, name, value)
            if (message := _differs(item.id, name, value, declared)) and name not in wrong:
                wrong[name] = Mistake(ITEMS, 0, message)
    types = {name: next(iter(found)) for name, found in first.items()} | dict(declared)
    unclear = {name: _unclear(name, found) for name, found in first.items() if len(found) > 1 and name not in declared}
    open_types = {name: types[name] for name in sorted(types) if name not in RESERVED["item"]}
    return ItemTypes(open_types, unclear, list(wrong.values()))


def _note(first: dict[str, dict[TypeName, str]], item: str, name: str, value: Value) -> None:
    first.setdefault(name, {}).setdefault(type_of(value), item)


def _differs(item: str, name: str, value: Value, declared: Mapping[str, TypeName]) -> str:
    """What is wrong with a value whose type was declared; "" when nothing is."""
    wanted = declared.get(name)
    own = type_of(value)
    if wanted is None or wanted == own or (wanted == "whole" and isinstance(value, float) and is_whole(value)):
        return ""
    return f"attribute `{name}` of item `{item}` is {WORDS[own]}; subjects.yaml declares it as {WORDS[wanted]}"


def _unclear(name: str, found: Mapping[TypeName, str]) -> str:
    (one, item), (other, another) = list(found.items())[:2]
    return (
        f"attribute `{name}` is {WORDS[one]} in item `{item}` and {WORDS[other]} in item `{another}`; "
        "rules need one type"
    )
