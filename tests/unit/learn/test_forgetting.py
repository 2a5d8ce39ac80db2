"""What was erased is subtracted: sums are those of the records that are left, whatever happened in between."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from maitred_server.learn import learner as learning
from maitred_server.learn.learner import Learner
from maitred_server.learn.publish import CURSOR, forgotten_through, policy_folder, publish_snapshot
from maitred_server.learn.reached import Reached
from maitred_server.learn.sums import Sums
from maitred_server.model import Entry, Event, Exposure, Kind, Outcome, Reason, Record, Shown
from maitred_server.policy.snapshot import Column, open_snapshot
from maitred_server.store import AnyStore, Changes, MemoryStore, Note, Store
from maitred_server.store.counted import met_in
from maitred_server.store.forgotten import lost_by
from maitred_server.store.keys import brand_prefix, type_code
from maitred_server.store.published import current

BRANDS = ("main", "other")
ANNA, BERT, CARL = (brand_prefix(brand) + bytes([n]) * 16 for n, brand in enumerate(("main", "main", "other")))
SUBJECTS = st.sampled_from([ANNA, BERT, CARL])
APPLES = Event("purchase", "apples", "", ("fruit",))
SLOTS = tuple(Shown(n, "apples", "", ("fruit",), 1.0, None, 0.0, Reason.HABIT) for n in (0, 1))
BODIES = st.sampled_from(
    [
        APPLES,
        Event("view", "pears", "small", ("fruit", "green")),
        Event("visit"),
        Outcome("purchase", 1.0, "apples", "", ("fruit",), "d"),
        Exposure("d", "home", 1, SLOTS, "habit", Reason.HABIT, (), "1", "", 0, 0, 0),
    ]
)
DOINGS = st.one_of(
    st.tuples(st.just("record"), SUBJECTS, BODIES),
    st.tuples(st.just("record"), SUBJECTS, BODIES),
    st.tuples(st.just("erase"), SUBJECTS),
    st.tuples(st.sampled_from(["step", "step", "publish", "restart", "settle", "cut 1", "cut 9", "lose cursor"])),
)


class PowerCutError(Exception):
    """The power failed."""


def sums_left(store: AnyStore, brand: str) -> Sums:
    """The sums over the records that are left, by the simplest means there are."""
    sums = Sums()
    left = [record for _, record in store.read_journal(0, 10_000) if record.subject.startswith(brand_prefix(brand))]
    sums.add(Counter(met for record in left for met in met_in(record)))
    return sums


def published(data: Path, brand: str) -> Sums:
    folder = policy_folder(data, brand)
    version = current(folder) if folder.exists() else None
    return Sums.of(open_snapshot(folder, version)) if version else Sums()


class Run:
    """A store, a data directory and the learner of the moment."""

    def __init__(self, store: AnyStore, data: Path) -> None:
        self.store, self.data = store, data
        self.learner = self._new()

    def _new(self) -> Learner:
        return Learner(self.store.read_changes, self.data, chunk=2)

    def do(self, doing: tuple[object, ...]) -> None:
        match doing:
            case ("record", bytes() as subject, Event() | Outcome() | Exposure() as body):
                record = Record(subject, Kind.PERSON, 1_000, 1_000, body)
                assert self.store.submit([Entry(record, since=1 << 60)]).result(30).last_sequence
            case ("erase", bytes() as subject):
                self.store.delete(subject, 1_000).result(30)
            case ("step",):
                self.learner.step()
            case ("publish",):
                self.learner.publish()
            case ("settle",):
                self.store.settle(forgotten_through(self.data), 2_000)
            case ("restart",):
                self.learner = self._new()
            case ("lose cursor",):
                (self.data / CURSOR).unlink(missing_ok=True)
                self.learner = self._new()
            case (str() as cut,):
                self._publish_but_cut(int(cut[-1]))
                self.learner = self._new()

    def _publish_but_cut(self, after: int) -> None:
        """Publish, and fail after some brands: before the cursor is written."""
        done: list[str] = []

        def cut(data: Path, brand: str, reached: Reached, columns: dict[int, Column], *models: Any) -> None:
            if len(done) == after:
                raise PowerCutError
            done.append(brand)
            publish_snapshot(data, brand, reached, columns, *models)

        def no_cursor(*_: object) -> None:
            raise PowerCutError

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(learning, "publish_snapshot", cut)
            patched.setattr(learning, "save_cursor", no_cursor)
            with contextlib.suppress(PowerCutError):
                self.learner.publish()

    def finish(self) -> None:
        while self.learner.step():
            pass
        self.learner.publish()


def check(store: AnyStore, data: Path, doings: list[tuple[object, ...]]) -> None:
    run = Run(store, data)
    for doing in doings:
        run.do(doing)
    run.finish()
    for brand in BRANDS:
        assert sums_left(store, brand) == run.learner.sums(brand)
        assert sums_left(store, brand) == published(data, brand)
    store.close()


@given(st.lists(DOINGS, max_size=40))
@example([("record", ANNA, APPLES), ("step",), ("publish",), ("erase", ANNA), ("step",), ("cut 9",), ("step",)])
@example([("record", ANNA, APPLES), ("step",), ("cut 9",), ("erase", ANNA), ("step",), ("publish",)])
@example([("record", ANNA, APPLES), ("step",), ("publish",), ("erase", ANNA), ("record", BERT, APPLES), ("restart",)])
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sums_are_of_what_is_left(tmp_path_factory: pytest.TempPathFactory, doings: list[tuple[object, ...]]) -> None:
    """Records, chunked reads, erasures, restarts, power cuts and lost cursors in any order leave the exact sums."""
    check(MemoryStore(), tmp_path_factory.mktemp("data"), doings)


@given(st.lists(DOINGS, max_size=25))
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sums_are_of_what_is_left_in_lmdb(
    tmp_path_factory: pytest.TempPathFactory, doings: list[tuple[object, ...]]
) -> None:
    """The same over the real store."""
    data = tmp_path_factory.mktemp("data")
    check(Store.open(data, map_size=64 << 20, allow_overlay=True), data, doings)


def test_a_type_that_nobody_did_any_more_leaves_no_column(tmp_path: Path) -> None:
    """When the last record of a type is erased its column goes from the snapshot, and so does every count of zero."""
    store = MemoryStore()
    run = Run(store, tmp_path)
    for n, item in ((1, "apples"), (2, "pears")):
        subject = brand_prefix("main") + bytes([n]) * 16
        store.submit([Entry(Record(subject, Kind.PERSON, 1, 1, Event(f"only-{n}", item)))])
    run.finish()
    store.delete(brand_prefix("main") + bytes([1]) * 16, 5)
    run.finish()
    folder = policy_folder(tmp_path, "main")
    snapshot = open_snapshot(folder, current(folder) or "")
    assert list(snapshot.columns) == [type_code("only-2")]
    assert [column.counts.tolist() for column in snapshot.columns.values()] == [[1, 1]]


def test_what_goes_without_a_record_is_published(tmp_path: Path) -> None:
    """What retention takes out leaves no record, and is out of the next snapshot all the same, under a new version."""
    entry = (1, Record(ANNA, Kind.PERSON, 1, 1, APPLES))
    notes = [Note(1, lost_by([entry]))]
    answers = [Changes([], [entry], 1), Changes(notes, [], 1)]
    learner = Learner(lambda after, limit, noted: answers.pop(0), tmp_path)
    versions = []
    for _ in (1, 2):
        learner.step()
        assert learner.publish() == ["main"]
        versions.append(current(policy_folder(tmp_path, "main")))
    assert published(tmp_path, "main") == Sums()
    assert versions == ["1", "1-1"]


def test_a_note_is_kept_until_it_is_published(tmp_path: Path) -> None:
    """What was forgotten is dropped from the store only when no snapshot in force counts it any more."""
    store = MemoryStore()
    subject = brand_prefix("main") + bytes(16)
    store.submit([Entry(Record(subject, Kind.PERSON, 1, 1, Event("view", "apples")))])
    run = Run(store, tmp_path)
    run.finish()
    erasure = store.delete(subject, 5).result().erasure
    learned: Callable[[], int] = lambda: [one.done_at for one in store.erasure(erasure.erasure_id).stores][3]  # type: ignore[union-attr]  # noqa: E731
    run.learner.step()
    store.settle(forgotten_through(tmp_path), 6)
    assert (learned(), len(store.read_changes(0, 9, 0).notes)) == (0, 1)
    run.learner.publish()
    store.settle(forgotten_through(tmp_path), 7)
    assert (learned(), store.read_changes(0, 9, 0).notes) == (7, [])
