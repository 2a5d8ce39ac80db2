"""A gRPC call of Decide takes one of two ways through Envoy: on its own thread, where that was compiled, or by ASGI."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path

import grpc
import pytest
from harness.server import Refused, Running, eventually
from maitred.v1 import decision_pb2, types_pb2

pytest.importorskip("pyvoy", reason="pyvoy has no wheel for this platform")

from maitred_server.rpc.envoy.bootstrap import KNOWN_ENVOY, Bootstrap, configuration

DECIDE = "/maitred.v1.DecisionService/Decide"
BATCH = "DecisionService/DecideBatch"
COMPILED = pytest.mark.skipif(
    find_spec("maitred_server.compiled.inside") is None, reason="nothing was compiled here; ASGI is tested"
)
Start = Callable[..., AbstractContextManager[Running]]
WAYS = [pytest.param("0", id="inside", marks=COMPILED), pytest.param("1", id="asgi")]


@contextmanager
def running(folder: Path, pure: str, *options: str) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MAITRED_PURE_PYTHON", pure)
        server = Running(folder / "data", *options, front="envoy")
    yield server
    assert server.stop() == 0
    told = server.log.read_text()
    assert ("slow_front" in told, "Traceback" in told, "callback_failed" in told) == (False, False, False)


@pytest.fixture(scope="module", params=WAYS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("ways"), request.param) as one:
        one.publish()
        yield one


@pytest.fixture(params=WAYS)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    """Makes a server of a test's own."""
    return lambda *options: running(tmp_path, request.param, *options)


def asking(subject: str, placement: str = "home") -> decision_pb2.DecideRequest:
    asked = [decision_pb2.PlacementRequest(placement=placement)]
    return decision_pb2.DecideRequest(subject=types_pb2.Subject(id=subject), placements=asked)


class Half:
    """A call whose headers are sent, and whose message is not until `end`."""

    def __init__(self, server: Running) -> None:
        self._more = threading.Event()
        self._channel = grpc.insecure_channel(server.target, options=[("grpc.use_local_subchannel_pool", 1)])
        call: grpc.StreamUnaryMultiCallable[bytes, bytes] = self._channel.stream_unary(DECIDE)
        self.answer = call.future(self._parts(), timeout=30)

    def _parts(self) -> Iterator[bytes]:
        self._more.wait(30)
        yield asking("half").SerializeToString()

    def end(self) -> None:
        self._more.set()

    def close(self) -> None:
        self._more.set()
        self._channel.close()


@pytest.mark.skipif(find_spec("maitred_server.compiled.inside") is None, reason="nothing was compiled here")
def test_the_installed_envoy_is_one_that_the_filter_knows() -> None:
    """Envoy is told to load the filter before pyvoy; with another Envoy than the known one it would not be."""
    made = configuration(Bootstrap("a:b", "127.0.0.1", 1, Path("admin"), 9, json_log=True))
    http = made["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    assert [one["name"] for one in http["http_filters"]] == ["inside", "pyvoy"], f"is Envoy not {KNOWN_ENVOY}*?"


def test_a_message_that_comes_in_many_parts_is_put_together(server: Running) -> None:
    """A batch of 256 subjects of 200 bytes is more than two frames of HTTP/2, and all are answered."""
    requests = [asking(f"{number:0200}") for number in range(256)]
    wire = decision_pb2.DecideBatchRequest(requests=requests).SerializeToString()
    answer = decision_pb2.DecideBatchResponse.FromString(server.raw(BATCH, wire))
    assert [len(one.response.decisions[0].slate) for one in answer.results] == [3] * 256


def test_a_message_that_comes_late_is_answered(server: Running) -> None:
    """Headers now, the message after another call."""
    half = Half(server)
    server.decide("other")
    half.end()
    assert len(decision_pb2.DecideResponse.FromString(half.answer.result()).decisions) == 1
    half.close()


@pytest.mark.parametrize("size", [2 * 1024 * 1024, 18 * 1024 * 1024])
def test_what_is_too_large_is_refused(server: Running, size: int) -> None:
    """Over the limit of the call, and over that of any."""
    with pytest.raises(Refused) as refused:
        server.raw(BATCH, bytes(size))
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_call_without_a_body_is_refused(server: Running) -> None:
    """Headers that end the stream get a status, which says what a body must be."""
    connection = http.client.HTTPConnection(server.target, timeout=20)
    connection.request("POST", DECIDE, headers={"content-type": "application/grpc"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["grpc-status"]) == (200, "3")
    assert "one gRPC frame" in answer.headers["grpc-message"]
    connection.close()


def test_another_content_type_is_not_ours(server: Running) -> None:
    """What is no gRPC goes to the library: JSON that is no JSON is its business."""
    connection = http.client.HTTPConnection(server.target, timeout=20)
    connection.request("POST", DECIDE, b"{", {"content-type": "application/json"})
    assert connection.getresponse().status == 400
    connection.close()


def test_a_status_has_its_details(server: Running) -> None:
    """Words that are no ASCII and the field come as they were said."""
    with pytest.raises(Refused) as refused:
        server.raw("DecisionService/Decide", asking("x", "\u00fcber").SerializeToString())
    assert (refused.value.code, refused.value.fields) == (grpc.StatusCode.NOT_FOUND, ["placements"])
    assert "\u00fcber" in refused.value.message


def held(server: Running) -> Half:
    """A call that is under way on a server that lets one be: others are refused."""
    half = Half(server)
    assert eventually(lambda: half.answer.done() or outcome(server) == grpc.StatusCode.RESOURCE_EXHAUSTED)
    if not half.answer.done():
        return half
    half.close()  # it came while another asked, and was refused itself
    return held(server)


def outcome(server: Running) -> grpc.StatusCode | None:
    try:
        server.decide("x")
    except Refused as refused:
        return refused.code
    return None


def test_calls_under_way_are_limited_and_waited_for(start: Start) -> None:
    """One whose message is to come is under way: others are refused until it was answered or its client is gone, and a
    stop waits for it.
    """
    with start("--set", "max_concurrent_calls=1") as server:
        server.publish()
        first = held(server)
        first.end()
        assert len(first.answer.result()) > 0
        first.close()
        assert eventually(lambda: outcome(server) is None)
        held(server).close()
        assert eventually(lambda: outcome(server) is None)
        last = held(server)
        server.process.terminate()
        assert eventually(lambda: "stopping" in server.log.read_text())
        last.end()
        assert len(last.answer.result()) > 0
        last.close()
        assert server.process.wait(30) == 0
