"""What a gRPC call is made of."""

from __future__ import annotations

import gzip
import zlib

import pytest
from maitred_server.errors import InvalidRequest, MaitredError, Stopping, TooLarge, TooMany
from maitred_server.rpc.calls import UnderWay

pytest.importorskip("connectrpc", reason="comes with maitred[envoy]")

from maitred_server.rpc.envoy.framed import message, passed, told
from maitred_server.rpc.status import Status

LONG = bytes(18 * 1024 * 1024)


def frame(data: bytes, flag: int = 0) -> bytes:
    return bytes([flag]) + len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (frame(b"hello"), b"identity"),
        (frame(b"hello"), b"gzip"),
        (frame(gzip.compress(b"hello"), 1), b"gzip"),
        (frame(zlib.compress(b"hello"), 1), b"deflate"),
    ],
)
def test_a_frame_holds_its_message(body: bytes, encoding: bytes) -> None:
    """What was framed comes out, packed or not."""
    assert message(body, {b"grpc-encoding": encoding}) == b"hello"


@pytest.mark.parametrize(
    ("body", "encoding", "refusal"),
    [
        (b"", b"identity", InvalidRequest),
        (b"\0\0\0", b"identity", InvalidRequest),
        (frame(b"hello") + b"!", b"identity", InvalidRequest),
        (frame(b"one") + frame(b"two"), b"identity", InvalidRequest),
        (frame(b"hello", 1), b"gzip", InvalidRequest),
        (frame(gzip.compress(b"hello")[:-4], 1), b"gzip", InvalidRequest),
        (frame(b"hello", 1), b"identity", InvalidRequest),
        (frame(b"hello", 1), b"snappy", InvalidRequest),
        (frame(gzip.compress(LONG), 1), b"gzip", TooLarge),
    ],
)
def test_what_is_no_frame_is_refused(body: bytes, encoding: bytes, refusal: type[MaitredError]) -> None:
    """Too short, too long, wrongly packed, or far too large when unpacked."""
    with pytest.raises(refusal):
        message(body, {b"grpc-encoding": encoding})


@pytest.mark.parametrize(
    ("timeout", "over"),
    [(b"0n", True), (b"1n", True), (b"99999999u", False), (b"60000m", False), (b"60S", False), (b"1M", False)],
)
def test_a_deadline_is_digits_and_a_unit(timeout: bytes, over: bool) -> None:
    """A deadline of just now has passed; one in a minute has not."""
    import time

    assert passed(timeout, time.monotonic()) is over


@pytest.mark.parametrize("timeout", [b"", b"S", b"5", b"-1S", b"1.5S", b"123456789S", "\u00b2S".encode()])
def test_what_is_no_deadline_is_refused(timeout: bytes) -> None:
    """It names the header."""
    with pytest.raises(InvalidRequest, match="grpc-timeout"):
        passed(timeout, 0.0)


def test_a_status_is_told_in_headers() -> None:
    """Words are percent-encoded, details are base64 without padding."""
    assert told(Status(5, "50% \u00fc\n", b"\x08\x05"))[1:] == [
        (b"grpc-status", b"5"),
        (b"grpc-message", b"50%25 %C3%BC%0A"),
        (b"grpc-status-details-bin", b"CAU"),
    ]


def test_no_more_calls_than_allowed_are_under_way() -> None:
    """The third of two is refused, and does not count once it was."""
    under_way = UnderWay(2)
    with under_way, under_way, pytest.raises(TooMany), under_way:
        pass
    with under_way:
        pass


async def _closed(under_way: UnderWay) -> None:
    await under_way.close(0.0)


def test_a_server_that_stops_begins_no_call() -> None:
    """Who comes later is told that another one answers."""
    import asyncio

    under_way = UnderWay(2)
    asyncio.run(_closed(under_way))
    with pytest.raises(Stopping), under_way:
        pass
