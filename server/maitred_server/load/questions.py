"""What is sent: the bytes of one call after the other, made so that sending costs little."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle, islice, repeat
from typing import NamedTuple, cast

import numpy as np
from maitred.v1 import decision_pb2, types_pb2

from maitred_server.load.asked import Asked, Context, ContextValue, Place
from maitred_server.load.parsing import context_value
from maitred_server.load.population import Person, json_object, lines, numbered, people


class Question(NamedTuple):
    """One call: its bytes, and whom it is about, in order."""

    request: bytes
    subjects: tuple[types_pb2.Subject, ...]


def questions(asked: Asked, place: Place, random: np.random.Generator) -> Iterator[Question]:
    """The calls of one process, without end. Raises InvalidRequest."""
    singles = _singles(asked, place, random)
    if asked.batch == 1:
        return (Question(request, (subject,)) for subject, request in singles)
    return (_batched(list(islice(singles, asked.batch))) for _ in repeat(None))


def check(asked: Asked) -> None:
    """Read the files to their ends, so that a mistake in them is told before load begins. Raises InvalidRequest."""
    if asked.subjects.file:
        for _ in lines(asked.subjects):
            pass
    _moments(asked.context, Place(0, 1))


def _singles(asked: Asked, place: Place, random: np.random.Generator) -> Iterator[tuple[types_pb2.Subject, bytes]]:
    page = decision_pb2.DecideRequest(
        placements=[decision_pb2.PlacementRequest(placement=one.name, slots=one.slots) for one in asked.placements]
    )
    rest = _context_bytes(asked.context.fixed) + page.SerializeToString()
    moments = _moments(asked.context, place)
    for person, moment in zip(people(asked.subjects, place, random), moments, strict=False):
        subject = _subject(person)
        # Messages that follow each other are one: of a map's keys the later ones win.
        own = _context_bytes(person.context) if person.context else b""
        yield subject, decision_pb2.DecideRequest(subject=subject).SerializeToString() + rest + moment + own


def _moments(context: Context, place: Place) -> Iterator[bytes]:
    """Contexts from the file in turn; with none, nothing."""
    if not context.file:
        return repeat(b"")
    told = [
        _context_bytes(
            {name: context_value(value, name) for name, value in json_object(text, f"{context.file}:{number}").items()}
        )
        for number, text in numbered(context.file)
    ]
    return cycle(told[place.number :: place.of] or told or [b""])


def _context_bytes(context: Mapping[str, ContextValue]) -> bytes:
    wire = {name: _value(value) for name, value in context.items()}
    return decision_pb2.DecideRequest(context=wire).SerializeToString()


def _value(value: ContextValue) -> types_pb2.Value:
    if isinstance(value, bool):
        return types_pb2.Value(flag=value)
    if isinstance(value, str):
        return types_pb2.Value(text=value)
    if isinstance(value, list):
        return types_pb2.Value(texts=types_pb2.TextList(texts=value))
    return types_pb2.Value(number=value)


def _subject(person: Person) -> types_pb2.Subject:
    kind = types_pb2.SubjectKind.Value(f"SUBJECT_KIND_{(person.kind or 'unspecified').upper()}")
    return types_pb2.Subject(kind=cast(types_pb2.SubjectKind, kind), id=person.id)


def _batched(singles: list[tuple[types_pb2.Subject, bytes]]) -> Question:
    batch = decision_pb2.DecideBatchRequest(
        requests=[decision_pb2.DecideRequest.FromString(request) for _, request in singles]
    )
    return Question(batch.SerializeToString(), tuple(subject for subject, _ in singles))
