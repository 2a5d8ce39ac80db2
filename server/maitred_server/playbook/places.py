"""Where things stand in a file, down to a character inside a text that YAML folds, quotes or indents."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# One character of a text that is no white space, as it is written: quoted texts have escapes.
_WRITTEN: Final = {
    "'": re.compile(r"''|\S"),
    '"': re.compile(r"\\x..|\\u.{4}|\\U.{8}|\\[nrtvNLP_e\s](?P<space>)|\\.|\S", re.S),
}
_PLAIN: Final = re.compile(r"\S")
_HEADER: Final = re.compile(r"[^\n]*")  # of a block: `|`, `>-`, and what is said about it


class Place(NamedTuple):
    """A line and a column, both from 1. 0: the file, or the line, as a whole."""

    line: int
    column: int = 0


class Written(NamedTuple):
    """A text as it stands in the file. `style`: its quote, `|` or `>`; "" for one without."""

    source: str
    style: str


def within(start: Place, written: Written | None, text: str, line: int, column: int) -> Place:
    """The place in the file of a line and column (from 1) of `text`, which begins at `start`.

    `written` None: the text stands on one line as it is. White space may be folded away: for it the next character's
    place is given.
    """
    if written is None:
        return Place(start.line, start.column + column - 1)
    sought = _visible_before(text, line, column)
    offset = _offset(written, sought)
    before = written.source[:offset]
    lines = before.count("\n")
    return Place(start.line + lines, offset - before.rfind("\n") if lines else start.column + offset)


def _visible_before(text: str, line: int, column: int) -> int:
    """How many characters that are no white space stand before a place in a text."""
    lines = text.split("\n")
    before = [*lines[: line - 1], lines[line - 1][: column - 1] if line <= len(lines) else ""]
    return sum(not letter.isspace() for part in before for letter in part)


def _offset(written: Written, sought: int) -> int:
    """Where the character of this number, counted without white space, stands in the source; else its end."""
    source, style = written
    if style in ("|", ">"):
        header = _HEADER.match(source)
        begin, end = header.end() if header else 0, len(source.rstrip())
    else:
        begin, end = (1, len(source) - 1) if style else (0, len(source))
    for found in _WRITTEN.get(style, _PLAIN).finditer(source, begin, end):
        if "space" in found.re.groupindex and found["space"] is not None:
            continue
        if sought == 0:
            return found.start()
        sought -= 1
    return end
