"""Servers as processes: started until they serve, watched from outside, stopped gently. Reads Linux's /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.002
SETTLE_S, SETTLE_READINGS, SETTLE_SHARE = 0.25, 6, 0.04
SETTLE_TIMEOUT_S = 300.0
_OPEN = "01"  # ESTABLISHED, as /proc/net/tcp has it


class Memory(NamedTuple):
    """Bytes of a process and its children: all that is resident, and the part that is not backed by files."""

    resident: int
    anonymous: int


class ServerProcess:
    """A server started with `python -m MODULE ARGUMENTS --ready-file FILE`, until the end of the `with` block.

    `environment`: variables beside those of this process.

    Raises RuntimeError, with what the server said last, when it ends before it serves or does not serve in time.
    """

    def __init__(self, module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="maitred-bench-")
        self._ready = Path(self._folder.name) / "ready"
        self._log = Path(self._folder.name) / "log"
        self._command = [sys.executable, "-m", module, *arguments, "--ready-file", str(self._ready)]
        self._environment = os.environ | (environment or {})
        self.target = ""
        self.start_s = 0.0

    def __enter__(self) -> Self:
        started = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )
        try:
            self.target = self._wait(started + START_TIMEOUT_S)
        except BaseException:
            self.stop()
            raise
        self.start_s = time.perf_counter() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask the server to stop; make it, when it does not."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    @property
    def returncode(self) -> int | None:
        """How the process ended; None while it runs."""
        return self._process.poll()

    def _wait(self, until: float) -> str:
        while not self._ready.exists():
            if self._process.poll() is not None or time.perf_counter() > until:
                raise RuntimeError(f"{' '.join(self._command)} did not serve: {self._last_words()}")
            time.sleep(POLL_S)
        return self._ready.read_text().strip()

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def cpu_ns(self) -> int:
        """CPU time used so far, nanoseconds: user and kernel mode, all threads, the process and its children."""
        return sum(time.clock_gettime_ns(_cpu_clock(pid)) for pid in _family(self._process.pid))

    def settle(self) -> None:
        """Wait until the processes do next to nothing: the learner has work of its own after a start and a publish.

        Raises TimeoutError.
        """
        until, quiet = time.monotonic() + SETTLE_TIMEOUT_S, 0
        while quiet < SETTLE_READINGS:
            before = self.cpu_ns()
            time.sleep(SETTLE_S)
            quiet = quiet + 1 if self.cpu_ns() - before < SETTLE_SHARE * SETTLE_S * 1e9 else 0
            if time.monotonic() > until:
                raise TimeoutError("the server does not come to rest")

    def connections(self) -> dict[int, int]:
        """The clients' ports of the open connections to `target`, each with the process that holds it."""
        port = int(self.target.rpartition(":")[2])
        clients = _connected_clients(port)
        held = ((inode, pid) for pid in _family(self._process.pid) for inode in _sockets(pid))
        return {clients[inode]: pid for inode, pid in held if inode in clients}

    def pids(self) -> list[int]:
        """The process and all that descend from it."""
        return list(_family(self._process.pid))

    def memory(self) -> Memory:
        """What the process and its children hold now. Pages that they share are counted once."""
        family = [_rollup(pid) for pid in _family(self._process.pid)]
        return Memory(sum(one["Pss"] for one in family), sum(one["Pss_Anon"] for one in family))


def _cpu_clock(pid: int) -> int:
    """The clock of a process's CPU time, as clock_getcpuclockid(3) makes it: what getrusage sums, in nanoseconds."""
    return (~pid << 3) | 2


def _family(pid: int) -> Iterator[int]:
    """The process and all that descend from it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _family(int(child))


def _connected_clients(port: int) -> dict[str, int]:
    """Sockets of this machine that serve a connection at a port: the client's port by inode."""
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]  # gRPC serves IPv4 by IPv6 sockets
    lines = (line.split() for table in tables for line in table.splitlines()[1:])
    found = ((one[9], one[1].split(":"), one[2].split(":"), one[3]) for one in lines)
    return {
        inode: int(remote[1], 16)
        for inode, local, remote, state in found
        if state == _OPEN and int(local[1], 16) == port
    }


def _sockets(pid: int) -> Iterator[str]:
    """The inodes of a process's sockets."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            kind, _, inode = os.readlink(link).partition(":[")
        except FileNotFoundError:
            continue
        if kind == "socket":
            yield inode.removesuffix("]")


def _rollup(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
