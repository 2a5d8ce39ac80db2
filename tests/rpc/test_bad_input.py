"""Whatever bytes come, the answer is a status, and the server goes on."""

from __future__ import annotations

import grpc
import pytest
from harness.server import Refused, Running
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred.v1 import decision_pb2, types_pb2
from maitred_server.rpc.handlers import METHODS

UNARY = [name for name, method in METHODS.items() if not method.streams]
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def request(**changes: object) -> decision_pb2.DecideRequest:
    usual: dict[str, object] = {
        "subject": types_pb2.Subject(id="x"),
        "placements": [decision_pb2.PlacementRequest(placement="home")],
    }
    return decision_pb2.DecideRequest(**(usual | changes))  # type: ignore[arg-type]


def placement(name: str, slots: int = 0) -> decision_pb2.PlacementRequest:
    return decision_pb2.PlacementRequest(placement=name, slots=slots)


WRONG: dict[str, tuple[decision_pb2.DecideRequest, grpc.StatusCode, str]] = {
    "no subject": (request(subject=None), INVALID, "subject.id"),
    "an empty id": (request(subject=types_pb2.Subject(id="")), INVALID, "subject.id"),
    "an id of 512 bytes": (request(subject=types_pb2.Subject(id="x" * 512)), INVALID, "subject.id"),
    "an id of 130 wide characters": (request(subject=types_pb2.Subject(id="\u20ac" * 130)), INVALID, "subject.id"),
    "an unknown kind": (request(subject=types_pb2.Subject(id="x", kind=99)), INVALID, "subject.kind"),  # type: ignore[arg-type]
    "no placement": (request(placements=[]), INVALID, "placements"),
    "17 placements": (request(placements=[placement(f"p{number}") for number in range(17)]), INVALID, "placements"),
    "a placement twice": (request(placements=[placement("home"), placement("home")]), INVALID, "placements"),
    "51 slots": (request(placements=[placement("home", 51)]), INVALID, "placements[0].slots"),
    "an unknown placement": (request(placements=[placement("hmoe")]), grpc.StatusCode.NOT_FOUND, "placements"),
    "a long placement": (request(placements=[placement("p" * 600)]), INVALID, "placements[0].placement"),
    "NaN": (request(context={"age": types_pb2.Value(number=float("nan"))}), INVALID, "context[age]"),
    "infinity": (request(context={"age": types_pb2.Value(number=float("-inf"))}), INVALID, "context[age]"),
    "a year 3000": (request(context={"at": types_pb2.Value(time_ms=32_503_680_000_000)}), INVALID, "context[at]"),
    "no value": (request(context={"age": types_pb2.Value()}), INVALID, "context[age]"),
    "65 keys": (request(context={f"k{n}": types_pb2.Value(flag=True) for n in range(65)}), INVALID, "context"),
    "a long text": (request(context={"t": types_pb2.Value(text="x" * 1025)}), INVALID, "context[t]"),
    "nine aliases": (
        request(subject=types_pb2.Subject(id="x", aliases=[types_pb2.SubjectAlias(id="a")] * 9)),
        INVALID,
        "subject.aliases",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_field_is_named(server: Running, name: str) -> None:
    """Each wrong request gets its status and the path of its field, and repeats no subject id."""
    wrong, code, field = WRONG[name]
    with pytest.raises(Refused) as refused:
        server.call("DecisionService/Decide", wrong, decision_pb2.DecideResponse)
    assert (refused.value.code, refused.value.fields) == (code, [field])
    assert "xxxx" not in refused.value.message


BAD_TEXT = b"\x03\xff\xfe\xfd"
NOT_UTF8 = {
    "DecisionService/Decide": b"\x0a\x05\x12" + BAD_TEXT,  # subject.id
    "FeedbackService/Record": b"\x0a\x05\x0a" + BAD_TEXT,  # batch.client
    "ProfileService/GetProfile": b"\x0a\x05\x12" + BAD_TEXT,  # subject.id
    "AdminService/Publish": b"\x12" + BAD_TEXT,  # author
}


@pytest.mark.parametrize("method", UNARY)
@pytest.mark.parametrize("data", [b"\xff" * 40, b"\x0b" * 5_000], ids=["garbage", "deep"])
def test_bytes_that_are_no_message_are_refused(server: Running, method: str, data: bytes) -> None:
    """Garbage and deep nesting are INVALID_ARGUMENT on every call."""
    with pytest.raises(Refused) as refused:
        server.raw(method, data)
    assert refused.value.code is INVALID


@pytest.mark.parametrize("method", NOT_UTF8)
def test_text_that_is_not_utf8_is_refused(server: Running, method: str) -> None:
    """Invalid UTF-8 is INVALID_ARGUMENT, and the message says that it may be that."""
    with pytest.raises(Refused, match="UTF-8") as refused:
        server.raw(method, NOT_UTF8[method])
    assert refused.value.code is INVALID


@pytest.mark.parametrize("method", [name for name in UNARY if METHODS[name].limit <= 8 * 1024 * 1024])
def test_a_message_over_its_limit_is_refused(server: Running, method: str) -> None:
    """Each call has a limit of its own, and says it."""
    with pytest.raises(Refused, match=str(METHODS[method].limit)) as refused:
        server.raw(method, bytes(METHODS[method].limit + 1))
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_call_that_does_not_exist_is_unimplemented(server: Running) -> None:
    """An unknown method says so."""
    with pytest.raises(Refused) as refused:
        server.raw("DecisionService/Guess", b"")
    assert refused.value.code is grpc.StatusCode.UNIMPLEMENTED


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200), method=st.sampled_from([name for name in UNARY if name != "AdminService/Publish"]))
def test_random_bytes_never_meet_a_defect(server: Running, data: bytes, method: str) -> None:
    """No bytes make the server answer INTERNAL or stop answering."""
    assert outcome_of(server, method, data) not in ("INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED")


def outcome_of(server: Running, method: str, data: bytes) -> str:
    try:
        server.raw(method, data)
    except Refused as refused:
        return refused.code.name
    return "OK"


def test_the_log_holds_no_subject_id(server: Running) -> None:
    """Ids of subjects that were decided for, recorded and refused are nowhere in the log."""
    secret = "canary-7f3a9c"
    server.decide(secret)
    with pytest.raises(Refused):
        server.call(
            "DecisionService/Decide",
            request(subject=types_pb2.Subject(id=secret), placements=[placement("nowhere")]),
            decision_pb2.DecideResponse,
        )
    assert secret not in server.log.read_text()
