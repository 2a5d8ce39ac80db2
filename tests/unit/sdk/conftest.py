"""A real gRPC server on this machine that answers what a FakeTransport answers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from maitred import CallFailed
from maitred.testing import FakeTransport


class LocalServer(grpc.GenericRpcHandler):
    """`fake` decides what is answered; `metadata` is what the last call carried."""

    def __init__(self) -> None:
        self.fake = FakeTransport.serving({"welcome": ["A", "B"], "shelf": ["C"]})
        self.metadata: dict[str, str] = {}
        self.calls = 0
        self.fail_next = 0
        self.address = ""
        self._server: grpc.Server | None = None

    def start(self, credentials: grpc.ServerCredentials | None = None) -> LocalServer:
        """Listen: on a free port the first time, on the same port from then on."""
        self._server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((self,))
        where = self.address or "127.0.0.1:0"
        port = (
            self._server.add_secure_port(where, credentials) if credentials else self._server.add_insecure_port(where)
        )
        self.address = f"127.0.0.1:{port}"
        self._server.start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(None).wait()
            self._server = None

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        method = details.method
        if method.endswith(("/Stream", "/Watch")):
            return grpc.stream_stream_rpc_method_handler(lambda *call: self._stream(method, *call))
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._unary(method, request, context))

    def _unary(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.calls += 1
        self.metadata = {key: str(value) for key, value in context.invocation_metadata()}
        if self.fail_next:
            self.fail_next -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "told to fail")
        try:
            return self.fake.unary(method, request, context.time_remaining())
        except CallFailed as failure:
            context.abort(grpc.StatusCode[failure.code], failure.message)

    def _stream(self, method: str, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        arrivals: SimpleQueue[bytes | CallFailed] = SimpleQueue()
        stream = self.fake.stream(method, arrivals.put)

        def read() -> None:
            try:
                for request in requests:
                    stream.send(request)
            except Exception:
                pass
            arrivals.put(CallFailed("CANCELLED"))

        context.add_callback(lambda: arrivals.put(CallFailed("CANCELLED")))
        threading.Thread(target=read, daemon=True).start()
        while isinstance(arrival := arrivals.get(), bytes):
            yield arrival
        context.abort(grpc.StatusCode[arrival.code], arrival.message)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """A server that listens."""
    local = LocalServer().start()
    yield local
    local.fake.heal()
    local.stop()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Waits until a condition holds, for at most ten seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < until, "did not come true"
            time.sleep(0.002)

    return wait


@pytest.fixture
def start_script() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python source as a process of its own; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(source: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", source, *map(str, arguments)]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "GRPC_VERBOSITY": "NONE"},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
