"""YAML read with positions and bounds: a tree in which every value knows its line and column.

Only plain data is taken: no tags, no anchors, no second document, no key twice. Sizes and depth are bounded before
anything is built, so that no input costs more than its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from maitred_server.errors import Mistake
from maitred_server.playbook.places import Place, Written, within

DEEPEST = 32
MOST_NODES = 200_000
LONGEST_NUMBER = 32
MOST_MISTAKES = 200

Scalar: TypeAlias = bool | int | float | str | None
Plain: TypeAlias = Scalar | list["Plain"] | dict[str, "Plain"]
Path: TypeAlias = Sequence[str | int]

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WHOLE = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# Words that YAML 1.1 takes for something else than text. Read likewise, so that no two readers differ.
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("~", "null", "Null", "NULL", ""), None),
    **{form: True for word in ("yes", "true", "on") for form in (word, word.title(), word.upper())},
    **{form: False for word in ("no", "false", "off") for form in (word, word.title(), word.upper())},
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


@dataclass(slots=True)
class Node:
    """One value. `text`: as written, for a scalar without quotes. `fields`, `entries`: the children, if it has any.

    `keys`: where the key of each field stands. `written`: of a scalar that does not stand on one line as it is.
    """

    place: Place
    value: Scalar = None
    text: str | None = None
    fields: dict[str, Node] | None = None
    entries: list[Node] | None = None
    keys: dict[str, Place] = field(default_factory=dict)
    written: Written | None = None

    def plain(self) -> Plain:
        """The value without positions."""
        if self.fields is not None:
            return {key: node.plain() for key, node in self.fields.items()}
        if self.entries is not None:
            return [node.plain() for node in self.entries]
        return self.value

    def child(self, step: str | int) -> Node | None:
        """The value of a field or the entry at a position; None when there is none."""
        if self.fields is not None and isinstance(step, str):
            return self.fields.get(step)
        if self.entries is not None and isinstance(step, int) and 0 <= step < len(self.entries):
            return self.entries[step]
        return None

    def find(self, path: Path) -> Node:
        """The deepest value on a path that exists; steps that lead nowhere are skipped."""
        node = self
        for step in path:
            node = node.child(step) or node
        return node

    def key_place(self, path: Path) -> Place:
        """Where the key stands that a path ends with; the value where it has none."""
        *parents, last = path
        parent = self.find(parents)
        return parent.keys.get(str(last), parent.find([last]).place)

    def place_within(self, line: int, column: int) -> Place:
        """Where a line and column (from 1) of this text stand in the file."""
        return within(self.place, self.written, str(self.value), line, column)

    def without(self, paths: Sequence[Path]) -> Node | None:
        """A copy without the values at these paths; None when the whole is taken out."""
        if any(not path for path in paths):
            return None
        kept = Node(self.place, self.value, self.text, keys=self.keys, written=self.written)
        below: dict[str | int, list[Path]] = {}
        for path in paths:
            below.setdefault(path[0], []).append(path[1:])
        if self.fields is not None:
            kept.fields = {key: copy for key, node in self.fields.items() if (copy := _cut(node, below.get(key)))}
        if self.entries is not None:
            kept.entries = [copy for at, node in enumerate(self.entries) if (copy := _cut(node, below.get(at)))]
        return kept


def _cut(node: Node, paths: Sequence[Path] | None) -> Node | None:
    return node.without(paths) if paths else node


class _RefusedError(Exception):
    """Reading stops here."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message

    def mistake(self, file: str) -> Mistake:
        return Mistake(file, self.place.line, self.message, self.place.column)


def read(file: str, content: bytes, most_bytes: int) -> tuple[Node | None, list[Mistake]]:
    """The tree of a file and its mistakes; None when there is no tree. An empty file is an empty mapping."""
    if len(content) > most_bytes:
        return None, [Mistake(file, 0, f"the file has {len(content):,} bytes; at most {most_bytes:,} are taken")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, [Mistake(file, line, "this is no UTF-8; save the file as UTF-8")]
    reader = _Reader(file, text)
    try:
        return reader.document(yaml.parse(text, Loader=_LOADER)), reader.mistakes
    except _RefusedError as refused:
        return None, [*reader.mistakes, refused.mistake(file)]
    except yaml.YAMLError as error:
        return None, [*reader.mistakes, _syntax_mistake(file, text, error)]


def _syntax_mistake(file: str, text: str, error: yaml.YAMLError) -> Mistake:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    position = getattr(error, "position", None)
    if mark is None:
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 0
        return Mistake(file, line, f"this is no YAML: {problem}")
    return Mistake(file, mark.line + 1, f"this is no YAML: {problem}", mark.column + 1)


class _Reader:
    """Builds the tree from the parser's events with a stack of its own: depth costs no recursion."""

    def __init__(self, file: str, source: str) -> None:
        self.mistakes: list[Mistake] = []
        self._file = file
        self._source = source
        self._nodes = 0
        self._root: Node | None = None
        self._open: list[Node] = []
        self._keys: list[Node | None] = []  # of each open node: the key that waits for its value

    def document(self, events: Iterator[yaml.Event]) -> Node:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
                raise _RefusedError(_place(event), "a second document begins here; a file holds one")
            if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                self._open.pop()
                self._keys.pop()
            elif (node := self._node(event)) is not None:
                self._place(node)
        root = self._root
        if root is None or (root.value is None and root.fields is None and root.entries is None):
            return Node(Place(1), fields={})
        return root

    def _node(self, event: yaml.Event) -> Node | None:
        """The node that an event begins; None for events that begin none."""
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError(_place(event), f"aliases (`*{event.anchor}`) are not taken; write the value out")
        if not isinstance(event, yaml.NodeEvent):
            return None
        self._count(event)
        if isinstance(event, yaml.ScalarEvent):
            plain = event.style is None or event.style == ""
            value = scalar(event.value) if plain else event.value
            return Node(_place(event), value, event.value if plain else None, written=self._written(event))
        if isinstance(event, yaml.MappingStartEvent):
            return Node(_place(event), fields={})
        return Node(_place(event), entries=[])

    def _written(self, event: yaml.ScalarEvent) -> Written | None:
        """None for what stands on one line, just as it is."""
        if event.start_mark is None or event.end_mark is None:
            return None
        source = self._source[event.start_mark.index : event.end_mark.index]
        return None if source == event.value else Written(source, event.style or "")

    def _count(self, event: yaml.NodeEvent) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise _RefusedError(_place(event), f"the file has more than {MOST_NODES:,} values; items.jsonl takes more")
        if event.anchor is not None:
            raise _RefusedError(_place(event), f"anchors (`&{event.anchor}`) are not taken; write the value out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise _RefusedError(_place(event), f"tags (`{tag}`) are not taken; write plain values")

    def _place(self, node: Node) -> None:
        """Puts a node where it belongs: at the root, into the list or mapping that is open, or in wait as a key."""
        parent = self._open[-1] if self._open else None
        if parent is None:
            self._root = node
        elif parent.entries is not None:
            parent.entries.append(node)
        elif (key := self._keys[-1]) is None:
            self._keys[-1] = self._key(node)
            return
        else:
            self._keys[-1] = None
            self._set(parent, key, node)
        if node.fields is not None or node.entries is not None:
            self._begin(node)

    def _begin(self, node: Node) -> None:
        self._open.append(node)
        self._keys.append(None)
        if len(self._open) > DEEPEST:
            raise _RefusedError(node.place, f"this is nested too deep; at most {DEEPEST} levels are taken")

    def _set(self, parent: Node, key: Node, node: Node) -> None:
        assert parent.fields is not None
        name = str(key.value)
        if name in parent.fields:
            if len(self.mistakes) > MOST_MISTAKES:
                raise _RefusedError(key.place, "reading stops here: too many mistakes")
            self._wrong(key.place, f"`{name}` stands here twice; first in line {parent.keys[name].line}")
        else:
            parent.fields[name] = node
            parent.keys[name] = key.place

    def _key(self, node: Node) -> Node:
        if node.fields is not None or node.entries is not None:
            raise _RefusedError(node.place, "a key is a text; this one is a mapping or a list")
        if not isinstance(node.value, str):
            advice = f'YAML reads the key `{node.text}` as {kind_of(node.value)}; write "{node.text}", in quotes'
            self._wrong(node.place, advice)
            node.value = node.text
        return node

    def _wrong(self, place: Place, message: str) -> None:
        self.mistakes.append(Mistake(self._file, place.line, message, place.column))


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1) if mark else Place(0)


def scalar(text: str) -> Scalar:
    """What a scalar without quotes is."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > LONGEST_NUMBER:
        return text
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def kind_of(value: object) -> str:
    """What a plain value is called in messages."""
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(type(value), "nothing")
