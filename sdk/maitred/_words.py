"""What subjects said of themselves and the server has not acknowledged yet: it must hold here at once. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from ._draft import Draft, Who
from ._feedback import Rank
from .types import Choice
from .v1 import feedback_pb2

_SAID = frozenset((Rank.CONSENTS, Rank.MERGE, Rank.NOT_FOR_ME))


class Objections(NamedTuple):
    """What a subject does not want to see."""

    items: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.items or self.groups)

    def hit(self, choice: Choice) -> bool:
        """Whether a choice must not be shown."""
        return choice.item in self.items or not self.groups.isdisjoint(choice.groups)


NONE = Objections()


def in_force(said: Iterable[tuple[str, str, bool]]) -> Objections:
    """After all that was said, in its order: item, group, whether it was taken back."""
    last = {(item, group): withdrawn for item, group, withdrawn in said}
    held = [name for name, withdrawn in last.items() if not withdrawn]
    return Objections(frozenset(item for item, _ in held if item), frozenset(group for _, group in held if group))


class _Objection(NamedTuple):
    ids: tuple[str, ...]
    item: str
    group: str
    withdrawn: bool


class Words:
    """An index of an outbox, under its lock."""

    def __init__(self) -> None:
        self._by_subject: dict[Who, dict[int, Draft]] = {}
        self._objections: dict[int, _Objection] = {}
        self._by_id: dict[str, set[int]] = {}

    def add(self, draft: Draft) -> None:
        if draft.rank in _SAID:
            self._by_subject.setdefault(draft.who, {})[draft.order] = draft
        if draft.rank is Rank.NOT_FOR_ME:
            self._object(draft.order, _objection(draft.data))

    def _object(self, order: int, said: _Objection) -> None:
        self._objections[order] = said
        for id_ in said.ids:
            self._by_id.setdefault(id_, set()).add(order)

    def remove(self, draft: Draft) -> None:
        of_subject = self._by_subject.get(draft.who)
        if of_subject is not None and of_subject.pop(draft.order, None) is not None and not of_subject:
            del self._by_subject[draft.who]
        said = self._objections.pop(draft.order, None)
        for id_ in said.ids if said else ():
            self._by_id[id_].discard(draft.order)
            if not self._by_id[id_]:
                del self._by_id[id_]

    def newest(self, subject: Who, most: int) -> list[Draft]:
        """The subject's newest words, newest first."""
        said = self._by_subject.get(subject)
        return list(islice(reversed(said.values()), most)) if said else []

    def objections(self, ids: Iterable[str]) -> Objections:
        """What a subject with these ids does not want to see: the last word for each item and group."""
        orders = sorted({order for id_ in ids for order in self._by_id.get(id_, ())}) if self._by_id else ()
        if not orders:
            return NONE
        return in_force((one.item, one.group, one.withdrawn) for one in map(self._objections.__getitem__, orders))


def _objection(data: bytes) -> _Objection:
    event = feedback_pb2.FeedbackEvent.FromString(data)
    said, subject = event.not_for_me, event.subject
    ids = (subject.id, *(alias.id for alias in subject.aliases))
    return _Objection(tuple(dict.fromkeys(ids)), said.item, said.group, said.withdrawn)
