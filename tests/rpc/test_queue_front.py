"""The front on the completion queue: calls that end early, clients that leave, and what is left of them."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2
from harness.server import Running, eventually
from maitred.v1 import feedback_pb2
from maitred_server.rpc import front as fronts
from maitred_server.rpc.access import Access, Caller
from maitred_server.rpc.durable import Durable
from maitred_server.rpc.grpc_front import GrpcFront
from maitred_server.rpc.handlers import Handlers
from maitred_server.rpc.queue import serving
from maitred_server.rpc.queue_front import QueueFront
from maitred_server.rpc.watch import Subscription, Told
from maitred_server.telemetry import Telemetry

DECIDE, PUT, STREAM, WATCH = (
    f"/maitred.v1.{name}"
    for name in (
        "DecisionService/Decide",
        "ProfileService/PutTraits",
        "FeedbackService/Stream",
        "DecisionService/Watch",
    )
)
HEALTH = "/grpc.health.v1.Health/Watch"
Code = grpc.StatusCode


class Echo:
    """Stands for the handlers: gives back what it gets; what it is told to keep waits for a disk that never answers."""

    def __init__(self) -> None:
        self.streams: list[Subscription] = []
        self.kept: list[Future[None]] = []

    def call(self, name: str, data: bytes, caller: Caller) -> bytes | Durable:
        if data == b"defect":
            raise ValueError("anna@example.org")
        if name.startswith("DecisionService"):
            return data
        future: Future[None] = Future()
        if data == b"keep":
            self.kept.append(future)
        else:
            future.set_result(None)
        return Durable(future, lambda _: data)

    def open(self, name: str, data: bytes, caller: Caller, wake: Callable[[], None]) -> Subscription:
        self.streams.append(Subscription(caller.brand, wake, self.streams.remove))
        self.streams[-1].begin(Told(1, "1", items=frozenset({"x" * 4_000_000} if data == b"much" else ())), 0.0)
        return self.streams[-1]

    def close(self) -> None:
        for one in self.streams:
            one.end()


class Fronted:
    """A front in the event loop of a thread, and a channel to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, access: Access | None = None, most: int = 100) -> None:
        self.echo = Echo()
        self.telemetry = Telemetry()
        self.loop = loop
        self._access = access or Access.open_to_all("shop")
        self._most = most
        self._thread = threading.Thread(target=loop.run_forever)
        self._thread.start()
        self._stopped = False
        port = self._run(self._begin())
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_send_message_length", -1)])

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    async def _begin(self) -> int:
        handlers = cast(Handlers, self.echo)
        self._front = QueueFront(handlers, self._access, self.telemetry, max_calls=self._most)
        port = self._front.bind("127.0.0.1:0")
        await self._front.start()
        return port

    def stop(self, stop_s: float) -> None:
        if not self._stopped:
            self._run(self._front.stop(0, stop_s))
        self._stopped = True

    def tasks(self) -> int:
        async def count() -> int:
            return len(asyncio.all_tasks()) - 1

        return int(self._run(count()))

    def call(self, method: str, data: bytes, timeout: float = 20, **how: Any) -> bytes:
        unary: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(method)
        return unary(data, timeout=timeout, **how)

    def refused(self, method: str, data: bytes, timeout: float = 20, **how: Any) -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as refused:
            self.call(method, data, timeout, **how)
        return refused.value.code()

    def streamed(self, method: str, messages: Iterator[bytes], timeout: float | None = 20) -> Any:
        stream: grpc.StreamStreamMultiCallable[bytes, bytes] = self.channel.stream_stream(method)
        return stream(messages, timeout=timeout)

    def close(self) -> None:
        self.channel.close()
        self.stop(0)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Saying:
    """Messages of a client that has more to say, but does not."""

    def __init__(self, *messages: bytes) -> None:
        self._messages = iter(messages)
        self._over = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        yield from self._messages
        self._over.wait(20)

    def end(self) -> None:
        self._over.set()


@pytest.fixture(params=["asyncio", "uvloop"])
def begin(request: pytest.FixtureRequest) -> Iterator[Callable[..., Fronted]]:
    """Begin fronts, which end with the test."""
    make = pytest.importorskip(request.param).new_event_loop
    begun: list[Fronted] = []

    def begin_one(**how: Any) -> Fronted:
        begun.append(Fronted(make(), **how))
        return begun[-1]

    yield begin_one
    for one in begun:
        one.close()


@pytest.fixture
def saying() -> Iterator[Callable[..., Iterator[bytes]]]:
    """Make messages of clients that wait; they go on at the end of the test."""
    made: list[Saying] = []

    def say(*messages: bytes) -> Iterator[bytes]:
        made.append(Saying(*messages))
        return iter(made[-1])

    yield say
    for one in made:
        one.end()


Say = Callable[..., Iterator[bytes]]
Begin = Callable[..., Fronted]


@pytest.mark.parametrize("method", [DECIDE, PUT])
def test_calls_that_end_before_their_message_leave_room_for_others(begin: Begin, saying: Say, method: str) -> None:
    """Whether by the client or by the deadline: such calls count as under way as long as they last, and no longer."""
    front = begin(most=2)
    front.call(DECIDE, b"x")  # connects, so that calls come in their order from now on
    idle = front.tasks()
    waiting = [front.streamed(method, saying(), timeout) for timeout in (None, 1.5)]
    assert eventually(lambda: begun(front, method, idle) and busy(front))
    waiting[0].cancel()
    assert eventually(lambda: not busy(front))
    assert waiting[1].code() is Code.DEADLINE_EXCEEDED
    assert eventually(lambda: front.tasks() == idle)
    waiting += [front.streamed(method, saying(), None) for _ in range(2)]
    assert eventually(lambda: begun(front, method, idle) and busy(front))
    for one in waiting:
        one.cancel()
    assert eventually(lambda: not busy(front))


def begun(front: Fronted, method: str, idle: int) -> bool:
    """Whether two calls are counted: before that, to ask how busy a front is could keep one of them out."""
    return method == DECIDE or (front.tasks() == idle + 2 and front.tasks() == idle + 2)


def busy(front: Fronted) -> bool:
    """Whether too many calls are under way."""
    try:
        return front.call(DECIDE, b"x") != b"x"
    except grpc.RpcError as error:
        return error.code() is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("method", [DECIDE, PUT])
def test_a_call_without_a_message_is_refused(begin: Begin, method: str) -> None:
    """It ends with a status, and does not wait for ever."""
    assert begin().streamed(method, iter(())).code() is Code.UNIMPLEMENTED


def test_a_call_that_waits_for_the_disk_ends_with_its_client(begin: Begin) -> None:
    """After the deadline its task is gone, and what it waited for is called off."""
    front = begin()
    idle = front.tasks()
    assert front.refused(PUT, b"keep", timeout=0.5) is Code.DEADLINE_EXCEEDED
    assert eventually(lambda: front.tasks() == idle)
    assert front.echo.kept[0].cancelled()


def test_streams_end_with_their_clients(begin: Begin, saying: Say) -> None:
    """While they wait for messages, for the disk with more batches than are taken up at once, for news, or for a client
    that does not read.
    """
    front = begin()
    idle = front.tasks()
    streams = [front.streamed(STREAM, saying()), front.streamed(STREAM, saying(*[b"keep"] * 20))]
    streams += [front.streamed(WATCH, saying(data)) for data in (b"little", b"much")]
    streams.append(front.streamed(HEALTH, saying(b"")))
    assert eventually(lambda: len(front.echo.kept) >= 8 and len(front.echo.streams) == 2)
    for one in streams:
        one.cancel()
    assert eventually(lambda: front.tasks() == idle)
    assert front.echo.streams == []


def test_a_stop_with_open_streams_ends_in_time(begin: Begin, saying: Say) -> None:
    """Streams that only tell end as they should; what waits for others is cancelled; no thread is left."""
    front = begin()
    telling = [front.streamed(WATCH, saying(b"")), front.streamed(HEALTH, saying(b""))]
    waiting = [front.streamed(method, saying()) for method in (STREAM, DECIDE, PUT)]
    waiting.append(front.streamed(STREAM, saying(*[b"keep"] * 20)))
    assert [len(next(one)) > 0 for one in telling] == [True, True]
    assert eventually(lambda: len(front.echo.kept) >= 8)
    front.stop(0.3)
    assert [len(list(one)) for one in telling] == [0, 1]  # the health says NOT_SERVING
    assert {one.code() for one in waiting} <= {Code.CANCELLED, Code.UNAVAILABLE}
    assert eventually(lambda: "calls" not in [thread.name for thread in threading.enumerate()])
    assert front.refused(DECIDE, b"late") is Code.UNAVAILABLE


@pytest.mark.parametrize("method", [DECIDE, PUT, STREAM])
def test_a_defect_is_told_without_data_and_the_thread_lives_on(
    begin: Begin, capfd: pytest.CaptureFixture[str], method: str
) -> None:
    """INTERNAL, counted, and logged by its place; what comes afterwards is answered."""
    front = begin()
    failed = front.streamed(method, iter([b"defect"]))
    assert (failed.code(), "example" in failed.details()) == (Code.INTERNAL, False)
    assert front.call(DECIDE, b"after") == b"after"
    written = "".join(capfd.readouterr())
    assert ("call_failed" in written, "anna" in written, "Traceback" in written) == (True, False, False)
    assert front.telemetry.registry.get_sample_value("maitred_refusals_total", {"code": "13"}) == 1.0


def test_what_is_too_large_is_refused(begin: Begin) -> None:
    """Messages over 17 MiB and large metadata get a status, whichever way the call takes, and the server goes on."""
    front = begin()
    for method in (DECIDE, PUT):
        assert front.refused(method, bytes(18 << 20)) is Code.RESOURCE_EXHAUSTED
        assert front.refused(method, b"", metadata=(("much", "x" * 100_000),)) is Code.RESOURCE_EXHAUSTED
    assert front.call(DECIDE, b"after") == b"after"


def test_unknown_calls_are_refused(begin: Begin) -> None:
    """Other names, and reflection where it is not asked for."""
    front = begin()
    names = (
        "/maitred.v1.DecisionService/Nothing",
        "/",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    )
    assert [front.refused(name, b"") for name in names] == [Code.UNIMPLEMENTED] * 3


def test_keys_are_asked_for_on_both_ways(begin: Begin, tmp_path: Path) -> None:
    """Without one, with a wrong one, with one in bytes that are no text, and with the right one."""
    path = tmp_path / "access.toml"
    path.write_text(f'[[key]]\nbrand = "shop"\nroles = ["decide"]\nsha256 = "{sha256(b"open").hexdigest()}"\n')
    front = begin(access=Access.from_file(path))
    for method in (DECIDE, PUT):
        assert front.refused(method, b"") is Code.UNAUTHENTICATED
        assert front.refused(method, b"", metadata=(("authorization", "Bearer no"),)) is Code.UNAUTHENTICATED
        assert front.refused(method, b"", metadata=(("authorization-bin", b"\xff"),)) is Code.UNAUTHENTICATED
    assert front.call(DECIDE, b"x", metadata=(("authorization", "Bearer open"),)) == b"x"


def test_no_call_is_kept_once_it_has_ended(begin: Begin, saying: Say) -> None:
    """Without a single collection, gRPC's calls are gone when they have ended, however they did."""
    front = begin()
    front.call(DECIDE, b"x")
    gc.collect()
    gc.disable()
    try:
        before = calls()
        for _ in range(50):
            front.call(DECIDE, b"x")
            front.call(PUT, b"x")
            front.refused(DECIDE, b"defect")
            front.refused(PUT, b"defect")
            front.refused("/nothing", b"")
            list(front.streamed(STREAM, iter([b"x", b"y"])))
            front.streamed(DECIDE, saying()).cancel()
            for method, message in ((STREAM, b"keep"), (WATCH, b""), (HEALTH, b"")):
                stream = front.streamed(method, saying(message))
                if message != b"keep":
                    next(stream)
                stream.cancel()
        assert eventually(lambda: calls() <= before), calls()
    finally:
        gc.enable()


def calls() -> int:
    return sum(type(one) is serving.cygrpc.Call for one in gc.get_objects())


def test_without_what_it_is_made_of_the_public_server_takes_its_place(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each name that a release of grpcio could lack is looked for, and the log says what was done."""
    assert fronts.over_grpc("grpcio") is QueueFront
    assert fronts.over_grpc("asyncio") is GrpcFront
    for name in ("Server", "ReceiveMessageOperation"):
        with monkeypatch.context() as patched:
            patched.delattr(serving.cygrpc, name)
            assert fronts.over_grpc("grpcio") is GrpcFront
    monkeypatch.setattr(serving, "cygrpc", None)
    assert fronts.over_grpc("grpcio") is GrpcFront
    assert "".join(capfd.readouterr()).count("slow_front") == 3


def test_grpc_is_told_only_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its experiment is for releases that it was tried with, as the installed one; an operator's word counts."""
    told = {}
    for release in ("1.85.1", "1.99.0", version("grpcio")):
        monkeypatch.delenv("GRPC_EXPERIMENTS", raising=False)
        serving.without_another_thread(release)
        told[release] = os.environ.get("GRPC_EXPERIMENTS")
    assert told == {"1.85.1": "-event_engine_listener", "1.99.0": None, version("grpcio"): "-event_engine_listener"}
    monkeypatch.setenv("GRPC_EXPERIMENTS", "")
    serving.without_another_thread("1.85.1")
    assert os.environ["GRPC_EXPERIMENTS"] == ""


def test_nothing_but_the_log_is_written(start: Callable[..., Running]) -> None:
    """Every line that a server writes is one of its own events: gRPC has nothing to say."""
    running = start()
    running.publish()
    running.decide("x")
    running.stop()
    assert {line[:1] for line in running.log.read_text().splitlines()} == {"{"}


def test_health_is_one_for_all_ways_of_asking(begin: Begin) -> None:
    """Check and Watch of the same service say the same."""
    front = begin()
    request = health_pb2.HealthCheckRequest(service="maitred.v1.DecisionService").SerializeToString()
    watched = front.streamed(HEALTH, iter([request]))
    assert front.call("/grpc.health.v1.Health/Check", request) == next(watched)
    watched.cancel()


def test_a_second_signal_ends_a_stop_that_waits(start: Callable[..., Running], saying: Say) -> None:
    """The first SIGTERM waits for a stream that goes on, the second does not."""
    running = start("--set", "stop_s=60")
    stream: grpc.StreamStreamMultiCallable[bytes, bytes] = running.channel.stream_stream(STREAM)
    greeting = feedback_pb2.StreamRequest(batch=feedback_pb2.FeedbackBatch(client="till", epoch=1))
    told = stream(saying(greeting.SerializeToString()), timeout=60)
    next(told)
    running.process.terminate()
    assert eventually(lambda: '"stopping"' in running.log.read_text())
    assert running.process.poll() is None
    running.process.terminate()
    assert running.process.wait(20) == 1


def test_a_port_that_another_server_has_is_refused(start: Callable[..., Running], tmp_path: Path) -> None:
    """Another server is not let in beside the first, where each would get some of the calls."""
    first = start()
    command = [sys.executable, "-m", "maitred_server", "serve", "--data", str(tmp_path / "other"), "--metrics", ""]
    second = subprocess.run(
        [*command, "--listen", first.target], capture_output=True, text=True, timeout=60, check=False
    )
    told = " ".join(second.stderr.split())
    assert (second.returncode, f"cannot listen on {first.target}" in told, "Traceback" in told) == (1, True, False)
