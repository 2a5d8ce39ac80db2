"""Compaction: what was deleted goes from the disk, and no write goes astray while it does."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lmdb
import pytest
from harness.server import eventually
from maitred_server.errors import StoreError
from maitred_server.model import Entry, Event, Kind, Merge, Record, Sequenced
from maitred_server.store import Store, compaction
from maitred_server.store.compaction import compact, is_due
from maitred_server.store.env import Environment
from maitred_server.store.keys import brand_prefix, client_key, type_code

MIB = 1 << 20
MAP = 256 * MIB
NOON = 1_700_000_000_000
WEB = client_key("shop", "web")


@pytest.fixture(autouse=True)
def _overlay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAITRED_ALLOW_OVERLAY", "1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path, map_size=MAP) as one:
        yield one


def subject(number: int) -> bytes:
    return brand_prefix("shop") + number.to_bytes(16, "big")


def viewed(number: int, kind: str = "view", event: int = 0) -> Entry:
    body = Event(kind, f"ITEM-{number}", attributes={"note": f"secret-of-{number}"})
    return Entry(Record(subject(number), Kind.PERSON, NOON, NOON, body), Sequenced(WEB, 1, event) if event else None)


def content(folder: Path) -> dict[str, list[tuple[bytes, bytes]]]:
    """All that is in a closed environment, by database."""
    found = {}
    with lmdb.open(str(folder), max_dbs=40, map_size=MAP) as env, env.begin() as txn:
        names = [key for key, _ in txn.cursor()]
        for name in names:
            handle = env.open_db(name, txn, create=False)
            found[name.decode()] = [(bytes(key), bytes(value)) for key, value in txn.cursor(handle)]
    return found


HEAD = """
from pathlib import Path
from maitred_server.model import *
from maitred_server.store import Store
from maitred_server.store.compaction import compact
import sys
data = Path(sys.argv[1])
"""


def command(data: Path, code: str) -> list[str]:
    return [sys.executable, "-c", HEAD + code, str(data)]


def elsewhere(data: Path, code: str) -> None:
    """Run code in a process of its own, with `data` at hand."""
    subprocess.run(command(data, code), check=True, timeout=60)


def test_everything_that_is_kept_stays(tmp_path: Path) -> None:
    """Entry for entry the rewritten environment holds what the old one held, repeated keys and pointers included."""
    with Store.open(tmp_path, map_size=MAP) as store:
        store.submit([viewed(n % 7, event=n + 1) for n in range(300)]).result(30)
        store.submit([Entry(Record(subject(1), Kind.PERSON, NOON, NOON, Merge(subject(2))))]).result(30)
    before = content(tmp_path / "store")
    done = compact(tmp_path, MAP)
    assert (done.folder, (tmp_path / "CURRENT").read_text().strip()) == ("store-2", "store-2")
    assert done.entries == sum(len(pairs) for name, pairs in before.items())
    assert content(tmp_path / "store-2") == before
    with Store.open(tmp_path, map_size=MAP) as store:
        assert store.audit().sound
        assert store.members(subject(2)) == [subject(1), subject(2)]


def test_deleted_bytes_are_gone(tmp_path: Path) -> None:
    """Before, the file still has what was erased; after, it has only what is kept."""
    with Store.open(tmp_path, map_size=MAP) as store:
        store.submit([viewed(n) for n in range(50)]).result(30)
        store.delete(subject(7), NOON).result(30)
    assert b"secret-of-7" in (tmp_path / "store" / "data.mdb").read_bytes()
    compact(tmp_path, MAP)
    after = (tmp_path / "store-2" / "data.mdb").read_bytes()
    assert (b"secret-of-7" in after, b"secret-of-8" in after) == (False, True)


def test_names_that_nobody_uses_any_more_go(tmp_path: Path) -> None:
    """An event type is chosen by a client, so its name goes with the last profile that counts it; and comes back."""
    with Store.open(tmp_path, map_size=MAP) as store:
        store.submit([viewed(1, "only-one"), viewed(1, "both"), viewed(2, "both")]).result(30)
        store.delete(subject(1), NOON).result(30)
    compact(tmp_path, MAP)
    with Store.open(tmp_path, map_size=MAP) as store:
        names = {name: store.type_name(type_code(name)) for name in ("only-one", "both")}
        assert names == {"only-one": None, "both": "both"}


def test_a_writer_tells_the_names_again(store: Store, tmp_path: Path) -> None:
    """A process that had stored a name before does so again where the name was left behind."""
    store.submit([viewed(1, "rare")]).result(30)
    store.delete(subject(1), NOON).result(30)
    elsewhere(tmp_path, "compact(data)")
    store.submit([viewed(2, "rare")]).result(30)
    assert store.type_name(type_code("rare")) == "rare"


def test_who_has_it_open_follows_at_once(store: Store, tmp_path: Path) -> None:
    """The next read and the next write of another process are in the new environment; resends are still known."""
    store.submit([viewed(1, event=1)]).result(30)
    elsewhere(tmp_path, "compact(data)")
    key = subject(1)
    elsewhere(tmp_path, f"with Store.open(data) as store: assert store.delete({key!r}, 5).result().existed")
    assert store.profile(subject(1)) is None
    assert list(store.submit([viewed(2, event=1), viewed(2, event=2)]).result(30).sequences) == [0, 3]
    assert store.last_sequence() == 3


def test_the_old_file_goes_when_the_last_process_has_left_it(store: Store, tmp_path: Path) -> None:
    """As long as anybody has it open the erasure's record says that the disk is not done; then it is."""
    store.submit([viewed(1)]).result(30)
    erasure_id = store.delete(subject(1), NOON).result(30).erasure.erasure_id
    disk: Callable[[], int] = lambda: store.erasure(erasure_id).stores[-1].done_at  # type: ignore[union-attr]  # noqa: E731
    elsewhere(tmp_path, "compact(data)")
    store.settle(1, NOON + 1)
    assert ((tmp_path / "store").exists(), disk()) == (True, 0)

    def settled() -> bool:
        store.settle(1, NOON + 2)
        return disk() == NOON + 2

    assert eventually(settled)
    assert not (tmp_path / "store").exists()


def left(store: Store, folder: Path, learned_through: int) -> bool:
    """Whether a folder is gone, after having settled."""
    store.settle(learned_through, 5)
    return not folder.exists()


def test_an_erasure_after_a_compaction_waits_for_the_next(store: Store, tmp_path: Path) -> None:
    """Only a compaction that began after the erasure ends it, and only when the learner has subtracted its part."""
    store.submit([viewed(1), viewed(2)]).result(30)
    elsewhere(tmp_path, "compact(data)")
    erasure_id = store.delete(subject(1), NOON).result(30).erasure.erasure_id
    disk: Callable[[], int] = lambda: store.erasure(erasure_id).stores[-1].done_at  # type: ignore[union-attr]  # noqa: E731
    assert eventually(lambda: left(store, tmp_path / "store", 1))
    assert disk() == 0
    elsewhere(tmp_path, "compact(data)")
    assert eventually(lambda: left(store, tmp_path / "store-2", 0))
    store.settle(0, 6)
    assert disk() == 5  # what counts for the learner was done by the first call


def test_it_is_due_when_an_erasure_has_waited(tmp_path: Path) -> None:
    """Nothing erased, nothing to do; else when the oldest erasure is as old as is allowed; not again once rewritten."""
    with Store.open(tmp_path, map_size=MAP) as store:
        store.submit([viewed(1)]).result(30)
    assert not is_due(tmp_path, NOON, 0, MAP)
    with Store.open(tmp_path, map_size=MAP) as store:
        store.delete(subject(1), NOON).result(30)
    assert [is_due(tmp_path, NOON + age, 100, MAP) for age in (99, 100)] == [False, True]
    compact(tmp_path, MAP)
    assert not is_due(tmp_path, NOON + 1_000, 100, MAP)


@pytest.mark.parametrize("point", ["rewrite", "settle_on"])
def test_a_crash_in_the_middle_costs_nothing(tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it dies before the old environment says who follows it, or before CURRENT does: all is there."""
    with Store.open(tmp_path, map_size=MAP) as store:
        store.submit([viewed(1)]).result(30)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(compaction, point, die)
        with pytest.raises(KeyboardInterrupt):
            compact(tmp_path, MAP)
    for expected in (2, 3):
        with Store.open(tmp_path, map_size=MAP) as store:
            store.submit([viewed(expected)]).result(30)
            assert store.last_sequence() == expected
    after = compact(tmp_path, MAP)
    assert after.folder == {"rewrite": "store-2", "settle_on": "store-3"}[point]
    with Store.open(tmp_path, map_size=MAP) as store:
        assert (store.last_sequence(), store.audit().sound) == (3, True)


def test_a_full_disk_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new file cannot be written it goes, and the old environment stays in use."""
    with Store.open(tmp_path, map_size=MAP) as store:
        store.submit([viewed(1)]).result(30)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("maitred_server.store.rewriting.sync_folder", full)
        with pytest.raises((OSError, StoreError)):
            compact(tmp_path, MAP)
    assert not (tmp_path / "store-2").exists()
    with Store.open(tmp_path, map_size=MAP) as store:
        assert store.last_sequence() == 1


WRITER = """
with Store.open(data, map_size=256 << 20) as store:
    print("ready", flush=True)
    subject, client = bytes.fromhex(input()), bytes.fromhex(input())
    import threading, sys
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
    number = 0
    while not stop.is_set():
        number += 1
        entry = Entry(Record(subject, Kind.PERSON, 1, 1, Event("view", "MILK")), Sequenced(client, 1, number))
        assert store.submit([entry]).result(30).last_sequence
    print(number, flush=True)
"""


class Load:
    """Two processes that write to one store, one entry after the other, until told to stop."""

    def __init__(self, store: Store, data: Path) -> None:
        self._store, self._stop = store, threading.Event()
        pipe = subprocess.PIPE
        self._other = subprocess.Popen(command(data, WRITER), stdin=pipe, stdout=pipe, text=True)
        assert self._answer() == "ready"
        self._tell(f"{subject(2).hex()}\n{client_key('shop', 'till').hex()}\n")
        self._mine = 0
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _tell(self, text: str) -> None:
        assert self._other.stdin is not None
        self._other.stdin.write(text)
        self._other.stdin.flush()

    def _answer(self) -> str:
        assert self._other.stdout is not None
        return self._other.stdout.readline().strip()

    def _write(self) -> None:
        while not self._stop.is_set():
            self._mine += 1
            assert self._store.submit([viewed(1, event=self._mine)]).result(30).last_sequence

    def stop(self) -> tuple[int, int]:
        """How many entries were acknowledged, here and there."""
        self._stop.set()
        self._thread.join()
        said, _ = self._other.communicate("stop\n", timeout=30)
        return self._mine, int(said.splitlines()[-1])


def counted(store: Store) -> tuple[int, int]:
    profiles = [store.profile(subject(number)) for number in (1, 2)]
    return tuple(0 if profile is None else profile.totals["event"] for profile in profiles)  # type: ignore[return-value]


TEN = "for _ in range(10): compact(data, 256 << 20)"


def test_no_write_goes_astray(store: Store, tmp_path: Path) -> None:
    """Ten compactions under two processes that write: every acknowledged entry is there, and once."""
    load = Load(store, tmp_path)
    elsewhere(tmp_path, TEN)
    acknowledged = load.stop()
    assert min(acknowledged) > 0
    assert acknowledged == counted(store)
    assert store.audit().sound
    assert int((tmp_path / "CURRENT").read_text().rpartition("-")[2]) == 11


def test_the_harness_sees_lost_writes(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that does not look whether its environment was retired loses what it acknowledged."""

    def careless(env: Environment, work: Callable[[Any], Any]) -> Any:
        with env._env.begin(write=True) as txn:
            return work(txn)

    monkeypatch.setattr(Environment, "write", careless)
    monkeypatch.setattr(type(store._generations), "current", lambda generations: generations._env)
    store.submit([viewed(1, event=1)]).result(30)
    elsewhere(tmp_path, "compact(data, 256 << 20)")
    assert store.submit([viewed(1, event=2)]).result(30).last_sequence == 2
    monkeypatch.undo()
    assert counted(store) == (1, 0)
