"""When there is no room left: decisions go on, writes are refused in words, and room can be made."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from harness.server import Refused, Running, purchase
from maitred.v1 import profile_pb2, types_pb2


def fill(running: Running) -> tuple[int, Refused]:
    """Record purchases of ever new subjects until the server refuses; tells how many batches it took."""
    for batch in range(5_000):
        first = batch * 200
        events = [purchase(f"subject-{first + number}", number + 1, "MILK") for number in range(200)]
        try:
            running.record(*events, client=f"client-{batch}")
        except Refused as refused:
            return batch, refused
    raise AssertionError("the store never filled up")


def check_it_lives_on(running: Running) -> None:
    """Decisions are answered, and what was acknowledged can still be deleted."""
    taken, refused = fill(running)
    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert taken > 0
    assert running.decide("anybody").decisions[0].slate
    acknowledged = running.status().journal_sequence
    assert acknowledged >= taken * 200
    request = profile_pb2.DeleteProfileRequest(subject=types_pb2.Subject(id="subject-0"))
    answer = running.call("ProfileService/DeleteProfile", request, profile_pb2.DeleteProfileResponse)
    assert answer.deleted
    assert running.stop() == 0


def test_a_full_store_refuses_writes_and_nothing_else(start: Callable[..., Running]) -> None:
    """At the limit of `map_size_gib` feedback is RESOURCE_EXHAUSTED, decisions and deletes go on, and a stop is
    clean.
    """
    running = start("--set", "map_size_gib=0.008")
    running.publish()
    check_it_lives_on(running)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_refuses_writes_and_nothing_else(small_disk: Path) -> None:
    """On a disk that is full, likewise."""
    running = Running(small_disk / "data")
    running.publish()
    check_it_lives_on(running)
