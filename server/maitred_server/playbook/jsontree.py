"""JSON on one line, read once more with positions: the tree of `yamltree`, for a line that has mistakes."""

from __future__ import annotations

import json
import re
from typing import Final

from maitred_server.playbook.places import Place, Written
from maitred_server.playbook.yamltree import DEEPEST, Node

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s{}\[\],:"]+')


def tree(text: str, line: int) -> Node:
    """The tree of a line that is JSON. Raises ValueError when it is nested too deep."""
    return _Reader(text, line).next(1)


class _Reader:
    """Takes the text's tokens one after the other; commas and colons tell nothing more in what is known to be JSON."""

    def __init__(self, text: str, line: int) -> None:
        self._tokens = list(_TOKEN.finditer(text))[::-1]
        self._line = line

    def next(self, depth: int) -> Node:
        if depth > DEEPEST + 1:
            raise ValueError(f"this is nested too deep; at most {DEEPEST} levels are taken")
        token = self._tokens.pop()
        place = Place(self._line, token.start() + 1)
        if token[0] == "{":
            return self._mapping(place, depth)
        if token[0] == "[":
            return self._list(place, depth)
        return _scalar(token[0], place)

    def _mapping(self, place: Place, depth: int) -> Node:
        node = Node(place, fields={})
        assert node.fields is not None
        while not self._ends("}"):
            key = self.next(depth)
            node.fields[str(key.value)] = self.next(depth + 1)
            node.keys[str(key.value)] = key.place
        return node

    def _list(self, place: Place, depth: int) -> Node:
        entries: list[Node] = []
        while not self._ends("]"):
            entries.append(self.next(depth + 1))
        return Node(place, entries=entries)

    def _ends(self, bracket: str) -> bool:
        if self._tokens[-1][0] != bracket:
            return False
        self._tokens.pop()
        return True


def _scalar(source: str, place: Place) -> Node:
    value = json.loads(source)
    if isinstance(value, str):
        return Node(place, value, written=Written(source, '"'))
    return Node(place, value, source)
