"""Delivery on a clock that the test moves: every event once, whatever the network does; never a hot loop."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maitred._channel import Receiver
from maitred._delivery import Backoff, Courier, Delivery
from maitred._feedback import Event, Exposure, Feedback
from maitred._outbox import Outbox
from maitred.config import OutboxConfig
from maitred.errors import CallFailed
from maitred.testing import FakeTransport
from maitred.v1 import feedback_pb2

CONFIG = OutboxConfig(linger=0.0)


def view(subject: str = "s") -> Feedback:
    return Feedback(subject, 1, "", "", Event("view", 0.0, "A", "", 1, {}))


class Rig:
    """A courier with its outbox over a transport, on a clock of its own."""

    def __init__(self, transport: Any, config: OutboxConfig = CONFIG) -> None:
        self.now = 0.0
        self.woken = False
        self.outbox = Outbox(config)
        self.courier = Courier(self.outbox, transport, config, self.wake, lambda: self.now)

    def wake(self) -> None:
        self.woken = True

    def add(self, count: int) -> None:
        for number in range(count):
            self.outbox.add(view(f"s{number}"))

    def run(self, seconds: float) -> list[float]:
        """Let time pass as the thread would; gives the times of all steps."""
        until, steps = self.now + seconds, []
        while self.now <= until:
            steps.append(self.now)
            self.woken = False
            wait = self.courier.step()
            if self.woken:
                continue
            if wait is None or self.now + wait > until:
                break
            self.now += max(wait, 0.0) + 1e-6
        self.now = until
        return steps


def test_everything_arrives_once() -> None:
    """Events arrive in batches, in order, and are settled."""
    fake = FakeTransport.serving({})
    rig = Rig(fake)
    rig.add(1234)
    rig.run(1)
    assert [one.subject for one in fake.events] == [f"s{number}" for number in range(1234)]
    statistics = rig.outbox.statistics()
    assert (statistics.sent, statistics.acknowledged, statistics.pending) == (1234, 1234, 0)
    assert fake.streams == 1


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "INTERNAL", "UNIMPLEMENTED"])
def test_an_outage_is_tried_eight_times_in_its_first_minute(code: str) -> None:
    """Whatever the status, there are at most eight tries in the first minute, two a minute later on, and no hot loop;
    and once the cause is gone, everything arrives."""
    fake = FakeTransport.serving({})
    fake.fail(code)
    rig = Rig(fake)
    rig.add(10)
    steps = rig.run(60)
    assert 5 <= fake.streams <= 8
    assert len(steps) <= 3 * fake.streams
    streams = fake.streams
    rig.run(3600)
    assert 90 <= fake.streams - streams <= 160
    fake.heal()
    rig.run(40)
    assert rig.outbox.statistics().acknowledged == len(fake.events) == 10


def test_new_feedback_does_not_hasten_the_next_try() -> None:
    """Recording during an outage makes no more tries."""
    fake = FakeTransport.serving({})
    fake.fail()
    rig = Rig(fake)
    for _ in range(600):
        rig.add(1)
        rig.run(0.1)
    assert fake.streams <= 8


def test_a_stream_that_cannot_even_be_opened_is_an_outage() -> None:
    """Whatever the transport raises, delivery goes on."""

    class Broken(FakeTransport):
        def stream(self, method: str, receiver: Receiver) -> Any:
            self.streams += 1
            raise RuntimeError("can't start new thread")

    fake = Broken({}, 0, 0)
    rig = Rig(fake)
    rig.add(1)
    rig.run(60)
    assert 5 <= fake.streams <= 8
    assert rig.courier.errors["INTERNAL"] == fake.streams


def test_success_ends_the_backoff() -> None:
    """After an outage that was overcome, the next break is met with short pauses again."""
    backoff = Backoff(lambda low, high: 1.0)
    for _ in range(5):
        backoff.failed(0.0)
    assert backoff.next_try == 8.0
    backoff.succeeded()
    backoff.failed(100.0)
    assert backoff.next_try == 100.5


def test_lost_acknowledgements_are_counted_once() -> None:
    """Batches that arrived but whose acknowledgement was lost are sent again; the server counts them once, and so do
    we."""
    fake = FakeTransport.serving({})
    fake.lose_acknowledgements(3)
    rig = Rig(fake)
    rig.add(700)
    rig.run(60)
    statistics = rig.outbox.statistics()
    assert len(fake.events) == 700 < fake.received
    assert (statistics.sent, statistics.acknowledged, statistics.pending) == (700, 700, 0)
    assert statistics.duplicates > 0
    assert rig.courier.retries > 0


def test_a_silent_stream_is_given_up() -> None:
    """A stream on which no acknowledgement comes is broken off after the configured time and a new one is opened."""
    fake = FakeTransport.serving({})
    fake.hang()
    rig = Rig(fake, OutboxConfig(linger=0.0, ack_timeout=5.0))
    rig.add(1)
    rig.run(4.9)
    assert fake.streams == 1
    rig.run(2)
    assert fake.streams == 2
    assert rig.courier.errors == {"DEADLINE_EXCEEDED": 1}


def test_few_batches_are_under_way() -> None:
    """No more batches are sent without acknowledgement than configured."""
    fake = FakeTransport.serving({})
    fake.hang()
    rig = Rig(fake, OutboxConfig(linger=0.0, batches_in_flight=2))
    rig.add(5000)
    rig.run(1)
    assert (rig.outbox.flying, rig.outbox.waiting) == (1000, 4000)


def test_events_gather_for_a_moment() -> None:
    """An event waits for others up to the linger; when somebody waits for it, it does not."""
    fake = FakeTransport.serving({})
    rig = Rig(fake, OutboxConfig(linger=0.02))
    rig.add(1)
    assert rig.courier.step() == 0.02
    assert fake.received == 0
    rig.courier.hurry_up()
    rig.courier.step()
    assert fake.received == 1


class Scripted:
    """A transport whose streams answer each batch with what `answer` makes of it."""

    def __init__(self, answer: Callable[[feedback_pb2.FeedbackBatch], bytes | CallFailed | None]) -> None:
        self.answer = answer
        self.streams = 0

    def stream(self, method: str, receiver: Receiver) -> Any:
        self.streams += 1
        return _ScriptedStream(self, receiver)


class _ScriptedStream:
    def __init__(self, transport: Scripted, receiver: Receiver) -> None:
        self.transport = transport
        self.receiver = receiver

    def send(self, message: bytes) -> None:
        answer = self.transport.answer(feedback_pb2.StreamRequest.FromString(message).batch)
        if answer is not None:
            self.receiver(answer)

    def close(self) -> None:
        self.receiver(CallFailed("CANCELLED"))


def test_refused_events_are_counted_by_status_and_not_sent_again() -> None:
    """What the server refuses for good is gone, counted; the others of its batch are acknowledged."""

    def answer(batch: feedback_pb2.FeedbackBatch) -> bytes:
        refused = [
            feedback_pb2.RefusedEvent(index=1, sequence=2, code=7),
            feedback_pb2.RefusedEvent(sequence=3, code=99),
        ]
        result = feedback_pb2.BatchResult(accepted=1, refused=refused)
        return feedback_pb2.StreamResponse(
            client=batch.client, epoch=batch.epoch, acknowledged_through=3, result=result
        ).SerializeToString()

    transport = Scripted(answer)
    rig = Rig(transport)
    rig.add(3)
    rig.run(60)
    statistics = rig.outbox.statistics()
    assert (statistics.acknowledged, statistics.refused) == (1, {"PERMISSION_DENIED": 1, "UNKNOWN": 1})
    assert (statistics.pending, transport.streams) == (0, 1)


@pytest.mark.parametrize("through", [0, None])
def test_an_answer_that_acknowledges_nothing_is_no_hot_loop(through: int | None) -> None:
    """A server that answers without acknowledging, or answers nonsense, is tried again with pauses, like an outage."""

    def answer(batch: feedback_pb2.FeedbackBatch) -> bytes:
        if through is None:
            return b"\xff\xff\xff"
        result = feedback_pb2.BatchResult(accepted=1)
        return feedback_pb2.StreamResponse(client=batch.client, epoch=batch.epoch, result=result).SerializeToString()

    transport = Scripted(answer)
    rig = Rig(transport)
    rig.add(1)
    steps = rig.run(60)
    assert 5 <= transport.streams <= 8
    assert len(steps) < 40
    assert len(rig.outbox) == 1


def test_another_clients_acknowledgement_is_not_ours() -> None:
    """An acknowledgement that names another client settles nothing."""

    def answer(batch: feedback_pb2.FeedbackBatch) -> bytes:
        response = feedback_pb2.StreamResponse(client="other", epoch=batch.epoch, acknowledged_through=99)
        return response.SerializeToString()

    rig = Rig(Scripted(answer))
    rig.add(1)
    rig.run(1)
    assert len(rig.outbox) == 1


@given(st.integers(0, 2**32), st.integers(1, 200), st.floats(0, 0.9))
def test_any_breaks_at_all(seed: int, count: int, rate: float) -> None:
    """However often calls break, before or after the server took a batch in, every event is counted there once, and
    here as often as there."""
    dice = random.Random(seed)
    seen: set[int] = set()

    def answer(batch: feedback_pb2.FeedbackBatch) -> bytes | CallFailed:
        if dice.random() < rate / 2:
            return CallFailed("UNAVAILABLE", "before")
        new = {event.sequence for event in batch.events} - seen
        seen.update(new)
        if dice.random() < rate / 2:
            return CallFailed("UNAVAILABLE", "after")
        result = feedback_pb2.BatchResult(accepted=len(new), duplicates=len(batch.events) - len(new))
        through = max(event.sequence for event in batch.events)
        return feedback_pb2.StreamResponse(
            client=batch.client, epoch=batch.epoch, acknowledged_through=through, result=result
        ).SerializeToString()

    rig = Rig(Scripted(answer))
    for _ in range(4):
        rig.add(count)
        rig.run(dice.random() * 5)
    rig.run(4000)
    statistics = rig.outbox.statistics()
    assert len(seen) == statistics.acknowledged == statistics.sent == 4 * count


def test_what_a_stream_that_was_given_up_says_is_not_heard() -> None:
    """An acknowledgement that comes over an old stream, after a new one was opened, changes nothing by itself."""
    receivers: list[Receiver] = []

    class Silent:
        def stream(self, method: str, receiver: Receiver) -> Any:
            receivers.append(receiver)
            return self

        def send(self, message: bytes) -> None: ...
        def close(self) -> None: ...

    rig = Rig(Silent(), OutboxConfig(linger=0.0, ack_timeout=1.0))
    rig.add(1)
    rig.run(2.5)
    assert len(receivers) == 2
    receivers[0](CallFailed("UNAVAILABLE"))
    rig.run(0.1)
    assert len(receivers) == 2


def test_ten_times_too_much_keeps_memory_flat_and_the_books_exact() -> None:
    """With the queue full ten times over, it holds its bound, and what it gave up is counted to the event."""
    fake = FakeTransport.serving({})
    fake.fail()
    config = OutboxConfig(events=200)
    outbox = Outbox(config)
    delivery = Delivery(outbox, fake, config)
    for number in range(2000):
        body = Exposure("d", (), 1, b"r") if number % 2 else Event("view", 0.0, "A", "", 1, {})
        outbox.add(Feedback("s", 1, "", "", body))
        delivery.poke()
        assert len(outbox) <= 200
    fake.heal()
    assert delivery.flush(20)
    statistics = outbox.statistics()
    assert statistics.dropped == {"exposure": 1000, "event": 800}
    assert statistics.acknowledged == len(fake.events) == 200
    delivery.close(1)


def test_closing_delivers_by_single_calls_what_the_stream_cannot() -> None:
    """When no stream can be opened any more (the process is ending), `close` delivers what is left by calls."""

    class NoStreams(FakeTransport):
        def stream(self, method: str, receiver: Receiver) -> Any:
            raise RuntimeError("can't start new thread at interpreter shutdown")

    fake = NoStreams({}, 0, 0)
    outbox = Outbox(CONFIG)
    delivery = Delivery(outbox, fake, CONFIG)
    for number in range(700):
        outbox.add(view(f"s{number}"))
    delivery.poke()
    delivery.close(20)
    assert len(fake.events) == outbox.statistics().acknowledged == 700
