"""Sums of a placement are a function of the records that are there, whatever happened on the way."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from harness.lessons import (
    DAY_MS,
    HOUR_MS,
    LEARNING,
    NOW,
    expected,
    exposure,
    outcome,
    plan,
    publish,
    record,
    shown,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from maitred_server.learn import learner as learning
from maitred_server.learn import models
from maitred_server.learn.lane import Lane
from maitred_server.learn.learner import Learner
from maitred_server.learn.publish import CURSOR, forgotten_through
from maitred_server.learn.ridge import Sums
from maitred_server.model import Entry, Exposure, Outcome, Record
from maitred_server.store import AnyStore, Keeping, MemoryStore, Store
from msgspec.structs import replace

PLAN = plan()
FADING = replace(LEARNING, half_life_days=30.0)
DECISIONS = st.integers(0, 5)


def shows(number: int) -> Exposure:
    """The exposure of a decision, of two slots."""
    slots = [
        shown(slot, ("APPLES", "PEARS", "BREAD")[(number + slot) % 3], 10 * number + slot, PLAN) for slot in (0, 1)
    ]
    return exposure(f"d{number}", *slots, of=PLAN, decided_at=NOW - number * HOUR_MS)


def of_subject(number: int) -> int:
    """Whose a decision is."""
    return number % 3


RECORDS = st.one_of(
    st.builds(lambda n: record(shows(n), of_subject(n)), DECISIONS),
    st.builds(
        lambda n, item, kind, value: record(outcome(f"d{n}", item, kind, value), of_subject(n)),
        DECISIONS,
        st.sampled_from(["APPLES", "PEARS", "BREAD"]),
        st.sampled_from(["purchase", "rated"]),
        st.sampled_from([1.0, 4.0]),
    ),
)
DOINGS = st.one_of(
    st.tuples(st.just("tell"), RECORDS),
    st.tuples(st.just("tell"), RECORDS),
    st.tuples(st.just("erase"), st.integers(0, 2)),
    st.tuples(
        st.sampled_from(
            ["step", "step", "publish", "save", "restart", "settle", "cut", "lose cursor", "lose check-point", "expire"]
        )
    ),
)


def summed(records: list[Record]) -> Sums:
    lane = Lane(PLAN)
    lane.learn(list(enumerate(records, 1)), len(records))
    return lane.sums


@settings(deadline=None)
@given(records=st.lists(RECORDS, max_size=20), data=st.data())
def test_any_order_gives_the_same(records: list[Record], data: st.DataObject) -> None:
    """Any permutation of the records gives the same sums, bit for bit: those of the simplest means there are."""
    assert summed(data.draw(st.permutations(records))).to_bytes() == expected(records, PLAN).to_bytes()


@settings(deadline=None)
@given(records=st.lists(RECORDS, max_size=20))
def test_shards_add_up(records: list[Record]) -> None:
    """The sums of shards that each have whole subjects are, added up, the sums of all."""
    whole = Sums(PLAN.shape, 2)
    for subject in range(3):
        whole.merge(summed([one for one in records if one.subject[-1] == subject]))
    assert whole.to_bytes() == summed(records).to_bytes()


class PowerCutError(Exception):
    """The power failed."""


class Run:
    """A store, a data directory and the learner of the moment."""

    def __init__(self, store: AnyStore, data: Path) -> None:
        publish(data)
        self.store, self.data = store, data
        self.learner = self._new()

    def _new(self) -> Learner:
        return Learner(self.store.read_changes, self.data, chunk=2, clock=lambda: NOW)

    def do(self, doing: tuple[object, ...]) -> None:
        match doing:
            case ("tell", Record() as one):
                assert self.store.submit([Entry(one, since=1 << 60)]).result(30).last_sequence
            case ("erase", int() as subject):
                self.store.delete(record(shows(subject), subject).subject, NOW).result(30)
            case ("step",):
                self.learner.step()
            case ("publish",):
                self.learner.publish()
            case ("save",):
                self.learner.publish(last=True)
            case ("settle",):
                self.store.settle(forgotten_through(self.data), NOW)
            case ("expire",):
                self._expire()
            case ("cut",):
                self._publish_but_cut()
                self.learner = self._new()
            case (str() as lost,):
                self._lose(lost)
                self.learner = self._new()

    def _expire(self) -> None:
        """Outcomes of the type `rated` are kept no more; the twin in memory notes nothing of it."""
        if isinstance(self.store, Store):
            self.store.keep(Keeping({"outcome.rated": 1}, DAY_MS), NOW + 2)

    def _lose(self, lost: str) -> None:
        if lost == "lose cursor":
            (self.data / CURSOR).unlink(missing_ok=True)
        elif lost == "lose check-point":
            for path in self.data.glob("learner/*/*"):
                path.write_bytes(b"damaged")

    def _publish_but_cut(self) -> None:
        """Write the check-points, and nothing else."""

        def cut(*_: object) -> None:
            raise PowerCutError

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(learning, "publish_snapshot", cut)
            patched.setattr(learning, "save_cursor", cut)
            with contextlib.suppress(PowerCutError):
                self.learner.publish(last=True)

    def sums(self) -> Sums:
        while self.learner.step():
            pass
        self.learner.publish(last=True)
        lane = self.learner.lane("main", "home")
        assert lane is not None
        return lane.sums

    def left(self) -> list[Record]:
        return [one for _, one in self.store.read_journal(0, 10_000) if isinstance(one.body, Exposure | Outcome)]


def check(store: AnyStore, data: Path, doings: list[tuple[object, ...]]) -> None:
    run = Run(store, data)
    for doing in doings:
        run.do(doing)
    assert run.sums().to_bytes() == expected(run.left(), PLAN).to_bytes()
    again = Lane(PLAN)
    again.learn([(n, one) for n, one in store.read_journal(0, 10_000) if isinstance(one.body, Exposure | Outcome)], 1)
    assert run.sums().to_bytes() == again.sums.to_bytes()
    store.close()


TELL = [("tell", record(shows(1), 1)), ("tell", record(outcome("d1", "PEARS"), 1)), ("step",), ("save",)]


@given(st.lists(DOINGS, max_size=40))
@example([*TELL, ("erase", 1), ("step",), ("cut",), ("restart",), ("settle",), ("tell", record(shows(4), 1))])
@example([*TELL, ("erase", 1), ("restart",), ("tell", record(shows(1), 1)), ("settle",), ("lose check-point",)])
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sums_are_of_what_is_left(tmp_path_factory: pytest.TempPathFactory, doings: list[tuple[object, ...]]) -> None:
    """Records, erasures, restarts, power cuts and lost files in any order leave the exact sums, as does a replay."""
    check(MemoryStore(), tmp_path_factory.mktemp("data"), doings)


RATINGS = [("tell", record(outcome("d1", item, "rated", 4.0), 1)) for item in ("PEARS", "BREAD")]


@given(st.lists(DOINGS, max_size=25))
@example([*TELL, *RATINGS, ("step",), ("save",), ("expire",), ("step",)])
@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sums_are_of_what_is_left_in_lmdb(
    tmp_path_factory: pytest.TempPathFactory, doings: list[tuple[object, ...]]
) -> None:
    """The same over the real store, where outcomes also expire."""
    data = tmp_path_factory.mktemp("data")
    check(Store.open(data, map_size=64 << 20, allow_overlay=True), data, doings)


def test_what_is_older_than_what_is_held_is_taken_back(tmp_path: Path) -> None:
    """A decision that nothing joins any more, and that is not held, is subtracted from its records."""
    run = Run(MemoryStore(), tmp_path)
    for doing in TELL:
        run.do(doing)
    run.do(("tell", replace(record(shows(2), 2), received_at=NOW + 20 * DAY_MS)))
    run.sums()
    lane = run.learner.lane("main", "home")
    assert lane is not None
    lane.roll(NOW // DAY_MS)  # as whenever all weights are made
    assert lane.joins.lessons("d1") == {}
    run.do(("erase", 1))
    assert run.sums().to_bytes() == expected(run.left(), PLAN).to_bytes()
    assert len(run.left()) == 1


def test_a_new_playbook_learns_from_the_whole_journal(tmp_path: Path) -> None:
    """Other responses are learned anew from every record, while counts and other placements stand where they were."""
    run = Run(MemoryStore(), tmp_path)
    for doing in TELL:
        run.do(doing)
    before = run.sums()
    publish(tmp_path, replace(LEARNING, responses=LEARNING.responses[:1]))
    run.learner.publish()
    cursor = run.learner.cursor
    after = run.sums()
    assert (before.types, after.types, run.learner.cursor) == (2, 1, cursor)
    assert after == expected(run.left(), plan(replace(LEARNING, responses=LEARNING.responses[:1])))
    assert len(list(tmp_path.glob("learner/main/*.lane"))) == 1


def test_worth_is_not_learned(tmp_path: Path) -> None:
    """With other worths, and another half-life, the same lane goes on."""
    publish(tmp_path, FADING)
    learner = Learner(MemoryStore().read_changes, tmp_path)
    lane = learner.lane("main", "home")
    dear = tuple(replace(one, worth=-3.0) for one in LEARNING.responses)
    publish(tmp_path, replace(FADING, responses=dear, half_life_days=60.0))
    learner.publish()
    assert learner.lane("main", "home") is lane
    assert lane is not None
    assert lane.plan.fitting.half_life_days == 60.0


def test_periods_grow_without_a_difference(tmp_path: Path) -> None:
    """Sums that were rolled into weeks and months day by day are those that are rolled once, and can be taken back."""
    fading = plan(FADING)
    told = [
        record(exposure(f"d{day}", shown(0, "APPLES", day, fading), of=fading, decided_at=NOW - day * DAY_MS), 1)
        for day in range(0, 200, 3)
    ]
    today = NOW // DAY_MS
    often, once = Lane(fading), Lane(fading)
    for at, one in enumerate(told, 1):
        often.learn([(at, one)], at)
        often.roll(today - 150 + at)
    often.roll(today)
    once.learn(list(enumerate(told, 1)), len(told))
    once.roll(today)
    assert often.sums.to_bytes() == once.sums.to_bytes()
    assert len(once.sums.days()) < 30
    assert models.LONGEST_BASE_S <= 60.0
