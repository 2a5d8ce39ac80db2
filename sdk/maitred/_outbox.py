"""Feedback on its way to the server: bounded, in order, indexed by subject, in memory and maybe in a file.

Memory is where the outbox works; the file, when there is one, holds the same events for the next process. Every event
taken is, at any time, either pending or counted as acknowledged, refused or dropped.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import islice

from ._draft import Batch, Draft, Who, who
from ._feedback import RANKS, Feedback, Rank
from ._outbox_file import OutboxFile, Row
from ._wire import wire_batch
from ._words import Objections, Words
from .config import OutboxConfig
from .types import OutboxStatistics

log = logging.getLogger("maitred")

MAX_PENDING_EVENTS = 64
MAX_PENDING_BYTES = 32 * 1024
SYNC_PAUSE = 0.5  # seconds between two syncs of the file
REWIND_STEP = 200
_FRAME_BYTES = 8  # around each event of a batch


class Outbox:
    """See the module. Thread-safe. Callers wait for nothing but its short lock."""

    def __init__(self, config: OutboxConfig, file: OutboxFile | None = None) -> None:
        self._most_events, self._most_bytes = config.events, config.size
        self._file = file
        self.client = file.client if file else secrets.token_hex(16)
        self.epoch = file.epoch if file else time.time_ns() // 1_000_000
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._waiting: OrderedDict[int, Draft] = OrderedDict()
        self._flying: OrderedDict[int, Draft] = OrderedDict()
        self._by_rank: tuple[OrderedDict[int, Draft], ...] = tuple(OrderedDict() for _ in Rank)
        self._by_subject: dict[Who, dict[int, Draft]] = {}
        self._words = Words()
        self._unstored: deque[Draft] = deque()
        self._gone: list[tuple[int, int]] = []
        self._order = self._sequence = self._size = 0
        self._recorded = self._sent = self._acknowledged = self._duplicates = self._stored = 0
        self._refused: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._closed = False
        self._dirty, self._synced_at = False, 0.0
        with self._lock:
            for row in file.adopt() if file else ():
                self._adopt(row)

    def _adopt(self, row: Row) -> None:
        subject: Who = (row.kind, row.subject) if row.kind else row.subject
        draft = Draft(None, row.data, Rank(row.rank), subject, len(row.data))
        draft.epoch, draft.sequence, draft.stored = row.epoch, row.sequence, True
        self._recorded += 1
        self._stored += 1
        self._admit(draft)
        self._shed()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._flying)

    # --- taking in

    def add(self, feedback: Feedback) -> None:
        """Take one piece of feedback. Never raises and never waits for the disk or the network."""
        body = feedback.body
        draft = Draft(feedback, b"", RANKS[type(body)], who(feedback.subject), body.size)
        with self._lock:
            self._recorded += 1
            full = len(self._waiting) >= self._most_events or self._size + draft.size > self._most_bytes
            if self._closed or (full and not self._make_room(draft)):
                self._dropped[draft.rank.word] += 1
                return
            self._sequence += 1
            draft.epoch, draft.sequence = self.epoch, self._sequence
            self._admit(draft)
            if self._file is not None:
                self._store(self._file, draft)

    def _admit(self, draft: Draft) -> None:
        self._order += 1
        draft.order = self._order
        self._size += draft.size
        self._waiting[draft.order] = draft
        self._by_rank[draft.rank][draft.order] = draft
        of_subject = self._by_subject.get(draft.who)
        if of_subject is None:
            self._by_subject[draft.who] = {draft.order: draft}
        else:
            of_subject[draft.order] = draft
        if draft.rank > Rank.TRAITS:
            self._words.add(draft)

    def _store(self, file: OutboxFile, draft: Draft) -> None:
        self._dirty = True
        if file.put(draft.row()):
            draft.stored = True
            self._stored += 1
        else:
            self._unstored.append(draft)

    def _make_room(self, draft: Draft) -> bool:
        """Drop the oldest of the least dear until `draft` fits. False: `draft` itself is the least dear."""
        while self._too_much(1, draft.size):
            cheapest = self._cheapest()
            if cheapest is None or cheapest.rank > draft.rank:
                return False
            self._drop(cheapest)
        return True

    def _shed(self) -> None:
        while self._too_much(0, 0) and (cheapest := self._cheapest()) is not None:
            self._drop(cheapest)

    def _too_much(self, events: int, size: int) -> bool:
        return len(self._waiting) + events > self._most_events or self._size + size > self._most_bytes

    def _cheapest(self) -> Draft | None:
        """Of what waits: what is under way may have arrived already, so that to drop it is no use."""
        queue = next((queue for queue in self._by_rank if queue), None)
        return None if queue is None else next(iter(queue.values()))

    def _drop(self, draft: Draft) -> None:
        self._unqueue(draft)
        self._remove(draft)
        self._dropped[draft.rank.word] += 1
        self._settled.notify_all()

    def mark(self) -> int:
        """Stands between what was taken in before and what comes after; see `forget`."""
        with self._lock:
            return self._order

    def forget(self, subjects: Set[Who], mark: int) -> None:
        """Drop what waits about some subjects and was taken in before a mark. What is under way the server refuses."""
        with self._lock:
            for draft in [draft for one in subjects for draft in self._by_subject.get(one, {}).values()]:
                if draft.order <= mark and draft.order in self._waiting:
                    self._drop(draft)

    def _unqueue(self, draft: Draft) -> None:
        del self._waiting[draft.order]
        del self._by_rank[draft.rank][draft.order]
        self._size -= draft.size

    def _requeue(self, drafts: Sequence[Draft]) -> None:
        """Put drafts that were under way before all that waits."""
        for draft in reversed(drafts):
            del self._flying[draft.order]
            self._size += draft.size
            for queue in (self._waiting, self._by_rank[draft.rank]):
                queue[draft.order] = draft
                queue.move_to_end(draft.order, last=False)

    def _remove(self, draft: Draft) -> None:
        of_subject = self._by_subject[draft.who]
        del of_subject[draft.order]
        if not of_subject:
            del self._by_subject[draft.who]
        draft.gone = True
        if draft.rank > Rank.TRAITS:
            self._words.remove(draft)
        if draft.stored:
            self._forget_stored(draft)

    def _forget_stored(self, draft: Draft) -> None:
        self._stored -= 1
        self._gone.append((draft.epoch, draft.sequence))

    # --- giving out

    def pending(self, subject: Who, room: int) -> bytes:
        """A FeedbackBatch of the subject's newest events that are not acknowledged yet; b"" when there are none.

        What it said of itself goes first. At most 64 events, 32 KiB and `room` bytes, all of the first one's epoch.
        """
        if subject not in self._by_subject:
            return b""
        with self._lock:
            newest = islice(reversed(self._by_subject.get(subject, {}).values()), MAX_PENDING_EVENTS)
            drafts = {draft.order: draft for draft in (*self._words.newest(subject, MAX_PENDING_EVENTS), *newest)}
        first = next(iter(drafts.values()), None)
        of_epoch = [draft for draft in drafts.values() if first is not None and draft.epoch == first.epoch]
        chosen = _fitting(of_epoch[:MAX_PENDING_EVENTS], min(room, MAX_PENDING_BYTES))
        chosen.sort(key=lambda draft: draft.order)
        return wire_batch(self.client, chosen[0].epoch, [draft.data for draft in chosen]) if chosen else b""

    def objections(self, ids: Iterable[str]) -> Objections:
        """What a subject with these ids does not want to see, as far as the server may not know it."""
        with self._lock:
            return self._words.objections(ids)

    def take(self, events: int, size: int) -> Batch | None:
        """The next batch to send, in order; None when all is sent. Its events stay here until they are settled."""
        with self._lock:
            drafts = self._next(events)
        fitting = _fitting(drafts, size) or drafts[:1]
        data = [draft.data for draft in fitting]
        with self._lock:
            self._requeue(drafts[len(fitting) :])
            resent = any(draft.sent for draft in fitting)
            self._sent += sum(not draft.sent for draft in fitting)
            for draft in fitting:
                draft.sent = True
        if not fitting:
            return None
        last = fitting[-1]
        return Batch(last.epoch, last.sequence, len(fitting), resent, wire_batch(self.client, last.epoch, data))

    def _next(self, events: int) -> list[Draft]:
        """The first of those that wait, of one epoch; they are under way from now on."""
        drafts: list[Draft] = []
        for draft in islice(self._waiting.values(), events):
            if drafts and draft.epoch != drafts[0].epoch:
                break
            drafts.append(draft)
        for draft in drafts:
            self._unqueue(draft)
            self._flying[draft.order] = draft
        return drafts

    def rewind(self) -> None:
        """Nothing more will be heard of what was sent: it is to be sent again."""
        while True:
            with self._lock:  # a few at a time: callers wait for this lock
                self._requeue(list(islice(reversed(self._flying.values()), REWIND_STEP))[::-1])
                self._shed()
                self._settled.notify_all()
                if not self._flying:
                    return

    def settle(self, epoch: int, through: int, refused: Mapping[int, str], duplicates: int) -> None:
        """The server is done with the events of `epoch` up to `through`; some it refused (sequence: status)."""
        with self._lock:
            done = [draft for draft in self._flying.values() if draft.epoch == epoch and draft.sequence <= through]
            for draft in done:
                del self._flying[draft.order]
                self._remove(draft)
                if draft.sequence in refused:
                    self._refused[refused[draft.sequence]] += 1
                else:
                    self._acknowledged += 1
            self._duplicates += min(duplicates, len(done))
            self._settled.notify_all()

    # --- waiting, looking, closing

    @property
    def waiting(self) -> int:
        """How many events are to be sent."""
        return len(self._waiting)

    @property
    def flying(self) -> int:
        """How many events are sent and not settled."""
        return len(self._flying)

    def wait(self, timeout: float, give_up: Callable[[], bool]) -> bool:
        """Wait until everything taken in before is settled. False: not in this time, or `give_up` said so."""
        with self._lock:
            last = self._order
            self._settled.wait_for(lambda: self._oldest() > last or give_up(), timeout)
            return self._oldest() > last

    def _oldest(self) -> int:
        return min(next(iter(queue), self._order + 1) for queue in (self._flying, self._waiting))

    @property
    def behind(self) -> bool:
        """Some events could not be written at once: the thread is to do it."""
        return bool(self._unstored)

    @property
    def in_file(self) -> bool:
        """There is a file behind it."""
        return self._file is not None

    def statistics(self) -> OutboxStatistics:
        with self._lock:
            return OutboxStatistics(
                recorded=self._recorded,
                pending=len(self),
                stored=self._stored,
                sent=self._sent,
                acknowledged=self._acknowledged,
                duplicates=self._duplicates,
                refused=dict(self._refused),
                dropped=dict(self._dropped),
            )

    def tidy(self, now: float) -> float | None:
        """Bring the file up to date, on the delivery thread. Gives the seconds until it is needed again; None: not."""
        if self._file is None:
            return None
        with self._lock:
            gone, self._gone = self._gone, []
            unstored = [draft for draft in self._unstored if not draft.gone]
            self._unstored.clear()
        if gone or unstored:
            self._write(self._file, unstored, gone)
        if self._unstored or not self._dirty:
            return SYNC_PAUSE if self._unstored else None
        return self._sync(self._file, now)

    def _write(self, file: OutboxFile, unstored: list[Draft], gone: list[tuple[int, int]]) -> None:
        try:
            file.tidy([draft.row() for draft in unstored], gone)
        except sqlite3.Error as error:
            log.error("the outbox file cannot be written: %s", type(error).__name__)
            with self._lock:
                self._gone[:0] = gone
                self._unstored.extendleft(reversed(unstored))
            return
        with self._lock:
            for draft in unstored:
                draft.stored = True
                self._stored += 1
                if draft.gone:  # settled or dropped meanwhile
                    self._forget_stored(draft)

    def _sync(self, file: OutboxFile, now: float) -> float | None:
        left = self._synced_at + SYNC_PAUSE - now
        if left > 0:
            return left
        self._dirty, self._synced_at = False, now
        try:
            file.sync()
        except sqlite3.Error as error:
            log.error("the outbox file cannot be synced: %s", type(error).__name__)
            self._dirty = True
            return SYNC_PAUSE
        return None

    def close(self) -> None:
        """Take in nothing more. In a file, what is pending stays for the next to open it; in memory it is dropped."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._file is not None:
            self.tidy(float("inf"))
            self._file.close()
        with self._lock:
            self._requeue(list(self._flying.values()))
            for draft in list(self._waiting.values()):
                if not draft.stored:
                    self._drop(draft)


def _fitting(drafts: Sequence[Draft], size: int) -> list[Draft]:
    """The first of these drafts that share the first one's epoch and fit into `size` bytes together."""
    chosen: list[Draft] = []
    for draft in drafts:
        size -= len(draft.data) + _FRAME_BYTES
        if size < 0 or draft.epoch != drafts[0].epoch:
            break
        chosen.append(draft)
    return chosen


def open_outbox(config: OutboxConfig) -> Outbox:
    """The outbox that a configuration asks for. Raises OutboxUnavailable."""
    return Outbox(config, OutboxFile(config.path) if config.path is not None else None)
