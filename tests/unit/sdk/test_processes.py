"""How clients end, fork and die, each in a process of its own against a real server."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from maitred import Client, Config

START = """
import os, signal, sys, time
from maitred import Client, Config, OutboxConfig
address, path = sys.argv[1], sys.argv[2] or None
config = Config(outbox=OutboxConfig(path=path, close_timeout=5.0), deadline=10.0)
maitred = Client(address, config)
"""
EXIT = (
    START
    + """
for number in range(300):
    maitred.record("view", f"s{number}", item="A")
"""
)
STORED = """
while maitred.statistics().outbox.stored < maitred.statistics().pending:
    time.sleep(0.001)
"""
KEEP = EXIT + STORED + "print('recorded', flush=True)\nsignal.pause()\n"
TERMINATED_POLITELY = START + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n" + EXIT.removeprefix(START)
TERMINATED_POLITELY += "print('recorded', flush=True)\nsignal.pause()\n"
ABANDON = (
    START
    + """
import gc, threading
for number in range(300):
    maitred.record("view", f"s{number}", item="A")
threads = [one for one in threading.enumerate() if one.name == "maitred-delivery"]
del maitred
gc.collect()
threads[0].join(10)
print("ended" if not threads[0].is_alive() else "runs", flush=True)
"""
)
FORK = (
    START
    + """
maitred.decide("welcome", "parent")
hold = sys.argv[3] == "hold"
for number in range(300):
    maitred.record("view", f"parent{number}", item="A")
children = []
for child in range(3):
    pid = os.fork()
    if not pid:
        decision = maitred.decide("welcome", f"child{child}", timeout=10)
        assert decision.items == ("A", "B"), decision
        decision.expose()
        for number in range(100):
            maitred.record("view", f"child{child}-{number}", item="A")
        done = maitred.flush(20)
        maitred.close()
        os._exit(0 if done else 3)
    children.append(pid)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
for number in range(300, 600):
    maitred.record("view", f"parent{number}", item="A")
print(codes, maitred.flush(20), flush=True)
maitred.close()
"""
)


def subjects(server: Any) -> list[str]:
    return sorted(one.subject for one in server.fake.events)


ALL = sorted(f"s{number}" for number in range(300))


@pytest.mark.parametrize("file", [False, True])
def test_exit_without_close_delivers(server: Any, start_script: Callable[..., Any], tmp_path: Path, file: bool) -> None:
    """A process that just ends, without `close`, delivers what it recorded a moment ago, and ends at once."""
    process = start_script(EXIT, server.address, tmp_path / "box" if file else "")
    assert (process.wait(30), process.stderr.read()) == (0, "")
    assert subjects(server) == ALL


def test_exit_in_an_outage_does_not_hang(server: Any, start_script: Callable[..., Any], tmp_path: Path) -> None:
    """With the server hung, the process ends within its `close_timeout`; the file keeps everything for the next one."""
    server.fake.hang()
    process = start_script(EXIT, server.address, tmp_path / "box")
    assert process.wait(30) == 0
    assert subjects(server) == []
    server.fake.heal()
    with Client(server.address, Config(outbox=tmp_path / "box")) as maitred:
        assert maitred.flush(20)
    assert subjects(server) == ALL


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_process_leaves_all_in_its_file(
    server: Any, start_script: Callable[..., Any], tmp_path: Path, sign: signal.Signals
) -> None:
    """A process that is killed, by whatever signal, leaves what was not acknowledged in its file; the next to open it
    delivers that, and nothing is counted twice."""
    process = start_script(KEEP, server.address, tmp_path / "box")
    assert process.stdout.readline() == "recorded\n"
    process.send_signal(sign)
    assert process.wait(20) == -sign
    with Client(server.address, Config(outbox=tmp_path / "box")) as maitred:
        assert maitred.flush(20)
    assert subjects(server) == ALL


def test_sigterm_that_becomes_an_exit_delivers(server: Any, start_script: Callable[..., Any]) -> None:
    """A process that turns SIGTERM into an ordinary exit loses nothing, even without a file."""
    process = start_script(TERMINATED_POLITELY, server.address, "")
    assert process.stdout.readline() == "recorded\n"
    process.send_signal(signal.SIGTERM)
    assert (process.wait(20), process.stderr.read()) == (0, "")
    assert subjects(server) == ALL


def test_a_client_that_is_let_go_delivers_and_ends_its_thread(server: Any, start_script: Callable[..., Any]) -> None:
    """A client that nobody refers to any more delivers the rest; then its thread ends."""
    process = start_script(ABANDON, server.address, "")
    output, errors = process.communicate(timeout=30)
    assert (output, errors) == ("ended\n", "")
    assert subjects(server) == ALL


@pytest.mark.parametrize("file", [False, True])
def test_forked_children_have_clients_of_their_own(
    server: Any, start_script: Callable[..., Any], tmp_path: Path, file: bool
) -> None:
    """After a fork both sides decide and deliver; nothing of the parent's is delivered by a child, nothing twice."""
    process = start_script(FORK, server.address, tmp_path / "box" if file else "", "")
    output, errors = process.communicate(timeout=60)
    assert output == "[0, 0, 0] True\n", errors
    expected = [f"parent{n}" for n in range(600)] + [f"child{c}-{n}" for c in range(3) for n in range(100)]
    assert subjects(server) == sorted(expected)
    assert len(server.fake.exposures) == 3


def test_offline_for_a_month(tmp_path: Path, start_script: Callable[..., Any], server: Any) -> None:
    """A kiosk that is offline, and is killed again and again, keeps all outcomes below the bound; what it gives up
    above it is counted to the event; once online, all that is kept arrives."""
    server.fake.fail()
    source = (
        START.replace("path=path", "path=path, events=100")
        + """
decision_id = "%032x" % 1
from maitred import Decision, Choice, Reason
decision = Decision("p", (Choice("A"),), Reason.RULE, id=decision_id, subject="s", receipt=b"r", client=maitred)
for number in range(20):
    decision.expose()
    maitred.record("view", f"{sys.argv[3]}-{number}", item="A")
    maitred.record("purchase", f"{sys.argv[3]}-{number}", item="A", decision=decision)
while maitred.statistics().outbox.stored < maitred.statistics().pending:
    time.sleep(0.001)
print(maitred.statistics().recorded, maitred.statistics().dropped, flush=True)
os.kill(os.getpid(), 9)
"""
    )
    for day in range(4):
        process = start_script(source, server.address, tmp_path / "box", day)
        recorded, dropped = map(int, process.stdout.readline().split())
        process.wait(20)
        assert dropped == max(0, recorded - 100)
    server.fake.heal()
    with Client(server.address, Config(outbox=tmp_path / "box")) as maitred:
        assert maitred.flush(20)
    told = server.fake
    assert len(told.outcomes) == 80
    assert len(told.outcomes) + len(told.events) + len(told.exposures) >= 100


def test_recording_does_not_wait_while_the_server_is_away(server: Any) -> None:
    """With the server hung and the queue full, ten thousand records return without waiting for anything."""
    server.fake.hang()
    began = time.monotonic()
    with Client(server.address) as maitred:
        for number in range(10_000):
            maitred.record("view", f"s{number}", item="A")
        took = time.monotonic() - began
        server.fake.heal()
    assert took < 10
