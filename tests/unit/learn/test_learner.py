"""The learner: every record counts once, in whatever order, over restarts and crashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.learn import learner as learning
from maitred_server.learn.learner import Learner
from maitred_server.learn.publish import CURSOR, learned_through, policy_folder, publish_snapshot, resume
from maitred_server.learn.reached import Reached
from maitred_server.learn.sums import Sums
from maitred_server.model import (
    Body,
    Deletion,
    Event,
    Exposure,
    Kind,
    Outcome,
    Reason,
    Record,
    Shown,
    Trait,
    Traits,
)
from maitred_server.policy.snapshot import SUFFIX, Column, PolicySnapshot, open_snapshot
from maitred_server.store import Changes
from maitred_server.store.counted import met_in
from maitred_server.store.keys import action_key, brand_prefix, group_key, item_key
from maitred_server.store.published import current, numbered

BRANDS = ("main", "other")
ITEMS = st.sampled_from([("apples", "", ("fruit", "red")), ("pears", "small", ("fruit",)), ("bread", "", ())])


def record(body: Body, brand: str = "main") -> Record:
    return Record(brand_prefix(brand) + bytes(16), Kind.HOUSEHOLD, 0, 0, body)


def purchase(item: str, *groups: str, variant: str = "", quantity: int = 1) -> Event:
    return Event("purchase", item, variant, groups, quantity=quantity)


def exposure(*slots: tuple[str, str, tuple[str, ...]]) -> Exposure:
    shown = tuple(Shown(slot, *names, 1.0, None, 0.0, Reason.HABIT) for slot, names in enumerate(slots))
    return Exposure("d", "home", 1, shown, "habit", Reason.HABIT, (), "1", "", 0, 0, 0)


BODIES = st.one_of(
    st.builds(lambda kind, names: Event(kind, *names), st.sampled_from(["purchase", "view"]), ITEMS),
    st.builds(lambda names: Outcome("purchase", 1.0, names[0], names[1], names[2], "d"), ITEMS),
    st.builds(lambda slots: exposure(*slots), st.lists(ITEMS, max_size=3)),
    st.just(Event("visit")),
    st.just(Traits((Trait("age", 3.0),))),
    st.just(Deletion()),
)
JOURNALS = st.lists(st.builds(record, BODIES, st.sampled_from(BRANDS)), max_size=30)


class Journal:
    """A journal in memory, with gaps in its sequences as deletions leave them."""

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self.entries = [(3 * at, one) for at, one in enumerate(records, 1)]

    def read(self, after: int, limit: int, noted_through: int) -> Changes:
        records = [entry for entry in self.entries if entry[0] > after][:limit]
        return Changes([], records, records[-1][0] if records else after)

    def append(self, *records: Record) -> None:
        self.entries = Journal([*(one for _, one in self.entries), *records]).entries


def counted(records: Sequence[Record]) -> dict[tuple[str, int], int]:
    """The same by the simplest means there are."""
    found: Counter[tuple[str, int]] = Counter()
    for one in records:
        match one.body:
            case Event(item=item) if item:
                things = [(one.body.type, item, one.body.variant, one.body.groups)]
            case Outcome():
                things = [("outcome." + one.body.type, one.body.item, one.body.variant, one.body.groups)]
            case Exposure():
                things = [("exposure", shown.item, shown.variant, shown.groups) for shown in one.body.shown]
            case _:
                things = []
        for kind, item, variant, groups in things:
            for key in (action_key(item, variant), item_key(item), *map(group_key, groups)):
                found[kind, key] += 1
    return found


def of_brand(records: Sequence[Record], brand: str) -> list[Record]:
    return [one for one in records if one.subject.startswith(brand_prefix(brand))]


def assert_says(snapshot: PolicySnapshot | None, records: Sequence[Record]) -> None:
    """A snapshot has the counts of these records, and no others."""
    expected = counted(records)
    if snapshot is None:
        assert expected == {}
        return
    for kind in ("purchase", "view", "outcome.purchase", "exposure", "visit"):
        keys = [key for of, key in expected if of == kind]
        assert snapshot.counts(kind, np.array(keys, np.uint64)).tolist() == [expected[kind, key] for key in keys]
    assert sum(int(column.counts.sum()) for column in snapshot.columns.values()) == sum(expected.values())


def in_force(data: Path, brand: str = "main") -> PolicySnapshot | None:
    version = current(policy_folder(data, brand))
    return open_snapshot(policy_folder(data, brand), version) if version else None


def drain(learner: Learner) -> None:
    while learner.step():
        pass


def sums_of(records: Sequence[Record]) -> Sums:
    sums = Sums()
    for one in records:
        sums.add(Counter(met_in(one)))
    return sums


def test_what_counts_for_what(tmp_path: Path) -> None:
    """An event counts once for its action, item and groups, whatever its quantity; outcomes and shown slots apart."""
    journal = Journal(
        [
            record(purchase("pears", "fruit", variant="small", quantity=5)),
            record(purchase("pears", "fruit", variant="large")),
            record(Outcome("purchase", 2.0, "pears", "small", ("fruit",), "d")),
            record(exposure(("pears", "small", ("fruit",)), ("bread", "", ()))),
            record(Event("purchase")),
        ]
    )
    learner = Learner(journal.read, tmp_path)
    drain(learner)
    assert learner.publish() == ["main"]
    snapshot = in_force(tmp_path)
    assert snapshot is not None
    keys = np.array([action_key("pears", "small"), item_key("pears"), group_key("fruit"), item_key("bread")], np.uint64)
    assert snapshot.counts("purchase", keys).tolist() == [1, 2, 2, 0]
    assert snapshot.counts("outcome.purchase", keys).tolist() == [1, 1, 1, 0]
    assert snapshot.counts("exposure", keys).tolist() == [1, 1, 1, 1]
    assert (snapshot.version, snapshot.cursor) == ("15", 15)


@settings(deadline=None)
@given(records=JOURNALS, chunk=st.integers(1, 7))
def test_brands_are_counted_apart(tmp_path_factory: pytest.TempPathFactory, records: list[Record], chunk: int) -> None:
    """Each brand's snapshot holds the counts of its own records, however the journal is cut into chunks."""
    data = tmp_path_factory.mktemp("data")
    learner = Learner(Journal(records).read, data, chunk)
    drain(learner)
    learner.publish()
    for brand in BRANDS:
        assert_says(in_force(data, brand), of_brand(records, brand))


@settings(deadline=None)
@given(records=JOURNALS, data=st.data())
def test_any_order_gives_the_same(records: list[Record], data: st.DataObject) -> None:
    """Any permutation of the records gives equal sums."""
    assert sums_of(data.draw(st.permutations(records))) == sums_of(records)


@settings(deadline=None)
@given(left=JOURNALS, right=JOURNALS)
def test_shards_add_up(left: list[Record], right: list[Record]) -> None:
    """The sums of two shards, merged, are the sums of all their records; and one more record makes them differ."""
    merged = sums_of(left)
    merged.merge(sums_of(right))
    assert merged == sums_of(right + left)
    merged.add(Counter(met_in(record(purchase("apples")))))
    assert merged != sums_of(right + left)


@settings(deadline=None)
@given(records=JOURNALS)
def test_a_snapshot_holds_the_sums(records: list[Record]) -> None:
    """Sums taken up from a snapshot are the sums it was made of."""
    sums = sums_of(records)
    assert Sums.of(PolicySnapshot("1", 1, sums.columns())) == sums


class _PowerCutError(Exception):
    pass


@settings(deadline=None)
@given(
    records=JOURNALS, doings=st.lists(st.sampled_from(["step", "publish", "restart", "cut 0", "cut 1"]), max_size=15)
)
def test_restarts_and_cuts_count_nothing_twice(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], doings: list[str]
) -> None:
    """However often it restarts, also in the middle of publishing, in the end every record counts exactly once."""
    data = tmp_path_factory.mktemp("data")
    journal = Journal(records)
    learner = Learner(journal.read, data, chunk=4)
    for doing in doings:
        if doing == "step":
            learner.step()
        elif doing == "publish":
            learner.publish()
        else:
            if doing != "restart":
                publish_but_cut(learner, after=int(doing[-1]))
            learner = Learner(journal.read, data, chunk=4)
    drain(learner)
    learner.publish()
    for brand in BRANDS:
        assert_says(in_force(data, brand), of_brand(records, brand))
    assert learned_through(data) == 3 * len(records)


def publish_but_cut(learner: Learner, after: int) -> None:
    """Publishes, and fails after some brands: before the cursor is written."""
    published: list[str] = []

    def cut(data: Path, brand: str, reached: Reached, columns: dict[int, Column], *models: Any) -> None:
        if len(published) == after:
            raise _PowerCutError
        published.append(brand)
        publish_snapshot(data, brand, reached, columns, *models)

    def no_cursor(*_: object) -> None:
        raise _PowerCutError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(learning, "publish_snapshot", cut)
        patched.setattr(learning, "save_cursor", no_cursor)
        try:
            learner.publish()
        except _PowerCutError:
            return


def test_a_failed_publish_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses, the old snapshot stays in force and the same learner publishes all of it later."""
    journal = Journal([record(purchase("apples"))])
    learner = Learner(journal.read, tmp_path)
    drain(learner)
    learner.publish()
    journal.append(record(purchase("apples")))
    drain(learner)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("maitred_server.policy.snapshot.write_file", refuse)
        with pytest.raises(OSError, match="No space"):
            learner.publish()
    assert_says(in_force(tmp_path), [record(purchase("apples"))])
    assert learner.publish() == ["main"]
    assert_says(in_force(tmp_path), [record(purchase("apples"))] * 2)


def test_only_what_changed_is_published(tmp_path: Path) -> None:
    """A brand without new records keeps its version; with nothing new at all nothing is written."""
    journal = Journal([record(purchase("apples")), record(purchase("apples"), "other")])
    learner = Learner(journal.read, tmp_path)
    assert learner.publish() == []
    assert not list(tmp_path.iterdir())
    drain(learner)
    assert learner.publish() == ["main", "other"]
    journal.append(record(purchase("pears"), "other"))
    drain(learner)
    assert learner.publish() == ["other"]
    assert (current(policy_folder(tmp_path, "main")), current(policy_folder(tmp_path, "other"))) == ("6", "9")
    assert learner.publish() == []
    assert learned_through(tmp_path) == 9


def test_records_that_count_for_nothing_move_the_cursor(tmp_path: Path) -> None:
    """Traits are no count, yet the snapshot's cursor passes them: nobody waits for what will never come."""
    journal = Journal([record(purchase("apples"))])
    learner = Learner(journal.read, tmp_path)
    for more in ([], [record(Traits((Trait("age", 3.0),)))]):
        journal.append(*more)
        drain(learner)
        learner.publish()
    snapshot = in_force(tmp_path)
    assert snapshot is not None
    assert snapshot.cursor == 6


def test_old_snapshots_are_removed(tmp_path: Path) -> None:
    """After many publishes the last three snapshots are there."""
    journal = Journal()
    learner = Learner(journal.read, tmp_path)
    for _ in range(6):
        journal.append(record(purchase("apples")))
        drain(learner)
        learner.publish()
    assert numbered(policy_folder(tmp_path, "main"), SUFFIX) == [12, 15, 18]


@pytest.mark.parametrize(
    "damage", ["snapshot flipped", "snapshot gone", "CURRENT gone", "cursor flipped", "cursor gone"]
)
def test_damaged_files_cost_time_only(tmp_path: Path, damage: str) -> None:
    """Whichever of its files is lost or damaged, the learner starts again far enough back, and counts are right."""
    records = [record(purchase("apples")), record(purchase("bread"), "other"), record(purchase("pears"))]
    journal = Journal(records)
    learner = Learner(journal.read, tmp_path)
    drain(learner)
    learner.publish()
    folder = policy_folder(tmp_path, "main")
    path = {"snapshot": folder / "9.snapshot", "CURRENT": folder / "CURRENT", "cursor": tmp_path / CURSOR}[
        damage.split()[0]
    ]
    if damage.endswith("gone"):
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    journal.append(record(purchase("apples")))
    learner = Learner(journal.read, tmp_path)
    drain(learner)
    learner.publish()
    for brand in BRANDS:
        assert_says(in_force(tmp_path, brand), of_brand([*records, record(purchase("apples"))], brand))


def test_starting_over_forgets_what_was_published(tmp_path: Path) -> None:
    """After starting over, nothing of another journal is left, in no brand, and a restart brings none of it back."""
    before = Journal([record(purchase("apples")), record(purchase("bread"), "other")] * 3)
    learner = Learner(before.read, tmp_path)
    drain(learner)
    learner.publish()
    after = [record(purchase("pears")), record(purchase("pears"), "other")]
    learner = Learner(Journal(after).read, tmp_path)
    learner.start_over()
    assert resume(tmp_path).reached == Reached()
    assert in_force(tmp_path, "other") is None
    learner.step()
    learner.publish()
    learner = Learner(Journal(after).read, tmp_path)
    drain(learner)
    for brand in BRANDS:
        assert_says(in_force(tmp_path, brand), of_brand(after, brand))
