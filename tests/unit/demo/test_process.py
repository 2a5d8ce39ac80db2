from __future__ import annotations

import sys
from pathlib import Path

import pytest
from maitred_tools.demo import process
from maitred_tools.demo.process import Server, ServerFailedError

# Stands in for the server: serves health alone, on the port it is told.
STAND_IN = """
import sys, signal, threading
from concurrent.futures import ThreadPoolExecutor
import grpc
from grpc_health.v1 import health, health_pb2_grpc
given = dict(zip(sys.argv[2::2], sys.argv[3::2])) if sys.argv[1] == "serve" else sys.exit("no such thing")
server = grpc.server(ThreadPoolExecutor(2))
health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
port = server.add_insecure_port(given["--listen"])
server.start()
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
ready = sys.argv[sys.argv.index("--ready-file") + 1]
open(ready, "w").write(f"127.0.0.1:{port}")
stop.wait()
server.stop(0).wait()
print("ended gracefully", flush=True)
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    monkeypatch.setattr(process, "MAITRED", (sys.executable, str(script)))
    return tmp_path


def test_started_killed_started_stopped(stand_in: Path) -> None:
    """A server that was killed comes back on the same port; a stop is graceful and leaves no process."""
    server = Server(stand_in)
    try:
        server.start()
        first, pid = server.address, server.pid
        server.kill()
        server.start()
        assert (server.address, server.pid != pid) == (first, True)
    finally:
        server.stop()
    assert server.pid is None
    assert server.log.read_text().count("ended gracefully") == 1


def test_server_that_ends_at_once(stand_in: Path) -> None:
    """A server that ends before it serves fails the start, and the error names its log."""
    (stand_in / "stand_in.py").write_text("raise SystemExit(3)")
    server = Server(stand_in)
    with pytest.raises(ServerFailedError, match=r"status 3; see .*server\.log"):
        server.start()
    server.stop()


def test_command_that_fails_says_why(stand_in: Path) -> None:
    """A failed command is an error with the command's own words."""
    with pytest.raises(ServerFailedError, match="maitred verify failed: no such thing"):
        Server(stand_in).verify()


def test_stop_without_start(tmp_path: Path) -> None:
    """Stopping what never ran does nothing."""
    Server(tmp_path).stop()


def test_unhealthy_server_is_given_up() -> None:
    """Waiting for a server that is not there ends, with words."""
    with pytest.raises(ServerFailedError, match="not healthy"):
        process.wait_until_healthy("127.0.0.1:1", 0.2)
