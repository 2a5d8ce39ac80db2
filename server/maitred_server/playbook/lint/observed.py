"""Warnings that need data: segments that nobody is in, and segments whose members are often left with the fallback."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from heapq import heappush, heappushpop
from typing import Final, NamedTuple, TypeAlias

from maitred_server.errors import Mistake
from maitred_server.model import Exposure, Reason, Record, SubjectKey
from maitred_server.playbook.control import Control
from maitred_server.playbook.lint.scene import Scene
from maitred_server.playbook.rules import Program, Rule, typed
from maitred_server.store import Profile
from maitred_server.store.keys import brand_prefix

MOST_SAMPLED: Final = 10_000  # subjects
LEAST_EXPOSURES: Final = 100
MOST_FALLBACK: Final = 0.2
CHUNK: Final = 5_000  # records read at once

ReadJournal: TypeAlias = Callable[[int, int], list[tuple[int, Record]]]
ReadProfile: TypeAlias = Callable[[SubjectKey], Profile | None]


class Seen(NamedTuple):
    """What a journal tells. `subjects`: a sample of all that are in it; by segment how many decisions were shown."""

    subjects: tuple[SubjectKey, ...]
    shown: Counter[str]
    left: Counter[str]  # of them those that the fallback answered


def observe(read_journal: ReadJournal, brand: str, progress: Callable[[int], None] = lambda sequence: None) -> Seen:
    """Reads a whole journal; `progress` is told how far it is."""
    prefix, sample = brand_prefix(brand), _Sample()
    shown, left = Counter[str](), Counter[str]()
    after = 0
    while entries := read_journal(after, CHUNK):
        for _, record in entries:
            if record.subject.startswith(prefix):
                sample.add(record.subject)
                _count(record, shown, left)
        after = entries[-1][0]
        progress(after)
    return Seen(sample.subjects(), shown, left)


def _count(record: Record, shown: Counter[str], left: Counter[str]) -> None:
    body = record.body
    if isinstance(body, Exposure) and body.showing == 1:
        shown.update(body.segments)
        if body.reason is Reason.FALLBACK:
            left.update(body.segments)


class _Sample:
    """The subjects with the least keys: keys are pseudonyms, so that any of them is as likely as any other."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, SubjectKey]] = []  # the greatest first
        self._held: set[SubjectKey] = set()

    def add(self, subject: SubjectKey) -> None:
        if subject in self._held:
            return
        entry = (-int.from_bytes(subject[-8:], "big"), subject)
        if len(self._heap) < MOST_SAMPLED:
            heappush(self._heap, entry)
        elif entry < self._heap[0]:
            return
        else:
            self._held.discard(heappushpop(self._heap, entry)[1])
        self._held.add(subject)

    def subjects(self) -> tuple[SubjectKey, ...]:
        return tuple(sorted(self._held))


def nobody_in(scene: Scene, seen: Seen, profile: ReadProfile, now: int) -> Iterator[Mistake]:
    """Segments that none of the sampled subjects is in. Those that look at the context are left out."""
    segments = {one.name: scene.rule(one.plan) for one in scene.control.segments}
    left = {name for name, rule in segments.items() if not _asks_context(rule, segments)}
    profiles = [found for subject in seen.subjects if (found := profile(subject)) is not None]
    for names in _members(scene.control, segments, profiles, now):
        left.difference_update(names)
    for name in segments if profiles else ():
        if name in left:
            message = f"segment `{name}` matches nobody of {len(profiles):,} sampled subjects"
            yield scene.warning("segments", name, message)


def _members(
    control: Control, segments: dict[str, Rule], profiles: Iterable[Profile], now: int
) -> Iterator[tuple[str, ...]]:
    """The segments that each is in, by the traits that may be used at all."""
    program = Program.of(segments, [])
    types = {trait.name: trait.type for trait in control.traits if not trait.sensitive}
    for profile in profiles:
        raw = {name: trait.value for name, trait in profile.traits.items() if trait.value is not None}
        subject = {**typed(raw, types), "kind": profile.kind.name.lower()}
        yield program.names(program.segments(subject, {}, now))


def _asks_context(rule: Rule, segments: dict[str, Rule]) -> bool:
    """Whether it, or a segment that it asks for, looks at the context. Segments are in no ring."""
    return bool(rule.uses.context) or any(_asks_context(segments[name], segments) for name in rule.uses.segments)


def without_content(scene: Scene, seen: Seen) -> Iterator[Mistake]:
    """Segments whose members the fallback answered often."""
    for segment in scene.control.segments:
        shown, left = seen.shown[segment.name], seen.left[segment.name]
        if shown >= LEAST_EXPOSURES and left > MOST_FALLBACK * shown:
            message = (
                f"segment `{segment.name}` lacks content: of {shown:,} decisions shown to its members "
                f"{left:,} ({left / shown:.0%}) were the fallback"
            )
            yield scene.warning("segments", segment.name, message)
