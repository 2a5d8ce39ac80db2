"""The outbox: bounded, in order, exact in what it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maitred._draft import who
from maitred._feedback import Consents, Event, Exposure, Feedback, Merge, NotForMe, Outcome, Rank, Traits
from maitred._outbox import MAX_PENDING_BYTES, MAX_PENDING_EVENTS, Outbox, open_outbox
from maitred.config import OutboxConfig
from maitred.types import OutboxStatistics, Subject
from maitred.v1 import feedback_pb2, types_pb2

BODIES: dict[Rank, Any] = {
    Rank.EXPOSURE: Exposure("d", (0,), 1, b"r"),
    Rank.EVENT: Event("view", 1.0, "A", "", 1, {}),
    Rank.OUTCOME: Outcome("click", 1.0, "A", "", "d", b"r"),
    Rank.TRAITS: Traits((types_pb2.Trait(name="t"),)),
    Rank.CONSENTS: Consents((types_pb2.Consent(purpose="ads"),)),
    Rank.MERGE: Merge("v"),
    Rank.NOT_FOR_ME: NotForMe("A", "", "", False, "d"),
}


def feedback(rank: Rank = Rank.EVENT, subject: Subject | str = "s", at_ms: int = 1) -> Feedback:
    return Feedback(subject, at_ms, "", "", BODIES[rank])


def batch_of(message: bytes) -> feedback_pb2.FeedbackBatch:
    return feedback_pb2.FeedbackBatch.FromString(message)


def sequences(message: bytes) -> list[int]:
    return [event.sequence for event in batch_of(message).events]


def drain(outbox: Outbox) -> list[str]:
    """The kinds of all that waits, in order."""
    kinds: list[str] = []
    while (batch := outbox.take(500, 1_000_000)) is not None:
        kinds += [str(event.WhichOneof("kind")) for event in batch_of(batch.message).events]
    return kinds


@pytest.fixture(params=["memory", "file"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    """An outbox for five events."""
    made = open_outbox(OutboxConfig(path=None if request.param == "memory" else tmp_path / "outbox", events=5))
    yield made
    made.close()


def test_the_least_dear_and_oldest_goes_first(outbox: Outbox) -> None:
    """A full outbox drops exposures, then events, then outcomes, then traits, the oldest of each first."""
    for rank in (Rank.TRAITS, Rank.OUTCOME, Rank.EVENT, Rank.EXPOSURE, Rank.EXPOSURE):
        outbox.add(feedback(rank))
    for _ in range(4):
        outbox.add(feedback(Rank.TRAITS))
    assert drain(outbox) == ["traits"] * 5
    assert outbox.statistics().dropped == {"exposure": 2, "event": 1, "outcome": 1}


def test_consents_and_merges_outlive_all_else(outbox: Outbox) -> None:
    """A full outbox gives up everything else before a consent or a merge."""
    for rank in (Rank.MERGE, Rank.CONSENTS, Rank.EXPOSURE, Rank.OUTCOME, Rank.TRAITS, Rank.MERGE, Rank.CONSENTS):
        outbox.add(feedback(rank))
    outbox.add(feedback(Rank.CONSENTS))
    assert drain(outbox) == ["merge", "consents", "merge", "consents", "consents"]


def test_what_is_dearer_is_never_dropped_for_less(outbox: Outbox) -> None:
    """An exposure does not push out outcomes: it is dropped itself."""
    for _ in range(5):
        outbox.add(feedback(Rank.OUTCOME))
    outbox.add(feedback(Rank.EXPOSURE))
    assert drain(outbox) == ["outcome"] * 5
    assert outbox.statistics().dropped == {"exposure": 1}


def test_the_bound_holds_in_bytes_too() -> None:
    """An outbox of few bytes keeps few events, and an event that is bigger than all of it is dropped."""
    outbox = Outbox(OutboxConfig(size=500))
    for _ in range(10):
        outbox.add(feedback())
    assert (len(outbox), outbox.statistics().dropped) == (2, {"event": 8})
    outbox.add(Feedback("s", 1, "", "", Exposure("d", (), 1, b"r" * 500)))
    assert (len(outbox), outbox.statistics().dropped) == (2, {"event": 8, "exposure": 1})


def test_batches_are_in_order_and_within_their_limits() -> None:
    """Batches hold at most so many events and bytes, in the order of recording; what does not fit comes next."""
    outbox = Outbox(OutboxConfig())
    for number in range(10):
        outbox.add(feedback(subject=f"s{number}", at_ms=number + 1))
    first = outbox.take(4, 1_000_000)
    assert first is not None
    assert (sequences(first.message), first.last, first.events) == ([1, 2, 3, 4], 4, 4)
    size = len(first.message) // 4
    second = outbox.take(500, 3 * (size + 8))
    assert second is not None
    assert sequences(second.message) == [5, 6, 7]
    assert drain(outbox) == ["event"] * 3


def test_an_event_that_is_bigger_than_a_batch_goes_alone() -> None:
    """A batch has at least one event."""
    outbox = Outbox(OutboxConfig())
    outbox.add(feedback())
    outbox.add(feedback())
    batch = outbox.take(500, 1)
    assert batch is not None
    assert sequences(batch.message) == [1]


def test_after_a_rewind_everything_is_sent_again_in_order(outbox: Outbox) -> None:
    """What was sent and not settled comes first, and is marked as sent again; it counts as sent once."""
    for _ in range(4):
        outbox.add(feedback())
    outbox.take(2, 1_000_000)
    outbox.take(1, 1_000_000)
    outbox.rewind()
    again = outbox.take(500, 1_000_000)
    assert again is not None
    assert (sequences(again.message), again.resent) == ([1, 2, 3, 4], True)
    assert outbox.statistics().sent == 4


def test_settling_counts_each_event_once(outbox: Outbox) -> None:
    """Events up to the acknowledged one are gone: accepted, or refused by status. A second time changes nothing."""
    for _ in range(4):
        outbox.add(feedback())
    outbox.take(3, 1_000_000)
    for _ in range(2):
        outbox.settle(outbox.epoch, 3, {2: "INVALID_ARGUMENT"}, 0)
    statistics = outbox.statistics()
    assert (statistics.acknowledged, statistics.refused, statistics.pending) == (2, {"INVALID_ARGUMENT": 1}, 1)


def test_what_was_not_sent_cannot_be_settled(outbox: Outbox) -> None:
    """An acknowledgement beyond what was sent, or of another epoch, deletes nothing more."""
    for _ in range(4):
        outbox.add(feedback())
    outbox.take(2, 1_000_000)
    outbox.settle(outbox.epoch - 1, 99, {}, 0)
    assert len(outbox) == 4
    outbox.settle(outbox.epoch, 99, {}, 0)
    assert (len(outbox), outbox.statistics().acknowledged) == (2, 2)


def test_pending_feedback_of_one_subject(outbox: Outbox) -> None:
    """A subject's own unsettled events are given out, sent or not, in order and with their numbers; no other's."""
    outbox.add(feedback(subject="s"))
    outbox.add(feedback(subject=Subject("s", "household")))
    outbox.add(feedback(subject="other"))
    outbox.take(1, 1_000_000)
    outbox.add(feedback(subject="s"))
    batch = batch_of(outbox.pending(who("s"), 10_000))
    assert (batch.client, batch.epoch) == (outbox.client, outbox.epoch)
    assert [event.sequence for event in batch.events] == [1, 4]
    assert sequences(outbox.pending(who(Subject("s", "household")), 10_000)) == [2]
    assert outbox.pending(who("nobody"), 10_000) == b""
    outbox.settle(outbox.epoch, 1, {}, 0)
    assert sequences(outbox.pending(who("s"), 10_000)) == [4]


def test_pending_feedback_is_bounded() -> None:
    """The newest 64 events are given out, fewer when they are big or there is little room."""
    outbox = Outbox(OutboxConfig())
    for _ in range(100):
        outbox.add(feedback())
    assert sequences(outbox.pending(who("s"), 60_000)) == list(range(101 - MAX_PENDING_EVENTS, 101))
    assert outbox.pending(who("s"), 5) == b""
    for _ in range(64):
        outbox.add(Feedback("s", 1, "", "", Exposure("d", (), 1, b"r" * 2000)))
    assert MAX_PENDING_BYTES - 2100 < len(outbox.pending(who("s"), 60_000)) <= MAX_PENDING_BYTES + 64


def test_closing_a_memory_outbox_counts_what_is_lost() -> None:
    """Nothing vanishes without being counted."""
    outbox = Outbox(OutboxConfig())
    outbox.add(feedback(Rank.OUTCOME))
    outbox.close()
    outbox.add(feedback(Rank.EVENT))
    assert outbox.statistics().dropped == {"outcome": 1, "event": 1}


def balance(statistics: OutboxStatistics) -> int:
    gone = sum(statistics.refused.values()) + sum(statistics.dropped.values())
    return statistics.pending + statistics.acknowledged + gone


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(list(Rank))),
        st.tuples(st.just("take"), st.integers(1, 4)),
        st.tuples(st.just("settle"), st.integers(0, 20)),
        st.tuples(st.just("rewind"), st.just(0)),
    ),
    max_size=60,
)


@given(ACTIONS)
def test_the_books_balance(actions: list[tuple[str, Any]]) -> None:
    """Whatever happens, recorded = pending + acknowledged + refused + dropped; what waits is never above the bound; and
    what is dear is dropped only when nothing cheaper waits (checked against a plain list)."""
    outbox, model = Outbox(OutboxConfig(events=6)), Model()
    for action, argument in actions:
        if action == "add":
            model.add(argument)
            outbox.add(feedback(argument))
        elif action == "take":
            batch = outbox.take(argument, 1_000_000)
            assert (sequences(batch.message) if batch else []) == model.take(argument)
        elif action == "settle":
            outbox.settle(outbox.epoch, argument, {}, 0)
            model.flying = [one for one in model.flying if one[1] > argument]
        else:
            outbox.rewind()
            model.rewind()
        statistics = outbox.statistics()
        assert balance(statistics) == statistics.recorded
        assert (outbox.waiting, outbox.flying) == (len(model.waiting), len(model.flying))
        assert statistics.dropped == model.dropped
        expected = sorted(number for _, number in model.waiting + model.flying)
        assert sequences(outbox.pending(who("s"), 60_000)) == expected


class Model:
    """What an outbox for six events should hold, as (rank, sequence)."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Rank, int]] = []
        self.flying: list[tuple[Rank, int]] = []
        self.dropped: Counter[str] = Counter()
        self.sequence = 0

    def add(self, rank: Rank) -> None:
        if len(self.waiting) == 6 and min(self.waiting)[0] > rank:
            self.dropped[rank.word] += 1
            return
        self.sequence += 1
        self.waiting.append((rank, self.sequence))
        self.shed()

    def shed(self) -> None:
        while len(self.waiting) > 6:
            cheapest = min(self.waiting)
            self.waiting.remove(cheapest)
            self.dropped[cheapest[0].word] += 1

    def take(self, count: int) -> list[int]:
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        self.flying += taken
        return [number for _, number in taken]

    def rewind(self) -> None:
        self.waiting, self.flying = self.flying + self.waiting, []
        self.shed()
