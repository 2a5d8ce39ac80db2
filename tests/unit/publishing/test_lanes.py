"""Lanes: one warm process that does one job after the other, and never leaves a caller without an answer."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.server import eventually
from maitred_server.errors import StoreBroken, UnknownName
from maitred_server.publishing.lanes import Lane


@pytest.fixture
def lane() -> Iterator[Lane]:
    made = Lane()
    yield made
    made.close()


def refuse() -> None:
    raise UnknownName("there is no such thing", "thing")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def minus(number: int) -> int:
    return -number


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_the_process_stays_warm(lane: Lane) -> None:
    """Jobs are done in one process, which is none of the caller's."""
    processes = {lane.submit(os.getpid).result() for _ in range(3)}
    assert len(processes) == 1
    assert os.getpid() not in processes


def test_an_error_comes_back_whole(lane: Lane) -> None:
    """What a job raises reaches the caller with its message and field, and the next job is done."""
    with pytest.raises(UnknownName) as raised:
        lane.submit(refuse).result()
    assert (raised.value.message, raised.value.field) == ("there is no such thing", "thing")
    assert lane.submit(abs, -1).result() == 1


def test_a_killed_process_is_replaced(lane: Lane) -> None:
    """A job whose process dies fails in words; the next one is done by a new process."""
    with pytest.raises(StoreBroken, match="try again"):
        lane.submit(die).result()
    assert lane.submit(abs, -2).result() == 2


def test_a_process_that_dies_while_idle_is_replaced(lane: Lane) -> None:
    """When it was killed with nothing to do, nobody notices: at most one job must be sent again."""
    process = lane.submit(os.getpid).result()
    os.kill(process, signal.SIGKILL)
    assert eventually(lambda: is_gone(process))

    def done() -> bool:
        try:
            return lane.submit(minus, 3).result() == -3
        except StoreBroken:
            return False

    assert eventually(done)


def test_an_idle_process_ends() -> None:
    """When no job comes for a while the process is given back, and the next job begins a new one."""
    lane = Lane(idle_s=0.05)
    process = lane.submit(os.getpid).result()
    assert eventually(lambda: is_gone(process))
    assert lane.submit(os.getpid).result() != process
    lane.close()


def test_a_job_that_nobody_waits_for_is_called_off(lane: Lane) -> None:
    """A caller who gives up before its job began takes it back; the others are done."""
    first = lane.submit(sum, range(10_000_000))
    waiting = [lane.submit(abs, -number) for number in range(8)]
    assert waiting[-1].cancel()
    assert (first.result(), [job.result() for job in waiting[:-1]]) == (49_999_995_000_000, list(range(7)))


def test_trials_step_back() -> None:
    """A lane's process runs with the niceness it was given."""
    lane = Lane(niceness=7)
    assert lane.submit(os.nice, 0).result() == os.nice(0) + 7
    lane.close()
