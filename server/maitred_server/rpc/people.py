"""From a wire subject to keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from maitred.v1 import types_pb2

from maitred_server.errors import InvalidRequest
from maitred_server.model import Kind, SubjectKey
from maitred_server.rpc import convert
from maitred_server.subjects.identity import Pseudonyms


class Addressed(NamedTuple):
    """The keys under which a caller addresses a subject."""

    subject: SubjectKey
    kind: Kind
    aliases: tuple[tuple[Kind, SubjectKey], ...] = ()

    def is_subject(self, key: SubjectKey) -> bool:
        """Whether this is one of the subject's keys."""
        return key == self.subject or any(key == alias for _, alias in self.aliases)

    def kind_of(self, key: SubjectKey) -> Kind:
        """The kind of one of the subject's keys."""
        if not self.aliases:
            return self.kind
        return next((kind for kind, alias in self.aliases if alias == key), self.kind)

    @property
    def looked_up(self) -> tuple[tuple[Kind, SubjectKey], ...]:
        """The other keys under which the subject may be known. None for a session: what was kept of whoever used the
        same device before is not this visitor's; there the aliases are units of layers, no more.
        """
        return () if self.kind is Kind.SESSION else self.aliases

    def resolved(self, is_known: Callable[[SubjectKey], bool]) -> SubjectKey:
        """The first key under which something is known; the subject's own when nothing is."""
        if not self.aliases or not self.looked_up or is_known(self.subject):
            return self.subject
        return next((key for _, key in self.looked_up if is_known(key)), self.subject)

    def units(self) -> Mapping[Kind | None, SubjectKey]:
        """The keys that layers may assign by; of two of a kind the first."""
        found: dict[Kind | None, SubjectKey] = {self.kind: self.subject}
        for kind, alias in self.aliases:
            found.setdefault(kind, alias)
        return found


class Merging(NamedTuple):
    """Two subjects that turned out to be one, by the very keys that were given."""

    subject: SubjectKey
    kind: Kind
    other: SubjectKey


class People:
    """Knows the pseudonyms and what a missing kind means."""

    def __init__(self, pseudonyms: Pseudonyms, default_kind: Kind) -> None:
        self.pseudonyms = pseudonyms
        self.default_kind = default_kind

    def merging(self, subject: types_pb2.Subject, other: types_pb2.Subject, brand: str, field: str) -> Merging:
        """The two that turned out to be one. Raises InvalidRequest."""
        stays, joins = self.addressed(subject, brand), self.addressed(other, brand, field)
        if stays.kind is Kind.SESSION and joins.kind is not Kind.SESSION:
            raise InvalidRequest("a session ends: merge it into the other subject, not the other way round", "subject")
        return Merging(stays.subject, stays.kind, joins.subject)

    def addressed(self, wire: types_pb2.Subject, brand: str, field: str = "subject") -> Addressed:
        """Raises InvalidRequest; the message never repeats an id."""
        kind = convert.kind(wire.kind, self.default_kind, f"{field}.kind")
        key = self.pseudonyms.subject_key(brand, kind, convert.subject_id(wire.id, f"{field}.id"))
        aliases = wire.aliases
        if not aliases:
            return Addressed(key, kind, ())
        if len(aliases) > convert.MAX_ALIASES:
            raise InvalidRequest(f"{field}.aliases has more than {convert.MAX_ALIASES}", f"{field}.aliases")
        return Addressed(key, kind, tuple(self._alias(alias, brand, f"{field}.aliases") for alias in aliases))

    def _alias(self, wire: types_pb2.SubjectAlias, brand: str, field: str) -> tuple[Kind, SubjectKey]:
        kind = convert.kind(wire.kind, self.default_kind, f"{field}.kind")
        return kind, self.pseudonyms.subject_key(brand, kind, convert.subject_id(wire.id, f"{field}.id"))
