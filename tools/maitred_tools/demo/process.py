"""The demo's server: a real process on a port of its own, which the demo starts, may kill, and always ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from maitred_server.learn.publish import learned_through

START_S = 30.0
STOP_S = 30.0
_POLL_S = 0.02
MAITRED = (sys.executable, "-m", "maitred_server")


class ServerFailedError(Exception):
    """The server did not do what it was asked; the text says what and where its log is."""


class Server:
    """A server process whose data and log are in `folder`. It keeps its port over restarts."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.address = "127.0.0.1:0"
        self.metrics = f"127.0.0.1:{_free_port()}"
        self._ready = folder / "server.ready"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the running process; None when there is none."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the server and waits until it serves. Raises ServerFailedError."""
        self._ready.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in the terminal is for the demo, which then stops the server
            )
        self._wait_until_ready(self._process)

    def kill(self) -> None:
        """Ends the server as a crash would, without a word."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Ends the server gracefully, then whatever is left of it. Does nothing when there is none."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            process.terminate()
            process.wait(STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def publish(self, playbook: Path) -> None:
        """Puts the playbook in `playbook` in force. Raises ServerFailedError."""
        run("publish", str(playbook), "--server", self.address)

    def learned_through(self) -> int:
        """The last journal record that what the server serves by has learned from."""
        with suppress(OSError):
            return learned_through(self.data)
        return 0

    def verify(self) -> dict[str, Any]:
        """What a scan of the stopped server's data finds. Raises ServerFailedError."""
        found: dict[str, Any] = json.loads(run("verify", "--data", str(self.data), "--json", fine=(0, 1)))
        return found

    def _command(self) -> Sequence[str]:
        return (
            *(*MAITRED, "serve", "--data", str(self.data), "--listen", self.address, "--metrics", self.metrics),
            *("--replay-clock", "--default-kind", "household", "--ready-file", str(self._ready)),
            *("--set", "drain_s=0"),  # nobody else is to notice that it stops
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if address := _text(self._ready):
                self.address = address
                return wait_until_healthy(address, deadline - time.monotonic())
            if process.poll() is not None:
                raise ServerFailedError(f"the server ended with status {process.returncode}; see {self.log}")
            time.sleep(_POLL_S)
        raise ServerFailedError(f"the server does not serve after {START_S:.0f} s; see {self.log}")


def wait_until_healthy(address: str, timeout: float) -> None:
    """Waits until the server at `address` reports SERVING. Raises ServerFailedError after `timeout` seconds."""
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            with suppress(grpc.RpcError):
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=left, wait_for_ready=True)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            time.sleep(_POLL_S)
    raise ServerFailedError(f"the server is not healthy after {timeout:.0f} s")


def run(*arguments: str, fine: Sequence[int] = (0,)) -> str:
    """Runs a `maitred` command to its end and gives what it printed.

    Raises ServerFailedError when its status is not one of `fine`, or when it printed nothing but an error.
    """
    done = subprocess.run([*MAITRED, *arguments], capture_output=True, text=True, check=False)
    if done.returncode not in fine or (done.returncode and not done.stdout):
        raise ServerFailedError(f"maitred {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8").strip()
    return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
