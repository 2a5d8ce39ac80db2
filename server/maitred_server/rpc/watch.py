"""DecisionService.Watch: what connected clients must not serve from their caches any more.

One thread of a worker calls `poll`, which reads once for all streams. Each stream has what it was not told yet as one
value that new news are joined to: a slow reader costs no more than a quick one, and loses nothing but detail.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import NamedTuple

import msgspec
import structlog
from maitred.v1 import decision_pb2

from maitred_server.decide.worlds import Worlds
from maitred_server.errors import MaitredError, TooMany
from maitred_server.model import LiveState
from maitred_server.rpc import convert
from maitred_server.rpc.access import Caller
from maitred_server.store import AnyStore
from maitred_server.store.changes import SubjectChanges, sequence_of

MOST_STREAMS = 1_000  # of a worker
MOST_NAMED = 1_000  # items, groups and subjects that one message names; beyond it everything must go
PACE_S = (
    1.0  # each stream has a moment of its own in it for what is about subjects alone: a thousand do not speak at once
)
_GOLDEN = 0.618  # numbers times this spread evenly over the fractions
BEAT_S = 15.0  # the longest silence
LOOK_BACK_S = 5.0  # who comes for the first time may have decided already: it is told of so long ago, too

log = structlog.get_logger()


class Told(msgspec.Struct, frozen=True, dict=True):
    """One message. Nothing but position and catalogue: all is well."""

    position: int
    catalogue: str
    everything: bool = False
    items: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    tags: frozenset[bytes] = frozenset()

    @property
    def urgent(self) -> bool:
        """Whether it is about more than single subjects."""
        return self.everything or bool(self.items) or bool(self.groups)

    @property
    def news(self) -> bool:
        """Whether anything must go."""
        return self.urgent or bool(self.tags)

    def naming(self, items: frozenset[str], groups: frozenset[str], tags: frozenset[bytes]) -> Told:
        """The same with what must go; everything, when it is too much to name."""
        if self.everything or len(items) + len(groups) + len(tags) > MOST_NAMED:
            return Told(self.position, self.catalogue, everything=True)
        return Told(self.position, self.catalogue, False, items, groups, tags)

    def and_then(self, later: Told) -> Told:
        """Both as one."""
        both = Told(max(self.position, later.position), later.catalogue, self.everything or later.everything)
        return both.naming(self.items | later.items, self.groups | later.groups, self.tags | later.tags)

    @cached_property
    def encoded(self) -> bytes:
        return decision_pb2.WatchResponse(
            position=self.position,
            everything=self.everything,
            catalogue=self.catalogue,
            items=sorted(self.items),
            groups=sorted(self.groups),
            subjects=sorted(self.tags),
        ).SerializeToString()


class Subscription:
    """One stream, for whatever front carries it: `take` messages whenever `wake` was called, until it has `ended`."""

    def __init__(
        self, brand: str, wake: Callable[[], None], leave: Callable[[Subscription], None], number: int = 0
    ) -> None:
        """`wake` is called from any thread, and must not wait. `number`: of the stream; others have other moments."""
        self.brand = brand
        self._phase = number * _GOLDEN % 1.0 * PACE_S
        self.ended = False
        self._wake = wake
        self._leave = leave
        self._lock = threading.Lock()
        self._begun = self._due = False
        self._untold: Told | None = None
        self._told_at = 0.0

    def take(self) -> bytes | None:
        """The next message; None: not now."""
        with self._lock:
            if not self._due or self._untold is None:
                return None
            untold, self._untold, self._due = self._untold, None, False
            return untold.encoded

    def begin(self, first: Told, now: float) -> None:
        """From now on there is something to take. `now`: seconds."""
        with self._lock:
            self._untold = first if self._untold is None else first.and_then(self._untold)
            self._begun = True
            self._speak(now)
        self._wake()

    def tell(self, told: Told, now: float) -> None:
        """Take up what was found by a poll, and wake whoever waits, if it is time."""
        with self._lock:
            if told.news or now - self._told_at >= BEAT_S:
                self._untold = told if self._untold is None else self._untold.and_then(told)
            wake = self._begun and not self._due and self._is_time(now)
            if wake:
                self._speak(now)
        if wake:
            self._wake()

    def _is_time(self, now: float) -> bool:
        return self._untold is not None and (self._untold.urgent or self._turn(now) > self._turn(self._told_at))

    def _turn(self, at: float) -> int:
        return int((at - self._phase) // PACE_S)

    def _speak(self, now: float) -> None:
        self._due, self._told_at = True, now

    def end(self) -> None:
        """The server stops: there is nothing more to take."""
        self.ended = True
        self._wake()

    def close(self) -> None:
        """The client is gone."""
        self._leave(self)


class _Closed(NamedTuple):
    """What must not be offered any more. `whole`: too much to name."""

    items: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    whole: bool = False


class _Brand:
    """The streams of one brand, and the catalogue that they know of."""

    def __init__(self, catalogue: str) -> None:
        self.catalogue = catalogue
        self.streams: set[Subscription] = set()


class Watch:
    """All streams of one worker."""

    def __init__(self, store: AnyStore, worlds: Worlds, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._store = store
        self._worlds = worlds
        self._clock = clock
        self._lock = threading.Lock()
        self._brands: dict[str, _Brand] = {}
        self._position = store.subject_changes(0).position
        self._past = deque([(clock(), self._position)])  # positions of before, the oldest of a little over LOOK_BACK_S
        self._count = self._opened = 0
        self._ended = False
        self._failing = False

    def open(self, data: bytes, caller: Caller, wake: Callable[[], None]) -> Subscription:
        """Begin a stream with its first request. Raises InvalidRequest, TooMany, StoreError."""
        wire = convert.parse(decision_pb2.WatchRequest, data)
        subscription = Subscription(caller.brand, wake, self._leave, self._opened)
        self._opened += 1
        self._enter(subscription)
        try:
            first = self._first(wire, caller.brand)
        except BaseException:
            self._leave(subscription)
            raise
        subscription.begin(first, self._clock())
        return subscription

    def _enter(self, subscription: Subscription) -> None:
        with self._lock:
            if self._count >= MOST_STREAMS:
                raise TooMany(f"this worker has {MOST_STREAMS} streams of this kind already")
            name = subscription.brand
            self._brands.setdefault(name, _Brand(self._catalogue(name))).streams.add(subscription)
            self._count += 1
            subscription.ended = self._ended

    def _leave(self, subscription: Subscription) -> None:
        with self._lock:
            brand = self._brands.get(subscription.brand)
            if brand is None or subscription not in brand.streams:
                return
            brand.streams.remove(subscription)
            self._count -= 1
            if not brand.streams:
                del self._brands[subscription.brand]

    def _first(self, wire: decision_pb2.WatchRequest, brand: str) -> Told:
        """What happened since the client heard the last time."""
        catalogue = self._catalogue(brand)
        other = bool(wire.since or wire.catalogue) and wire.catalogue != catalogue
        since = wire.since or self._past[0][1]
        found = self._store.subject_changes(since)
        closed = _Closed() if found.whole else self._closed(brand, sequence_of(since))
        told = Told(found.position, catalogue, other or found.whole or closed.whole)
        return told.naming(closed.items, closed.groups, _tags(found, brand))

    def poll(self) -> None:
        """Tell all streams what happened since the last time. By one thread, a few times a second."""
        try:
            with self._lock:  # so that no stream begins in the middle of it
                told = [(one, news) for brand, news in self._news() for one in brand.streams]
        except MaitredError as error:
            if not self._failing:
                log.warning("watch_cannot_read", error=type(error).__name__)
            self._failing = True
            return
        self._failing, now = False, self._clock()
        self._past.append((now, self._position))
        while len(self._past) > 1 and self._past[1][0] <= now - LOOK_BACK_S:
            self._past.popleft()
        for subscription, news in told:
            subscription.tell(news, now)

    def _news(self) -> list[tuple[_Brand, Told]]:
        """What each brand with streams is to be told."""
        before, found = self._position, self._store.subject_changes(self._position)
        moved = found.position != before
        news = []
        for name, brand in self._brands.items():
            closed = self._closed(name, sequence_of(before)) if moved else _Closed()
            catalogue = self._catalogue(name)
            told = Told(found.position, catalogue, catalogue != brand.catalogue or found.whole or closed.whole)
            news.append((brand, told.naming(closed.items, closed.groups, _tags(found, name))))
        for brand, told in news:
            brand.catalogue = told.catalogue
        self._position = found.position
        return news

    def _catalogue(self, brand: str) -> str:
        world = self._worlds.world(brand)
        return "" if world is None else world.catalogue.version

    def _closed(self, brand: str, after: int) -> _Closed:
        """What was killed, paused or sold out after a journal record."""
        if self._store.item_state_version(brand) <= after:
            return _Closed()
        found = self._store.item_states_since(brand, after)
        if found.whole and after:
            return _Closed(whole=True)
        return _named(state for state in found.states if state.kill or state.paused or state.stock == 0)

    def close(self) -> None:
        """End all streams, and those that are opened from now on."""
        with self._lock:
            self._ended = True
            streams = [one for brand in self._brands.values() for one in brand.streams]
        for one in streams:
            one.end()


def _tags(found: SubjectChanges, brand: str) -> frozenset[bytes]:
    return frozenset(tag for change in found.changes if change.brand == brand for tag in change.tags)


def _named(states: Iterable[LiveState]) -> _Closed:
    closed = list(states)
    return _Closed(
        frozenset(state.item for state in closed if state.item),
        frozenset(state.group for state in closed if state.group),
    )
