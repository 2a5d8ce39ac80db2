"""Who is decided for: read from a file, or drawn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from maitred_server.errors import InvalidRequest
from maitred_server.load.asked import MOST_LINES, ContextValue, Place, Subjects
from maitred_server.load.parsing import KINDS, context_value

BLOCK = 4_096
FIELDS = ("id", "kind", "context")
LONGEST_ID = 256


class Person(NamedTuple):
    """Who is decided for, with a context of their own."""

    id: str
    kind: str = ""
    context: dict[str, ContextValue] = {}  # noqa: RUF012  (never written)


def people(subjects: Subjects, place: Place, random: np.random.Generator) -> Iterator[Person]:
    """Without end: this process's lines of the file in turn, or drawn ones. Raises InvalidRequest."""
    if subjects.file:
        mine = list(islice(lines(subjects), place.number, None, place.of)) or list(lines(subjects))
        return cycle(mine)
    return (Person(f"{subjects.prefix}{rank}", subjects.kind) for rank in ranks(subjects, random))


def ranks(subjects: Subjects, random: np.random.Generator) -> Iterator[int]:
    """Ranks from 1, drawn with P(k) proportional to k ** -exponent, by the inverse of the cumulated distribution."""
    if not subjects.exponent:
        while True:
            yield from random.integers(1, subjects.count, BLOCK, endpoint=True).tolist()
    cumulated = np.cumsum(np.arange(1, subjects.count + 1, dtype=np.float64) ** -subjects.exponent)
    while True:
        drawn = random.random(BLOCK) * cumulated[-1]
        yield from (np.searchsorted(cumulated, drawn, side="right") + 1).tolist()


def lines(subjects: Subjects) -> Iterator[Person]:
    """The subjects of a file: one id a line, or in .jsonl objects with id, kind and context. Raises InvalidRequest."""
    parse = _from_json if subjects.file.endswith((".jsonl", ".json")) else _from_text
    number = 0
    for number, text in numbered(subjects.file):
        yield parse(text, subjects.kind, f"{subjects.file}:{number}")
    if not number:
        raise InvalidRequest(f"{subjects.file} is empty: it has one subject a line", "subjects")


def numbered(file: str) -> Iterator[tuple[int, str]]:
    """The lines of a file that hold something, with their numbers. Raises InvalidRequest."""
    try:
        with Path(file).open(encoding="utf-8") as source:
            for number, text in enumerate(source, start=1):
                if number > MOST_LINES:
                    raise InvalidRequest(f"{file} has more than {MOST_LINES:,} lines")
                if text.strip():
                    yield number, text.strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"cannot read {file}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None


def _from_text(text: str, kind: str, place: str) -> Person:
    return Person(_checked(text, place), kind)


def _from_json(text: str, kind: str, place: str) -> Person:
    told = json_object(text, place)
    if unknown := sorted(set(told) - set(FIELDS)):
        raise InvalidRequest(f"{place}: unknown field {unknown[0]!r}; a subject has {', '.join(FIELDS)}")
    if (kind := told.get("kind", kind)) not in KINDS:
        raise InvalidRequest(f"{place}: a kind is one of {', '.join(KINDS[1:])}")
    context = told.get("context", {})
    if not isinstance(context, dict):
        raise InvalidRequest(f"{place}: context is an object of names and values")
    return Person(
        _checked(told.get("id"), place), kind, {name: context_value(one, name) for name, one in context.items()}
    )


def json_object(text: str, place: str) -> dict[str, Any]:
    """One line of JSON that is an object. Raises InvalidRequest."""
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise InvalidRequest(f"{place}: this is no JSON object")
    return told


def _checked(id_: object, place: str) -> str:
    if not isinstance(id_, str) or not 1 <= len(id_.encode()) <= LONGEST_ID:
        raise InvalidRequest(f"{place}: an id is a text of 1 to {LONGEST_ID} bytes")
    return id_
