"""Items as a playbook's files hold them: items.yaml for some, items.jsonl, an item a line, for many."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from pydantic import ValidationError

from maitred_server.errors import Mistake
from maitred_server.model import Item, Variant
from maitred_server.playbook.jsontree import tree
from maitred_server.playbook.places import Place
from maitred_server.playbook.schema.items import ItemPart, ItemsFile
from maitred_server.playbook.validation import Checked, validate
from maitred_server.playbook.yamltree import DEEPEST, Node

LONGEST_LINE: Final = 1024 * 1024
MOST_ITEMS: Final = 1_000_000
MOST_LINES_WITH_MISTAKES: Final = 100


class Written(NamedTuple):
    """An item and where it was written. `part`, `node`: of one that carries rules or templates, as it stands there."""

    item: Item
    file: str
    line: int
    column: int = 0
    part: ItemPart | None = None
    node: Callable[[], Node] | None = None

    def mistake(self, message: str) -> Mistake:
        return Mistake(self.file, self.line, message, self.column)


def from_yaml(checked: Checked[ItemsFile]) -> list[Written]:
    """The items of items.yaml."""
    nodes = checked.node.find(["items"]).entries or []
    return [
        _written(part, checked.file, node.place, partial(_itself, node))
        for part, node in zip(checked.part.items, nodes, strict=True)
    ]


def _itself(node: Node) -> Node:
    return node


def _written(part: ItemPart, file: str, place: Place, node: Callable[[], Node]) -> Written:
    item = noun(part)
    if part.is_restricted or any(variant.template for variant in item.variants):
        return Written(item, file, *place, part, node)
    return Written(item, file, *place)


def from_jsonl(file: str, content: bytes) -> tuple[list[Written], list[Mistake]]:
    """The items of items.jsonl and the mistakes in it; empty lines are passed over."""
    written: list[Written] = []
    mistakes: list[Mistake] = []
    wrong = 0
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        part, found = _line(file, number, line)
        mistakes += found
        wrong += bool(found)
        if part is not None:
            written.append(_written(part, file, Place(number), partial(tree, str(line, "utf-8"), number)))
        if len(written) > MOST_ITEMS or wrong > MOST_LINES_WITH_MISTAKES:
            mistakes.append(Mistake(file, number, "reading stops here: too many items, or too many with mistakes"))
            break
    return written, mistakes


def _line(file: str, number: int, line: bytes) -> tuple[ItemPart | None, list[Mistake]]:
    if len(line) > LONGEST_LINE:
        return None, [Mistake(file, number, f"the line has {len(line):,} bytes; at most {LONGEST_LINE:,} are taken")]
    try:
        text = line.decode("utf-8")
        return ItemPart.model_validate(_DECODER.decode(text)), []
    except ValidationError:
        checked, mistakes = validate(file, tree(text, number), ItemPart)
        return checked.part if checked else None, mistakes
    except UnicodeDecodeError:
        return None, [Mistake(file, number, "this is no UTF-8; save the file as UTF-8")]
    except json.JSONDecodeError as error:
        return None, [Mistake(file, number, f"this is no JSON: {error.msg}", error.colno)]
    except RecursionError:
        return None, [Mistake(file, number, f"this is nested too deep; at most {DEEPEST} levels are taken")]
    except ValueError as error:
        return None, [Mistake(file, number, str(error))]


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"`{twice}` stands here twice")
    return mapping


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_mapping)


def check(written: list[Written]) -> Iterator[Mistake]:
    """What is wrong with items beyond the form of each."""
    first: dict[str, Written] = {}
    for one in written:
        name = one.item.id
        before = first.setdefault(name, one)
        if before is not one:
            yield one.mistake(f"item `{name}` stands here twice; first in {before.file} line {before.line}")
        yield from _check_one(one)


def _check_one(one: Written) -> Iterator[Mistake]:
    name, groups, variants = one.item.id, one.item.groups, one.item.variants
    if len(groups) > 1 and len(set(groups)) < len(groups):
        yield one.mistake(f"item `{name}` names a group twice")
    if len(variants) > 1 and len({variant.name for variant in variants}) < len(variants):
        yield one.mistake(f"item `{name}` has two variants of one name; each of several has a name of its own")
    if not all(map(_keeps_its_word, variants)):
        yield one.mistake(f"item `{name}`: content is no JSON; write it as a mapping, or give another content_type")


def _keeps_its_word(variant: Variant) -> bool:
    """Whether content that says it is JSON is JSON."""
    if variant.content_type != "application/json" or not variant.content:
        return True
    try:
        msgspec.json.decode(variant.content)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def noun(part: ItemPart) -> Item:
    """The item as it is kept."""
    item = Item(part.id, tuple(part.groups), part.attributes)
    if not part.variants:
        return item
    return Item(item.id, item.groups, item.attributes, tuple(variant.noun() for variant in part.variants))
