"""Policy snapshots of the past are made again from the journal, whatever was erased and whatever is still kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.errors import NothingKept, TooLarge
from maitred_server.learn import rebuild
from maitred_server.learn.learner import Learner
from maitred_server.learn.publish import forgotten_through, policy_folder
from maitred_server.learn.reached import Reached
from maitred_server.learn.rebuild import Rebuilder
from maitred_server.learn.sums import Sums
from maitred_server.model import Entry, Event, Kind, Outcome, Record
from maitred_server.policy.snapshot import SUFFIX, open_snapshot
from maitred_server.store import MemoryStore
from maitred_server.store.counted import met_in
from maitred_server.store.keys import brand_prefix
from maitred_server.store.published import current, prune

BODIES = [
    Event("purchase", "apples", groups=("fruit",)),
    Event("view", "bread"),
    Outcome("click", 1.0, "pears", "", (), "d"),
]
SUBJECTS = [brand_prefix(brand) + bytes([number]) * 16 for brand in ("main", "other") for number in (1, 2)]
DOINGS = st.one_of(
    st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(BODIES)),
    st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(BODIES)),
    st.just(("learn",)),
    st.tuples(st.just("erase"), st.sampled_from(SUBJECTS)),
    st.just(("settle",)),
)


class Place:
    """A store, its learner, and what each published version held."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.store = MemoryStore()
        self.learner = Learner(self.store.read_changes, data, chunk=2)
        self.published: dict[str, Sums] = {}

    def do(self, doing: tuple[object, ...]) -> None:
        match doing:
            case (bytes() as subject, Event() | Outcome() as body):
                record = Record(subject, Kind.PERSON, 1_000, 1_000, body)
                self.store.submit([Entry(record, since=1 << 60)]).result()
            case ("learn",):
                self.learn()
            case ("erase", bytes() as subject):
                self.store.delete(subject, 1_000).result()
            case ("settle",):
                self.store.settle(forgotten_through(self.data), 2_000)

    def learn(self) -> None:
        while self.learner.step():
            pass
        if "main" in self.learner.publish():
            folder = policy_folder(self.data, "main")
            version = current(folder) or ""
            self.published[version] = Sums.of(open_snapshot(folder, version))
            prune(folder, 1, SUFFIX)

    def left(self, through: int) -> Sums:
        """What the records up to a sequence that are still there count for."""
        sums = Sums()
        for sequence, record in self.store.read_journal(0, 1_000):
            if sequence <= through and record.subject.startswith(brand_prefix("main")):
                sums.add(Counter(met_in(record)))
        return sums

    def rebuilder(self, most: int = 1_000) -> Rebuilder:
        return Rebuilder(self.store.read_changes, self.data, most)


@settings(max_examples=25, deadline=None)
@given(doings=st.lists(DOINGS, min_size=8, max_size=30), order=st.randoms(use_true_random=False))
def test_a_rebuilt_snapshot_counts_what_is_left(
    tmp_path_factory: pytest.TempPathFactory, doings: list[tuple[object, ...]], order: st.DataObject
) -> None:
    """Every version that was ever published, asked for in any order, counts the records up to its cursor that are
    left; without a note it is the very snapshot that was published.
    """
    place = Place(tmp_path_factory.mktemp("data"))
    for doing in doings:
        place.do(doing)
    versions = list(place.published)
    order.shuffle(versions)  # type: ignore[attr-defined]
    rebuilder = place.rebuilder()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rebuild, "CHUNK", 2)
        for version in versions:
            remade = rebuilder.snapshot("main", version)
            in_force = version == current(policy_folder(place.data, "main"))
            if not in_force:
                reached = Reached.of(version)
                assert reached is not None
                assert Sums.of(remade.snapshot) == place.left(reached.through)
            if not remade.note:
                assert Sums.of(remade.snapshot) == place.published[version]


def test_without_an_erasure_it_is_the_very_one(tmp_path: Path) -> None:
    """Nothing was erased: every version is made again exactly, and none has a note."""
    place = Place(tmp_path)
    for number in range(9):
        place.do((SUBJECTS[number % 3], BODIES[number % 3]))
        place.learn()
    assert len(place.published) >= 6
    rebuilder = place.rebuilder()
    for version, sums in place.published.items():
        remade = rebuilder.snapshot("main", version)
        assert (Sums.of(remade.snapshot), remade.note, remade.snapshot.version) == (sums, "", version)


def test_after_an_erasure_it_says_so(tmp_path: Path) -> None:
    """What was erased since counts no more, and the note says that this is not what was in force."""
    place = Place(tmp_path)
    for subject in SUBJECTS[:2]:
        place.do((subject, BODIES[0]))
        place.learn()
    (before, _) = place.published
    place.do(("erase", SUBJECTS[0]))
    place.learn()
    remade = place.rebuilder().snapshot("main", before)
    assert remade.note.startswith("records were erased, or expired, since")
    assert Sums.of(remade.snapshot) == Sums()


def test_what_is_too_far_is_refused(tmp_path: Path) -> None:
    """More records than are allowed to be read: the message says how many, and which setting."""
    place = Place(tmp_path)
    for _ in range(3):
        for _ in range(10):
            place.do((SUBJECTS[0], BODIES[0]))
        place.learn()
    assert list(place.published) == ["10", "20", "30"]
    with pytest.raises(TooLarge, match=r"10 journal records away .* at most 9 are read .*explain_records"):
        place.rebuilder(9).snapshot("main", "20")
    assert place.rebuilder(10).snapshot("main", "20").note == ""


def test_a_remade_snapshot_is_a_base_for_the_next(tmp_path: Path) -> None:
    """After one was made again, another near it is near."""
    place = Place(tmp_path)
    for _ in range(6):
        for _ in range(10):
            place.do((SUBJECTS[0], BODIES[0]))
        place.learn()
    rebuilder = place.rebuilder(20)
    with pytest.raises(TooLarge):
        rebuilder.snapshot("main", "30")
    assert [rebuilder.snapshot("main", version).note for version in ("40", "30")] == ["", ""]


def test_progress_is_told(tmp_path: Path) -> None:
    """How many records were passed, of how many."""
    place = Place(tmp_path)
    for _ in range(2):
        for _ in range(5):
            place.do((SUBJECTS[0], BODIES[0]))
        place.learn()
    told: list[tuple[int, int]] = []
    Rebuilder(place.store.read_changes, tmp_path, 9, lambda done, of: told.append((done, of))).snapshot("main", "5")
    assert told == [(5, 5)]


def test_what_is_no_version_is_not_kept(tmp_path: Path) -> None:
    """A text that is no version of a snapshot is told as what is not kept."""
    with pytest.raises(NothingKept, match="`a-b` is no version"):
        Place(tmp_path).rebuilder().snapshot("main", "a-b")
