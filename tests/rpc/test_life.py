"""Starting, stopping, dying and coming back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from harness.server import PLAYBOOK, Refused, Running, eventually, purchase
from maitred.v1 import admin_pb2


def children(pid: int) -> list[int]:
    """Those of all its threads."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def spawned(pid: int) -> list[int]:
    """Children that run a part of the server."""
    return [child for child in children(pid) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_server_comes_back_with_all_it_acknowledged(start: Callable[..., Running]) -> None:
    """After kill -9 no child is left behind, and the next start serves what was published and acknowledged before."""
    first = start()
    first.publish()
    first.record(*(purchase("k", number, "SOAP") for number in range(1, 6)))
    assert eventually(lambda: bool(children(first.process.pid)))
    orphans = children(first.process.pid)
    first.kill()
    assert eventually(lambda: not any(alive(pid) for pid in orphans))
    second = start()
    assert second.status().journal_sequence == 5
    assert second.record(purchase("k", 5, "SOAP"), purchase("k", 6, "SOAP")).duplicates == 1
    assert second.decide("k").decisions[0].slate[0].item == "SOAP"


def test_a_killed_learner_is_started_again_and_counts_once(start: Callable[..., Running]) -> None:
    """When the learner dies the server goes on, and a new learner reads on from where the snapshot stood."""
    running = start()
    assert eventually(lambda: len(spawned(running.process.pid)) == 1)
    (learner,) = spawned(running.process.pid)
    running.publish()
    running.record(*(purchase("l", number, "SOAP") for number in range(1, 6)))
    assert eventually(lambda: running.status().versions.policy == "5")
    os.kill(learner, signal.SIGKILL)
    running.record(*(purchase("l", number, "SOAP") for number in range(6, 9)))
    assert eventually(lambda: running.status().versions.policy == "8", 60)
    assert running.decide("stranger").decisions[0].slate[0].priority == pytest.approx(8 / 9)


def test_a_second_server_on_the_same_data_is_refused(start: Callable[..., Running]) -> None:
    """The second start ends with status 1 and one line that names the process that has the data."""
    running = start()
    command = [sys.executable, "-m", "maitred_server", "serve", "--data", str(running.data), "--listen", "127.0.0.1:0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert str(running.process.pid) in second.stderr
    assert "Traceback" not in second.stderr


def test_a_data_directory_of_a_newer_version_is_refused(start: Callable[..., Running]) -> None:
    """A store that a newer version wrote is not touched, and the message says so."""
    import lmdb

    running = start()
    running.stop()
    with lmdb.open(str(running.data / "store"), max_dbs=32, map_size=64 << 30) as env:
        meta = env.open_db(b"meta")
        with env.begin(write=True) as txn:
            version = txn.get(b"format", db=meta)
            assert version is not None
            txn.put(b"format", (int.from_bytes(version, "big") + 1).to_bytes(len(version), "big"), db=meta)
    command = [sys.executable, "-m", "maitred_server", "serve", "--data", str(running.data), "--listen", "127.0.0.1:0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert "newer" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--listen", "nowhere"], "HOST:PORT"),
        (["--workers", "0"], "workers"),
        (["--default-kind", "robot"], "default_kind"),
        (["--set", "wrokers=2"], "wrokers"),
        (["--config", "/nonexistent.toml"], "cannot read"),
        (["--front", "enovy"], "front"),
        (["--front", "envoy", "--set", "reflection=true"], "no reflection"),
    ],
)
def test_wrong_settings_end_with_one_clear_line(tmp_path: Path, options: list[str], told: str) -> None:
    """A wrong setting is named on one line, with status 1 and no traceback."""
    command = [sys.executable, "-m", "maitred_server", "serve", "--data", str(tmp_path / "d"), *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert told in ended.stderr.replace("\n", " ")
    assert "Traceback" not in ended.stderr


def test_health_is_told_and_a_stop_is_clean(start: Callable[..., Running]) -> None:
    """A serving server is SERVING for each service; SIGTERM ends it with status 0."""
    running = start()
    check: grpc.UnaryUnaryMultiCallable[bytes, bytes] = running.channel.unary_unary("/grpc.health.v1.Health/Check")
    for service in ("", "maitred.v1.DecisionService", "maitred.v1.FeedbackService"):
        request = health_pb2.HealthCheckRequest(service=service).SerializeToString()
        assert (
            health_pb2.HealthCheckResponse.FromString(check(request)).status == health_pb2.HealthCheckResponse.SERVING
        )
    assert running.stop() == 0


@pytest.mark.parametrize("on", [False, True])
def test_reflection_is_off_unless_asked_for(start: Callable[..., Running], front: str, on: bool) -> None:
    """The services can be listed only when the setting says so."""
    if on and front == "envoy":
        pytest.skip("this front has no reflection; that it says so is tested above")
    running = start("--set", f"reflection={str(on).lower()}")
    assert listed(running) is on


def listed(running: Running) -> bool:
    """Whether reflection lists our services; False when it is not implemented."""
    listing: grpc.StreamStreamMultiCallable[bytes, bytes] = running.channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    )
    try:
        return b"maitred.v1.DecisionService" in next(iter(listing(iter([b"\x3a\x00"]), timeout=20)))
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return False
        raise


def test_workers_share_the_port_and_each_serves_what_is_published(start: Callable[..., Running]) -> None:
    """With three workers every connection gets the same answers within bounded time of a publish, whichever worker
    has it.
    """
    running = start("--workers", "3")
    running.publish()

    assert eventually(lambda: running.versions() == {"1"})
    running.record(purchase("w", 1, "SOAP"))
    assert running.decide("w").decisions[0].slate[0].item == "SOAP"
    assert running.stop() == 0


def test_metrics_tell_decisions_by_placement_and_reason(start: Callable[..., Running]) -> None:
    """The second port serves Prometheus text with what was decided and how long it took."""
    running = start("--metrics", "127.0.0.1:0", "--set", "log_format=json")
    running.publish()
    for _ in range(3):
        running.decide("m")
    url = next(
        line.split('"url": "')[1].split('"')[0] for line in running.log.read_text().splitlines() if '"url"' in line
    )

    def text() -> str:
        with urllib.request.urlopen(url, timeout=10) as response:
            return str(response.read(), "utf-8")

    assert eventually(lambda: 'maitred_decisions_total{placement="home",reason="POPULAR"} 3.0' in text())
    assert "maitred_decide_seconds_count 3.0" in text()


def test_access_keys_bind_callers_to_brand_and_roles(start: Callable[..., Running], tmp_path: Path) -> None:
    """With an access file: no key, no call; a key without the role is refused; two brands never see each other."""
    keys = {
        "alpha": ("a", ["decide", "feedback", "profile", "admin"]),
        "beta": ("b", ["decide", "admin"]),
        "weak": ("a", ["feedback"]),
    }
    lines = [
        f'[[key]]\nsha256 = "{sha256(key.encode()).hexdigest()}"\nbrand = "{brand}"\nroles = {roles}\n'
        for key, (brand, roles) in keys.items()
    ]
    file = tmp_path / "access.toml"
    file.write_text("\n".join(lines))
    running = start("--set", f"access={file}")
    publish = admin_pb2.PublishRequest(files=PLAYBOOK).SerializeToString()
    running.raw("AdminService/Publish", publish, 60, key="alpha")
    for key, code in ((None, "UNAUTHENTICATED"), ("wrong", "UNAUTHENTICATED"), ("weak", "PERMISSION_DENIED")):
        with pytest.raises(Refused, match=code):
            running.raw("AdminService/GetStatus", b"", key=key)
    seen = {
        key: admin_pb2.GetStatusResponse.FromString(running.raw("AdminService/GetStatus", b"", key=key)).items
        for key in ("alpha", "beta")
    }
    assert seen == {"alpha": 5, "beta": 0}
    old = purchase("old", 1, "MILK", occurred_at_ms=1_000_000_000_000)
    from maitred.v1 import feedback_pb2

    batch = feedback_pb2.FeedbackBatch(client="c", epoch=1, events=[old])
    request = feedback_pb2.RecordRequest(batch=batch).SerializeToString()
    answer = feedback_pb2.RecordResponse.FromString(running.raw("FeedbackService/Record", request, key="alpha"))
    assert "role `import`" in answer.result.refused[0].message
