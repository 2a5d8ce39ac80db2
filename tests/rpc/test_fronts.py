"""What carries the calls changes nothing of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import grpc
import pytest
from grpc_health.v1 import health_pb2
from harness.server import Refused, Running, purchase
from maitred.v1 import admin_pb2, decision_pb2, feedback_pb2, profile_pb2, types_pb2

INVALID = grpc.StatusCode.INVALID_ARGUMENT


class Wrong(NamedTuple):
    """A request, and all that is said about it."""

    method: str
    request: bytes
    code: grpc.StatusCode
    message: str
    fields: list[str]


def decide(placement: str, subject: str = "x") -> bytes:
    asked = [decision_pb2.PlacementRequest(placement=placement)]
    wire = decision_pb2.DecideRequest(subject=types_pb2.Subject(id=subject), placements=asked)
    return wire.SerializeToString()


NO_REQUESTS = decision_pb2.DecideBatchRequest().SerializeToString()
NOBODY = profile_pb2.GetProfileRequest().SerializeToString()
WRONG = {
    "a wrong name": Wrong(
        "DecisionService/Decide",
        decide("hmoe"),
        grpc.StatusCode.NOT_FOUND,
        "there is no placement 'hmoe'; did you mean home?",
        ["placements"],
    ),
    "a name that is no ASCII": Wrong(
        "DecisionService/Decide",
        decide("100% \u00fcber"),
        grpc.StatusCode.NOT_FOUND,
        "there is no placement '100% \u00fcber'; published are banner, home, lottery",
        ["placements"],
    ),
    "no subject": Wrong(
        "DecisionService/Decide", decide("home", ""), INVALID, "subject.id is missing: 1 to 256 bytes", ["subject.id"]
    ),
    "no bytes": Wrong("DecisionService/Decide", b"", INVALID, "subject.id is missing: 1 to 256 bytes", ["subject.id"]),
    "garbage": Wrong(
        "DecisionService/Decide",
        b"\xff" * 9,
        INVALID,
        "these bytes are no maitred.v1.DecideRequest (or hold text that is not UTF-8)",
        [],
    ),
    "an empty batch": Wrong(
        "DecisionService/DecideBatch", NO_REQUESTS, INVALID, "requests must hold 1 to 256", ["requests"]
    ),
    "no subject of another call": Wrong(
        "ProfileService/GetProfile", NOBODY, INVALID, "subject.id is missing: 1 to 256 bytes", ["subject.id"]
    ),
    "an unknown version": Wrong(
        "AdminService/Rollback",
        admin_pb2.RollbackRequest(version="\u00a7 9").SerializeToString(),
        INVALID,
        "version must be the number of a version, as 7",
        ["version"],
    ),
    "too many bytes": Wrong(
        "DecisionService/Decide",
        bytes(65_537),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "the message has 65537 bytes; at most 65536 are allowed for this call",
        [],
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_refusal_is_the_same_over_every_front(server: Running, name: str) -> None:
    """Status, words and fields of a refusal are those of the table, whatever carries the call."""
    wrong = WRONG[name]
    with pytest.raises(Refused) as refused:
        server.raw(wrong.method, wrong.request)
    told = refused.value
    assert (told.code, told.message, told.fields) == (wrong.code, wrong.message, wrong.fields)


def test_a_compressed_call_is_answered(server: Running) -> None:
    """A message that the client compressed is read, whichever call it is of."""
    batch = feedback_pb2.FeedbackBatch(client="gzip", epoch=1, events=[purchase("g" * 200, 1, "SOAP")])
    packed = {
        "DecisionService/Decide": decide("home", "x" * 200),
        "FeedbackService/Record": feedback_pb2.RecordRequest(batch=batch).SerializeToString(),
    }
    for method, request in packed.items():
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = server.channel.unary_unary(f"/maitred.v1.{method}")
        assert len(call(request, timeout=20, compression=grpc.Compression.Gzip)) > 0


def test_what_grows_too_large_when_unpacked_is_refused(server: Running) -> None:
    """A small body that holds a large message costs a status."""
    decide_: grpc.UnaryUnaryMultiCallable[bytes, bytes] = server.channel.unary_unary(
        "/maitred.v1.DecisionService/Decide"
    )
    with pytest.raises(grpc.RpcError) as refused:
        decide_(bytes(20 * 1024 * 1024), timeout=20, compression=grpc.Compression.Gzip)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_health_of_a_service_that_is_not_known_is_not_told(server: Running) -> None:
    """Check says NOT_FOUND."""
    check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = server.channel.unary_unary("/grpc.health.v1.Health/Check")
    with pytest.raises(grpc.RpcError) as refused:
        check(health_pb2.HealthCheckRequest(service="maitred.v1.Nonsense").SerializeToString(), timeout=20)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_server_that_stops_says_so_first(start: Callable[..., Running]) -> None:
    """After SIGTERM who watches the health hears NOT_SERVING, calls are still answered, and the end is clean."""
    running = start("--set", "drain_s=4")
    running.publish()
    watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = running.channel.unary_stream("/grpc.health.v1.Health/Watch")
    told = watch(health_pb2.HealthCheckRequest().SerializeToString(), timeout=60)
    response = health_pb2.HealthCheckResponse
    assert response.FromString(next(told)).status == response.SERVING
    running.process.terminate()
    assert response.FromString(next(told)).status == response.NOT_SERVING
    assert running.decide("late").decisions[0].slate[0].item == "APPLES"
    told.cancel()
    assert running.process.wait(30) == 0
