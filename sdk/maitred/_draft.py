"""One event in the outbox, and several as one message."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from ._feedback import Feedback, Rank
from ._outbox_file import Row
from .types import Subject

Who: TypeAlias = str | tuple[str, str]


def who(subject: Subject | str) -> Who:
    """The subject as a key: by id, and by kind where one is given."""
    if isinstance(subject, str):
        return subject
    return (subject.kind, subject.id) if subject.kind else subject.id


class Draft:
    """One event in the outbox. It is encoded when first needed."""

    __slots__ = ("_data", "_feedback", "epoch", "gone", "order", "rank", "sent", "sequence", "size", "stored", "who")

    def __init__(self, feedback: Feedback | None, data: bytes, rank: Rank, who: Who, size: int) -> None:
        self._feedback = feedback
        self._data = data
        self.rank = rank
        self.who = who
        self.size = size
        self.order = self.epoch = self.sequence = 0
        self.sent = self.stored = self.gone = False

    @property
    def data(self) -> bytes:
        """The FeedbackEvent."""
        feedback = self._feedback
        if feedback is not None:
            self._data = feedback.encode(self.sequence)
            self._feedback = None
        return self._data

    def row(self) -> Row:
        kind, id_ = ("", self.who) if isinstance(self.who, str) else self.who
        return Row(self.epoch, self.sequence, self.rank, kind, id_, self.data)


class Batch(NamedTuple):
    """Events of one epoch, in order, as one message."""

    epoch: int
    last: int  # the highest sequence
    events: int
    resent: bool
    message: bytes
