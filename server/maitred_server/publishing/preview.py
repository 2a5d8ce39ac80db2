"""Who would see what: every subject is decided for twice, in the world as it is and in the one that would be.

Both decisions are made by the very pipeline that serves, at one moment and with one seed, so that they differ by the
playbook alone. Each placement is decided by itself, as if it were asked for alone.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from maitred_server.decide.ask import Ask
from maitred_server.decide.pipeline import Pipeline
from maitred_server.decide.profile import Reader
from maitred_server.decide.receipt import Sealer
from maitred_server.decide.world import World
from maitred_server.rpc.publisher import Previewed, ShareChange

MOST_CHANGES: Final = 10_000
EVERYBODY: Final = ""
NO_ITEM: Final = ""


class Trial(NamedTuple):
    """What is compared. `before` None: nothing was published yet. `salt`: of the seeds."""

    reader: Reader
    before: World | None
    after: World
    now: int  # ms
    salt: bytes


class _Seen(NamedTuple):
    """What one subject sees in one placement: items in the order of their slots."""

    items: tuple[str, ...]
    segments: tuple[str, ...]


class _Decider:
    """Decides in one world. Its receipts are of a key that nobody has: they are never used."""

    def __init__(self, trial: Trial, world: World | None) -> None:
        self._world = world
        self._salt = trial.salt
        self._entropy = b""
        sealer = Sealer((b"none", os.urandom(32)), lambda _: None)
        self._pipeline = Pipeline(trial.reader, lambda _: world, sealer, lambda: trial.now, lambda _: self._entropy)

    def see(self, ask: Ask, placement: str) -> _Seen:
        """Nothing where there is no such placement."""
        if self._world is None or placement not in self._world.catalogue.placements:
            return _Seen((), ())
        self._entropy = _seed(self._salt, ask.subject, placement)
        answer = self._pipeline.decide(ask._replace(placements=[(placement, 0)]))
        slate = sorted(answer.decisions[0].slate, key=lambda choice: choice.slot)
        return _Seen(tuple(choice.item for choice in slate), answer.segments)


def _seed(salt: bytes, subject: bytes, placement: str) -> bytes:
    return blake2b(
        placement.encode(), key=salt, salt=blake2b(subject, digest_size=16).digest(), digest_size=15
    ).digest()


class _Tally:
    """Counts who sees what."""

    def __init__(self) -> None:
        self.subjects: Counter[tuple[str, str]] = Counter()  # placement, segment
        self.shown: Counter[tuple[str, str, str, bool]] = Counter()  # placement, segment, item, after
        self.changed: Counter[str] = Counter()

    def count(self, placement: str, before: _Seen, after: _Seen) -> None:
        for segment in (EVERYBODY, *after.segments):
            self.subjects[placement, segment] += 1
            for is_after, seen in enumerate((before, after)):
                for item in dict.fromkeys(seen.items) or (NO_ITEM,):
                    self.shown[placement, segment, item, bool(is_after)] += 1
        self.changed[placement] += before.items != after.items

    def changes(self) -> Iterator[ShareChange]:
        for placement, segment, item in {key[:3] for key in self.shown}:
            subjects = self.subjects[placement, segment]
            before, after = (self.shown[placement, segment, item, is_after] for is_after in (False, True))
            if before != after:
                yield ShareChange(placement, segment, item, before / subjects, after / subjects, subjects)


def compared(trial: Trial, asks: Sequence[Ask]) -> Previewed:
    """Shares of items that differ, most changed first, at most 10,000 of them."""
    before, after = _Decider(trial, trial.before), _Decider(trial, trial.after)
    placements = _placements(trial)
    tally = _Tally()
    for ask in asks:
        for placement in placements:
            tally.count(placement, before.see(ask, placement), after.see(ask, placement))
    return Previewed(
        len(asks),
        tuple(sorted(tally.changes(), key=_by_change)[:MOST_CHANGES]),
        {placement: tally.changed[placement] for placement in placements},
    )


def _placements(trial: Trial) -> list[str]:
    """Those of both worlds."""
    worlds: Iterable[World] = (trial.after, *([trial.before] if trial.before else []))
    return sorted({name for world in worlds for name in world.catalogue.placements})


def _by_change(one: ShareChange) -> tuple[float, str, str, str]:
    return -abs(one.after - one.before), one.placement, one.segment, one.item
