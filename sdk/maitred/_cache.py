"""Answers kept to be served again, and calls under way that equal requests share. Bounded, thread-safe, no I/O."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from ._calls import REFUSALS, Answer, Ask, Key, served_again
from ._drops import Drops
from ._entry import Decisions, Entry
from ._index import Index
from .config import CacheConfig
from .errors import CallFailed
from .types import Decision, Reason

Landing: TypeAlias = Answer | CallFailed

REFRESH_PAUSE = 1.0  # seconds before an answer whose refresh failed is asked for again
GRACE = 5.0  # seconds in which a worker of the server may still answer from what is not in force any more
MOST_DROPS = 64  # that are remembered for so long


class Flight:
    """One call under way for a request; `landing` is how it ended."""

    __slots__ = ("_lock", "_waiters", "ask", "drops", "landing", "number", "void")

    def __init__(self, ask: Ask, number: int) -> None:
        self.ask = ask
        self.number = number
        self.void = False  # what it brings is outdated: not to be kept
        self.drops: list[Drops] = []  # that came while it was under way
        self.landing: Landing | None = None
        self._waiters: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    def land(self, landing: Landing) -> None:
        """End it, and tell all who wait. Only the first landing counts."""
        with self._lock:
            if self.landing is not None:
                return
            self.landing = landing
            waiters, self._waiters = self._waiters, []
        for tell in waiters:
            tell()

    def when_landed(self, tell: Callable[[], object]) -> None:
        """Call `tell` once it has landed: now, or from the thread that lands it."""
        with self._lock:
            if self.landing is None:
                self._waiters.append(tell)
                return
        tell()


class Cache:
    """Least recently used answers by request, with indexes by subject; and the flights that will renew them.

    An answer is served as CACHED for its `ttl_ms`, then as STALE for its `stale_ms` while it is asked for again. While
    the server cannot answer it stands in, as STALE, until `stale_if_error` after its time to live; an answer with
    `stale_ms` 0 only within it. An answer with `ttl_ms` 0 is kept to stand in only.

    After the server was not heard for a while nothing is served without asking, until it said what must go.
    """

    def __init__(self, config: CacheConfig, clock: Callable[[], float]) -> None:
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._by_id: Index[str] = Index()
        self._by_tag: Index[bytes] = Index()
        self._flights: dict[Key, Flight] = {}  # those that may be shared
        self._airborne: dict[int, Flight] = {}  # all whose answer may be kept
        self._recent: deque[tuple[float, Drops]] = deque(maxlen=MOST_DROPS)
        self._checked = True
        self._number = 0
        self._served_cached = self._served_stale = 0
        self.hits = 0
        """Requests answered from here."""
        self.misses = 0
        """Requests that had to ask."""
        self.drops: Counter[str] = Counter()
        """Answers that went because the server said so, by cause."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def served(self) -> Counter[str]:
        """Decisions handed out from here, by reason."""
        return Counter({Reason.CACHED: self._served_cached, Reason.STALE: self._served_stale})

    def get(self, key: Key) -> Decisions | None:
        """The answer kept for `key` while it is fresh. Raises TypeError for a key that cannot be one."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or not self._checked or entry.spent or self._clock() >= entry.fresh_until:
                return None
            self._entries.move_to_end(key)
            self.hits += 1
            self._served_cached += len(entry.decisions)
            return entry.cached or entry.as_cached()

    def get_known(self, key: Key) -> Decisions | None:
        """The answer kept for `key` while it may be served and need not be asked for again: fresh, or stale and just
        asked for. Raises as `get`.
        """
        fresh = self.get(key)
        if fresh is not None or key not in self._entries:
            return fresh
        with self._lock:
            entry, now = self._entries.get(key), self._clock()
            if entry is None or entry.spent or now >= max(entry.stale_until, entry.fresh_until):
                return None
            if now >= entry.refresh_at and (not self._checked or key not in self._flights):
                return None
            return self._stale(key, entry)

    def _stale(self, key: Key, entry: Entry) -> Decisions:
        self._entries.move_to_end(key)
        self.hits += 1
        self._served_stale += len(entry.decisions)
        return entry.as_stale()

    def get_stale(self, key: Key) -> tuple[Decisions, bool] | None:
        """The answer kept for `key` while it is stale, and whether it is time to ask for it again."""
        with self._lock:
            entry, now = self._entries.get(key), self._clock()
            if entry is None or entry.spent or now >= max(entry.stale_until, entry.fresh_until):
                self.misses += 1
                return None
            if not self._checked and now >= entry.refresh_at:
                self.misses += 1
                return None
            return self._stale(key, entry), now >= entry.refresh_at and key not in self._flights

    def stand_in(self, ask: Ask, failure: CallFailed) -> tuple[Decision | None, ...] | None:
        """The last known answer, as it may be served for want of a fresh one; None: there is none, or for a placement:
        nothing of it is left.
        """
        with self._lock:
            entry = None if ask.key is None else self._entries.get(ask.key)
            if entry is None or self._clock() >= entry.stand_in_until:
                return None
            left = entry.left_over()
            if all(one is None for one in left):
                return None
            return tuple(None if one is None else served_again(one, Reason.STALE, failure) for one in left)

    # --- flights

    def board(self, ask: Ask) -> tuple[Flight, bool]:
        """The flight for `ask`, and whether it is a new one, which the caller must bring to land."""
        with self._lock:
            shared = None if ask.key is None else self._flights.get(ask.key)
            if shared is not None:
                return shared, False
            self._number += 1
            flight = Flight(ask, self._number)
            if ask.key is not None:
                self._flights[ask.key] = self._airborne[flight.number] = flight
            return flight, True

    def land(self, flight: Flight, landing: Landing) -> None:
        """Keep what the flight brought, and tell all who wait for it."""
        key = flight.ask.key
        if key is not None:
            with self._lock:
                self._airborne.pop(flight.number, None)
                if self._flights.get(key) is flight:
                    del self._flights[key]
                self._keep(key, flight, landing)
        flight.land(landing)

    def _keep(self, key: Key, flight: Flight, landing: Landing) -> None:
        kept = self._entries.get(key)
        if flight.void or (kept is not None and kept.number > flight.number):
            return
        if isinstance(landing, CallFailed) and landing.code not in REFUSALS:
            if kept is not None:
                kept.refresh_at = self._clock() + REFRESH_PAUSE
            return
        self._remove(key)
        if isinstance(landing, CallFailed) or self._is_outdated(flight, landing):
            return
        if self._config.entries and (landing.ttl_ms or landing.stale_ms):
            entry = Entry(flight.ask.ids, flight.number, landing, self._clock(), self._config.stale_if_error)
            self._insert(key, entry)

    def _is_outdated(self, flight: Flight, answer: Answer) -> bool:
        """Whether the server said meanwhile, or a moment ago, that such an answer must go."""
        if any(drops.hit(answer.decisions, answer.tag) for drops in flight.drops):
            return True
        since = self._clock() - GRACE
        return any(at >= since and drops.outlived_by(answer.decisions, answer.catalogue) for at, drops in self._recent)

    def _insert(self, key: Key, entry: Entry) -> None:
        while len(self._entries) >= self._config.entries:
            self._remove(next(iter(self._entries)))
        self._entries[key] = entry
        for id_ in entry.ids:
            self._by_id.add(id_, key)
        if entry.tag:
            self._by_tag.add(entry.tag, key)

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            for id_ in entry.ids:
                self._by_id.discard(id_, key)
            self._by_tag.discard(entry.tag, key)

    # --- what feedback changes

    def outdate(self, id_: str) -> None:
        """Feedback about a subject: requests from now on do not share calls that left without it."""
        if self._flights:
            with self._lock:
                self._ground(id_)

    def drop(self, ids: Sequence[str]) -> None:
        """A subject's profile changed: forget its answers, those under way too, under any kind of subject."""
        with self._lock:
            for key in self._voided(ids):
                self._remove(key)

    def hide(self, ids: Sequence[str], item: str, group: str) -> None:
        """A subject does not want to see an item, or a group's: none of it is served from here any more."""
        with self._lock:
            for key in self._voided(ids):
                self._entries[key].hide(item, group)

    def show_again(self, ids: Sequence[str], item: str, group: str) -> None:
        """The subject took that back: its answers are to be asked for again, and stand in until then."""
        with self._lock:
            now = self._clock()
            for key in self._voided(ids):
                self._entries[key].show_again(item, group, now)

    def _voided(self, ids: Sequence[str]) -> list[Key]:
        """The keys of a subject's answers; what is under way for it is not shared and not kept any more."""
        for id_ in ids:
            self._ground(id_)
        for flight in self._airborne.values():
            flight.void |= not set(ids).isdisjoint(flight.ask.ids)
        return list({key for id_ in ids for key in self._by_id.of(id_)})

    def _ground(self, id_: str) -> None:
        for key in [key for key, flight in self._flights.items() if id_ in flight.ask.ids]:
            del self._flights[key]

    def show(self, decision: Decision, id_: str, slots: Sequence[int]) -> int:
        """Count a showing of a decision, and spend it in all of the subject's answers. Gives the showing's number."""
        with self._lock:
            decision.showings.count += 1
            for choice in decision.choices:
                if choice.remaining_showings is not None and (not slots or choice.slot in slots):
                    for key in self._by_id.of(id_):
                        self._entries[key].spend((choice.item, choice.variant))
            return decision.showings.count

    # --- what the server says

    def apply(self, drops: Drops) -> None:
        """Let go of what must go, also of what is under way."""
        with self._lock:
            if drops.lasting:
                self._recent.append((self._clock(), drops))
            for flight in self._airborne.values():
                flight.drops.append(drops)
            self._flights.clear()
            candidates = self._candidates(drops)
        hit = [(key, entry) for key, entry in candidates if drops.hit(entry.answered, entry.tag)]
        with self._lock:  # looked through without it: a decision does not wait for that
            for key, entry in hit:
                if self._entries.get(key) is entry:
                    self._remove(key)
                    self.drops[drops.cause(entry.tag)] += 1

    def _candidates(self, drops: Drops) -> list[tuple[Key, Entry]]:
        if drops.lasting:
            return list(self._entries.items())
        keys = {key for tag in drops.tags for key in self._by_tag.of(tag)}
        return [(key, self._entries[key]) for key in keys]

    def distrust(self) -> None:
        """The server is not heard any more: nothing is served without asking it."""
        self._checked = False

    def trust(self) -> None:
        """The server said what must go: what is left is good."""
        self._checked = True

    def drop_unchecked(self, longest: float, catalogue: str | None) -> None:
        """Let go of what nobody can vouch for: what is older than so many seconds, or of another catalogue (None: of
        whatever catalogue).
        """
        with self._lock:
            before = self._clock() - longest
            for key, entry in list(self._entries.items()):
                if entry.kept_at < before or (catalogue is not None and entry.catalogue != catalogue):
                    self._remove(key)
                    self.drops["unchecked"] += 1
