"""Answers kept to be served again, and calls under way that equal requests share. Bounded, thread-safe, no I/O."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeAlias

from ._calls import REFUSALS, Answer, Ask, Key, served_again
from .config import CacheConfig
from .errors import CallFailed
from .types import Decision, Reason

Landing: TypeAlias = Answer | CallFailed
Decisions: TypeAlias = tuple[Decision, ...]

REFRESH_PAUSE = 1.0  # seconds before an answer whose refresh failed is asked for again


class Flight:
    """One call under way for a request; `landing` is how it ended."""

    __slots__ = ("_lock", "_waiters", "ask", "landing", "number", "void")

    def __init__(self, ask: Ask, number: int) -> None:
        self.ask = ask
        self.number = number
        self.void = False  # what it brings is outdated: not to be kept
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


class Entry:
    """One kept answer."""

    __slots__ = (
        "cached",
        "decisions",
        "fresh_until",
        "ids",
        "left",
        "number",
        "refresh_at",
        "stale",
        "stale_until",
        "stand_in_until",
    )

    def __init__(self, flight: Flight, answer: Answer, now: float, stale_if_error: float) -> None:
        self.ids = flight.ask.ids
        self.number = flight.number
        self.decisions = answer.decisions
        self.cached: Decisions | None = None
        self.stale: Decisions | None = None
        self.fresh_until = now + answer.ttl_ms / 1000
        self.stale_until = self.fresh_until + answer.stale_ms / 1000 if answer.ttl_ms else now
        self.stand_in_until = max(self.stale_until, self.fresh_until + stale_if_error) if answer.stale_ms else 0.0
        self.refresh_at = 0.0
        self.left = _showings_left(answer.decisions)

    @property
    def used_up(self) -> bool:
        """A contact policy forbids another showing of one of the choices."""
        return bool(self.left) and min(self.left.values()) <= 0

    def as_cached(self) -> Decisions:
        if self.cached is None:
            self.cached = tuple(served_again(one, Reason.CACHED) for one in self.decisions)
        return self.cached

    def as_stale(self) -> Decisions:
        if self.stale is None:
            self.stale = tuple(served_again(one, Reason.STALE) for one in self.decisions)
        return self.stale


def _showings_left(decisions: Decisions) -> dict[tuple[str, str], int]:
    left: dict[tuple[str, str], int] = {}
    for choice in (choice for decision in decisions for choice in decision.choices):
        if choice.remaining_showings is not None:
            action = (choice.item, choice.variant)
            left[action] = min(choice.remaining_showings, left.get(action, choice.remaining_showings))
    return left


class Cache:
    """Least recently used answers by request, with an index by subject id; and the flights that will renew them.

    An answer is served as CACHED for its `ttl_ms`, then as STALE for its `stale_ms` while it is asked for again. While
    the server cannot answer it stands in, as STALE, until `stale_if_error` after its time to live; an answer with
    `stale_ms` 0 never does. An answer with `ttl_ms` 0 is kept to stand in only.
    """

    def __init__(self, config: CacheConfig, clock: Callable[[], float]) -> None:
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._by_id: dict[str, set[Key]] = {}
        self._flights: dict[Key, Flight] = {}  # those that may be shared
        self._airborne: dict[int, Flight] = {}  # all whose answer may be kept
        self._number = 0
        self._served_cached = self._served_stale = 0
        self.hits = 0
        """Requests answered from here."""
        self.misses = 0
        """Requests that had to ask."""

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
            if entry is None or self._clock() >= entry.fresh_until or entry.used_up:
                return None
            self._entries.move_to_end(key)
            self.hits += 1
            self._served_cached += len(entry.decisions)
            return entry.cached or entry.as_cached()

    def get_stale(self, key: Key) -> tuple[Decisions, bool] | None:
        """The answer kept for `key` while it is stale, and whether it is time to ask for it again."""
        with self._lock:
            entry, now = self._entries.get(key), self._clock()
            if entry is None or now >= entry.stale_until or entry.used_up:
                self.misses += 1
                return None
            self._entries.move_to_end(key)
            self.hits += 1
            self._served_stale += len(entry.decisions)
            return entry.as_stale(), now >= entry.refresh_at and key not in self._flights

    def stand_in(self, ask: Ask, failure: CallFailed) -> Decisions | None:
        """The last known answer, as it may be served for want of a fresh one."""
        with self._lock:
            entry = None if ask.key is None else self._entries.get(ask.key)
            if entry is None or self._clock() >= entry.stand_in_until or entry.used_up:
                return None
            return tuple(served_again(one, Reason.STALE, failure) for one in entry.decisions)

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
        if isinstance(landing, CallFailed):
            return
        if self._config.entries and (landing.ttl_ms or landing.stale_ms):
            self._insert(key, Entry(flight, landing, self._clock(), self._config.stale_if_error))

    def _insert(self, key: Key, entry: Entry) -> None:
        while len(self._entries) >= self._config.entries:
            self._remove(next(iter(self._entries)))
        self._entries[key] = entry
        for id_ in entry.ids:
            self._by_id.setdefault(id_, set()).add(key)

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        for id_ in entry.ids if entry else ():
            keys = self._by_id.get(id_)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._by_id[id_]

    # --- what feedback changes

    def outdate(self, id_: str) -> None:
        """Feedback about a subject: requests from now on do not share calls that left without it."""
        if self._flights:
            with self._lock:
                self._ground(id_)

    def drop(self, ids: Sequence[str]) -> None:
        """A subject's profile changed: forget its answers, those under way too, under any kind of subject."""
        with self._lock:
            for id_ in ids:
                self._ground(id_)
                for flight in self._airborne.values():
                    flight.void |= id_ in flight.ask.ids
                for key in tuple(self._by_id.get(id_, ())):
                    self._remove(key)

    def _ground(self, id_: str) -> None:
        for key in [key for key, flight in self._flights.items() if id_ in flight.ask.ids]:
            del self._flights[key]

    def show(self, decision: Decision, id_: str, slots: Sequence[int]) -> int:
        """Count a showing of a decision, and spend it in all of the subject's answers. Gives the showing's number."""
        with self._lock:
            decision.showings.count += 1
            for choice in decision.choices:
                if choice.remaining_showings is not None and (not slots or choice.slot in slots):
                    self._spend(id_, (choice.item, choice.variant))
            return decision.showings.count

    def _spend(self, id_: str, action: tuple[str, str]) -> None:
        for key in self._by_id.get(id_, ()):
            left = self._entries[key].left
            if action in left:
                left[action] -= 1
