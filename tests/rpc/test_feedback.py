from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

import grpc
import pytest
from harness.server import Refused, Running, purchase
from maitred.v1 import decision_pb2, feedback_pb2, profile_pb2, types_pb2

INVALID, PRECONDITION, DENIED = 3, 9, 7


Answer: TypeAlias = decision_pb2.DecideResponse
Wire: TypeAlias = feedback_pb2.FeedbackEvent


def exposure(subject: str, sequence: int, answer: Answer, **more: object) -> Wire:
    shown = {"decision_id": answer.decisions[0].decision_id, "receipt": answer.receipt, **more}
    return Wire(
        sequence=sequence,
        subject=types_pb2.Subject(id=subject),
        exposure=feedback_pb2.Exposure(**shown),  # type: ignore[arg-type]
    )


def outcome(subject: str, sequence: int, answer: Answer, **more: object) -> Wire:
    decision = answer.decisions[0]
    told = {"type": "purchase", "item": decision.slate[0].item, "decision_id": decision.decision_id}
    return Wire(
        sequence=sequence,
        subject=types_pb2.Subject(id=subject),
        outcome=feedback_pb2.Outcome(**(told | {"receipt": answer.receipt} | more)),  # type: ignore[arg-type]
    )


def counters(server: Running, subject: str) -> dict[tuple[str, str], int]:
    request = profile_pb2.GetProfileRequest(subject=types_pb2.Subject(id=subject))
    profile = server.call("ProfileService/GetProfile", request, profile_pb2.GetProfileResponse)
    return {(one.type, one.item): one.count for one in profile.counters if one.item}


def test_shown_and_bought_is_in_the_profile_once_acknowledged(server: Running) -> None:
    """An exposure counts for each slot that was shown, an outcome under a type of its own, apart from plain events."""
    answer = server.decide("shopper")
    first, second, third = (choice.item for choice in answer.decisions[0].slate)
    result = server.record(
        exposure("shopper", 1, answer, slots=[0, 1]),
        outcome("shopper", 2, answer),
        purchase("shopper", 3, first),
        client="shopper",
    )
    assert (result.accepted, result.duplicates, list(result.refused)) == (3, 0, [])
    assert counters(server, "shopper") == {
        ("exposure", first): 1,
        ("exposure", second): 1,
        ("outcome.purchase", first): 1,
        ("purchase", first): 1,
    }
    assert third not in {item for _, item in counters(server, "shopper")}


def test_a_resend_counts_once(server: Running) -> None:
    """The same client, epoch and sequence again, in whatever batch, is a duplicate; another epoch is not."""
    server.record(purchase("again", 1, "MILK"), client="again")
    result = server.record(purchase("again", 1, "MILK"), purchase("again", 2, "MILK"), client="again")
    assert (result.accepted, result.duplicates) == (1, 1)
    assert server.record(purchase("again", 1, "MILK"), client="again", epoch=2).accepted == 1
    assert counters(server, "again")["purchase", "MILK"] == 3


def test_a_foreign_id_counts_once(server: Running) -> None:
    """An event that brings a UUID of its own needs no sequence and is recognised when it comes again."""
    stamp = int(time.time() * 1000)
    uuid = f"{stamp >> 16:08x}-{stamp & 0xFFFF:04x}-7abc-8def-0123456789ab"
    event = purchase("foreign", 0, "MILK", foreign_id=uuid)
    assert [server.record(event, client="").accepted for _ in range(2)] == [1, 0]


def test_one_wrong_event_costs_only_itself(server: Running) -> None:
    """Of 500 events one is poison; 499 commit, and the refusal names its place, field and what would be right."""
    events = [purchase("batch", number, "MILK") for number in range(1, 501)]
    events[250].event.value = float("nan")
    result = server.record(*events, client="batch")
    assert result.accepted == 499
    (refused,) = result.refused
    assert (refused.index, refused.sequence, refused.code, refused.field) == (250, 251, INVALID, "event.value")
    assert "finite" in refused.message


def wrong_events(answer: decision_pb2.DecideResponse) -> Iterator[tuple[str, feedback_pb2.FeedbackEvent, int, str]]:
    """Name, event, code and field."""
    token = bytearray(answer.receipt)
    token[-1] ^= 1
    hour = 3_600_000
    yield "an edited receipt", exposure("w", 1, answer, receipt=bytes(token)), DENIED, "exposure.receipt"
    yield "no receipt", exposure("w", 1, answer, receipt=b""), INVALID, "exposure.receipt"
    yield "another subject's receipt", exposure("v", 1, answer), DENIED, "exposure.receipt"
    yield "another decision", exposure("w", 1, answer, decision_id="00" * 16), INVALID, "exposure.decision_id"
    yield "a slot that was not filled", exposure("w", 1, answer, slots=[7]), INVALID, "exposure.slots"
    yield "a slot twice", exposure("w", 1, answer, slots=[0, 0]), INVALID, "exposure.slots"
    yield "an item that was not offered", outcome("w", 1, answer, item="CAVIAR"), INVALID, "outcome.item"
    yield "an outcome without a type", outcome("w", 1, answer, type=""), INVALID, "outcome.type"
    yield "an infinite value", outcome("w", 1, answer, value=float("inf")), INVALID, "outcome.value"
    yield "no sequence", purchase("w", 0, "MILK"), INVALID, "sequence"
    yield "no UUID", purchase("w", 1, "MILK", foreign_id="7"), INVALID, "foreign_id"
    yield "no subject", purchase("", 1, "MILK"), INVALID, "subject.id"
    yield "a long id", purchase("x" * 600, 1, "MILK"), INVALID, "subject.id"
    yield "a long item", purchase("w", 1, "X" * 600), INVALID, "event.item"
    yield "a control character", purchase("w", 1, "MI\x00LK"), INVALID, "event.item"
    tomorrow = answer.decided_at_ms + 25 * hour
    yield "the future", purchase("w", 1, "MILK", occurred_at_ms=tomorrow), INVALID, "occurred_at_ms"
    yield "no kind", feedback_pb2.FeedbackEvent(sequence=1, subject=types_pb2.Subject(id="w")), INVALID, "kind"


def test_every_wrong_event_is_refused_by_name(server: Running) -> None:
    """Each kind of wrong event gets its code and field, and nothing of it is kept."""
    answer = server.decide("w")
    for name, event, code, field in wrong_events(answer):
        result = server.record(event, client="wrong")
        assert (result.accepted, [(one.code, one.field) for one in result.refused]) == (0, [(code, field)]), name
    with pytest.raises(Refused, match="nothing is kept"):
        counters(server, "w")


def test_an_expired_receipt_is_void(start: Callable[..., Running]) -> None:
    """A receipt past its validity (here 9 ms) is refused as a precondition that fails."""
    running = start("--set", "receipt_days=0.0000001")
    running.publish()
    answer = running.decide("late")
    result = running.record(exposure("late", 1, answer), client="late")
    sequence = 1
    while not result.refused and sequence < 1_000:
        sequence += 1
        result = running.record(exposure("late", sequence, answer), client="late")
    assert [(one.code, one.field) for one in result.refused] == [(PRECONDITION, "exposure.receipt")]


def test_a_stream_acknowledges_in_order_and_greets_with_what_it_has(server: Running) -> None:
    """Batches are acknowledged through their last sequence once durable; an empty batch tells where to go on."""
    stream: grpc.StreamStreamMultiCallable[bytes, bytes] = server.channel.stream_stream(
        "/maitred.v1.FeedbackService/Stream"
    )

    def batch(*events: feedback_pb2.FeedbackEvent) -> bytes:
        sent = feedback_pb2.FeedbackBatch(client="stream", epoch=3, events=events)
        return feedback_pb2.StreamRequest(batch=sent).SerializeToString()

    requests = [
        batch(),
        batch(*(purchase("s", number, "MILK") for number in range(1, 101))),
        batch(*(purchase("s", number, "MILK") for number in range(51, 151))),
        batch(),
    ]
    answers = [feedback_pb2.StreamResponse.FromString(one) for one in stream(iter(requests), timeout=20)]
    assert [one.acknowledged_through for one in answers] == [0, 100, 150, 150]
    assert [(one.result.accepted, one.result.duplicates) for one in answers] == [(0, 0), (100, 0), (50, 50), (0, 0)]
    assert counters(server, "s") == {("purchase", "MILK"): 150}


def test_a_stream_of_garbage_ends_with_a_status(server: Running) -> None:
    """Bytes that are no message end the stream with INVALID_ARGUMENT, not with a traceback."""
    stream: grpc.StreamStreamMultiCallable[bytes, bytes] = server.channel.stream_stream(
        "/maitred.v1.FeedbackService/Stream"
    )
    with pytest.raises(grpc.RpcError) as ended:
        list(stream(iter([b"\xff\xff\xff"]), timeout=20))
    assert ended.value.code() is grpc.StatusCode.INVALID_ARGUMENT
