"""The load driver, against a server that the test controls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from maitred_tools import load
from maitred_tools.load import Load

SERVICE = "maitred.v1.DecisionService"
THREADS = 32


@contextmanager
def serving(answer: Callable[[bytes, grpc.ServicerContext], bytes]) -> Iterator[str]:
    """A server of one call on any free port."""
    handler: Any = grpc.unary_unary_rpc_method_handler(answer)
    server = grpc.server(ThreadPoolExecutor(THREADS))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("maitred.v1.DecisionService", {"Decide": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


class Server:
    """Remembers what it was sent and how many calls were under way at once."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.most_at_once = 0
        self._lock = threading.Lock()
        self._at_once = 0

    def answer(self, request: bytes, context: Any) -> bytes:
        with self._lock:
            self.received.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        with self._lock:
            self._at_once -= 1
        return b"answer"


@pytest.mark.parametrize("rate", [None, 2000.0])
def test_every_call_is_made_once(rate: float | None) -> None:
    """A load makes exactly its calls, taking turns through its requests, in either kind of loop."""
    server = Server()
    with serving(server.answer) as target:
        result = load.run(target, Load([b"a", b"b", b"c"], calls=60, connections=3, rate=rate))
    assert sorted(server.received) == [b"a"] * 20 + [b"b"] * 20 + [b"c"] * 20
    assert (result.answered, dict(result.failures)) == (60, {})


def test_a_closed_loop_has_one_call_a_connection() -> None:
    """Never more calls are under way than there are connections."""
    server = Server()
    with serving(server.answer) as target:
        load.run(target, Load([b""], calls=200, connections=2))
    assert 1 <= server.most_at_once <= 2


def test_an_open_loop_feels_a_stall_in_every_call_it_delayed() -> None:
    """While the server stalls, calls go out as intended, and each one's latency counts from its intended time."""
    calls, rate = 20, 200.0
    everybody_came = threading.Barrier(calls)

    def stalled(request: bytes, context: Any) -> bytes:
        everybody_came.wait(timeout=10)
        return b""

    with serving(stalled) as target:
        result = load.run(target, Load([b""], calls, rate=rate))
    assert result.answered == calls
    # The last call was due 19/200 s after the first, and no answer came before it: half waited at least 9/200 s.
    assert result.percentile(50) >= 0.99e6 * 9 / rate
    assert result.percentile(100) >= 0.99e6 * 19 / rate


def test_failures_are_counted_by_status() -> None:
    """A call that fails is counted under its status code and has no latency."""

    def refuse(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")

    with serving(refuse) as target:
        result = load.run(target, Load([b""], calls=10))
    assert dict(result.failures) == {"RESOURCE_EXHAUSTED": 10}
    assert result.answered == 0


@pytest.mark.parametrize("target", ["192.168.1.1:7400", "10.0.0.1:7400", "example.com:80", "7400", "0.0.0.0:7400"])
def test_other_machines_are_refused(target: str) -> None:
    """Load is put on this machine only: any address but a loopback one is refused before anything is sent."""
    with pytest.raises(ValueError, match="loopback"):
        load.run(target, Load([b""], calls=1))


@pytest.mark.parametrize("target", ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.8.9.10:1"])
def test_loopback_addresses_are_accepted(target: str) -> None:
    """All names of this machine's loopback are accepted."""
    load.refuse_other_machines(target)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"requests": []}, "at least one request"),
        ({"calls": 0}, "calls"),
        ({"calls": load.MOST_CALLS + 1}, "calls"),
        ({"rate": 0.0}, "rate"),
        ({"rate": float("nan")}, "rate"),
    ],
)
def test_a_load_is_bounded(wrong: dict[str, Any], says: str) -> None:
    """A load without an end, or of nothing, cannot be made."""
    fields: dict[str, Any] = {"requests": [b""], "calls": 1}
    with pytest.raises(ValueError, match=says):
        Load(**(fields | wrong))


def test_requests_come_back_from_their_file(tmp_path: Path) -> None:
    """What is saved is read, empty messages too."""
    requests = [b"", b"one", b"\0" * 70_000]
    load.save_requests(tmp_path / "requests", requests)
    assert load.read_requests(tmp_path / "requests") == requests
