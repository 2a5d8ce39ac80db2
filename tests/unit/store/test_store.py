"""What only the real store can show: files, several processes, a full map, damage, and waiting writers."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import lmdb
import pytest
from maitred_server.errors import RecordDamaged, StoreBroken, StoreError, StoreFull, StoreRefused
from maitred_server.model import Entry, Event, Item, Kind, Record, Sequenced
from maitred_server.store import Commit, Store
from maitred_server.store.env import Environment
from maitred_server.store.keys import brand_prefix, client_key, sequence_key, window_key

NOON = 1_700_000_000_000
TILL = client_key("shop", "till-1")
MIB = 1 << 20


def subject(number: int) -> bytes:
    return brand_prefix("shop") + number.to_bytes(16, "big")


def entry(number: int = 0, item: str = "MILK", sequence: int = 0) -> Entry:
    record = Record(subject(number), Kind.PERSON, NOON, NOON, Event("view", item, "", ("DAIRY",)))
    return Entry(record, Sequenced(TILL, 1, sequence) if sequence else None)


def open_store(folder: Path, **options: Any) -> Store:
    return Store.open(folder, **{"map_size": 64 * MIB, "allow_overlay": True, **options})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path) as opened:
        yield opened


def done(future: Future[Commit]) -> list[int]:
    return list(future.result(timeout=30).sequences)


class Blocked:
    """Holds the environment's write lock, so that the writer cannot finish what it has begun."""

    def __init__(self, store: Store) -> None:
        self._held, self._go = threading.Event(), threading.Event()
        self.future = store._writing().run(self._wait)
        assert self._held.wait(30)

    def _wait(self, env: object, txn: object) -> None:
        self._held.set()
        assert self._go.wait(30)

    def release(self) -> None:
        self._go.set()
        self.future.result(30)


def edit(folder: Path, database: bytes, change: Callable[[Any, Any], None]) -> None:
    """Change a closed store behind its back."""
    with lmdb.open(str(folder / "store"), max_dbs=32, map_size=64 * MIB) as env:
        handle = env.open_db(database, create=False)
        with env.begin(write=True) as txn:
            change(txn, handle)


def flip(folder: Path, database: bytes, key: bytes) -> None:
    """Flip one bit in the middle of a stored value."""

    def change(txn: Any, handle: Any) -> None:
        value = bytearray(txn.get(key, db=handle))
        value[len(value) // 2] ^= 1
        txn.put(key, bytes(value), db=handle)

    edit(folder, database, change)


def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    """Journal, profile, windows, items and names outlive the process's handle."""
    with open_store(tmp_path) as store:
        assert done(store.submit([entry(1, sequence=1), entry(1, sequence=2)])) == [1, 2]
        store.submit_items("shop", [Item("MILK")]).result(30)
    with open_store(tmp_path) as store:
        assert done(store.submit([entry(1, sequence=2), entry(1, sequence=3)])) == [0, 3]
        assert (3, [Item("MILK")]) == (store.last_sequence(), list(store.items("shop")))


def test_the_environment_waits_for_the_disk(store: Store) -> None:
    """A commit is synced with its meta page, and nothing is written through the map."""
    flags = store._env._env.flags()
    assert (flags["sync"], flags["metasync"], flags["lock"], flags["meminit"]) == (True,) * 4
    assert (flags["writemap"], flags["map_async"]) == (False, False)


def test_files_are_the_owners_alone(store: Store, tmp_path: Path) -> None:
    """Nobody else may read the store's files or enter its directory."""
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "store").iterdir()]
    assert ({0o600}, 0o700) == (set(modes), (tmp_path / "store").stat().st_mode & 0o777)


def test_what_waits_is_committed_as_one_group(store: Store) -> None:
    """Batches that come while the writer is busy share the next commit, each with its own answer."""
    blocked = Blocked(store)
    futures = [store.submit([entry(n), entry(n)]) for n in range(10)]
    assert store.statistics().waiting == 20
    blocked.release()
    assert [[2 * n + 1, 2 * n + 2] for n in range(10)] == [done(future) for future in futures]
    assert (store.statistics().groups, store.statistics().entries, store.statistics().waiting) == (1, 20, 0)


def test_a_full_queue_refuses_at_once_and_counts_it(tmp_path: Path) -> None:
    """More than may wait is refused without waiting; what was taken is committed."""
    with open_store(tmp_path, queue_entries=10) as store:
        blocked = Blocked(store)
        taken = store.submit([entry(n) for n in range(10)])
        with pytest.raises(StoreFull):
            store.submit([entry()])
        assert store.statistics().turned_away == 1
        blocked.release()
        assert len(done(taken)) == 10
        assert done(store.submit([entry()])) == [11]


def test_a_cancelled_batch_is_not_written(store: Store) -> None:
    """A future that is cancelled while it waits leaves nothing in the journal, and disturbs no other."""
    blocked = Blocked(store)
    dropped, kept = store.submit([entry(1)]), store.submit([entry(2)])
    assert dropped.cancel()
    blocked.release()
    assert (done(kept), store.profile(subject(1))) == ([1], None)


def test_closing_commits_what_waits(tmp_path: Path) -> None:
    """`close` returns when everything handed in before is durable."""
    store = open_store(tmp_path)
    blocked = Blocked(store)
    future = store.submit([entry()])
    closer = threading.Thread(target=store.close)
    closer.start()
    blocked.release()
    closer.join(30)
    assert done(future) == [1]


def test_duplicates_in_one_group_count_once(store: Store) -> None:
    """The same event in two batches of one group is new in the first and a duplicate in the second."""
    blocked = Blocked(store)
    futures = [store.submit([entry(sequence=7)]) for _ in range(2)]
    blocked.release()
    assert [done(future) for future in futures] == [[1], [0]]


def test_poison_in_one_batch_does_not_touch_another_of_its_group(store: Store) -> None:
    """The group is applied again without it, with sequences that leave no gap."""
    poison = Entry(Record(subject(1), Kind.PERSON, NOON, -5, Event("view", "MILK")))
    blocked = Blocked(store)
    futures = [store.submit(batch) for batch in ([entry(1)], [entry(1), poison, entry(2)], [poison], [entry(3)])]
    blocked.release()
    assert [done(future) for future in futures] == [[1], [2, -1, 3], [-1], [4]]


WRITE_FROM_ANOTHER_PROCESS = """
import sys
from maitred_server.model import Entry, Event, Kind, Record, Sequenced
from maitred_server.store import Store
from maitred_server.store.keys import brand_prefix, client_key
who, folder = int(sys.argv[1]), sys.argv[2]
with Store.open(folder, map_size=64 << 20, allow_overlay=True) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(100):
        subject = brand_prefix("shop") + (number % 7).to_bytes(16, "big")
        record = Record(subject, Kind.PERSON, 1, 1, Event("view", f"ITEM{number}"))
        mine = Entry(record, Sequenced(client_key("shop", sys.argv[1]), 1, number + 1))
        shared = Entry(record, Sequenced(client_key("shop", "both"), 1, number + 1))
        print(*store.submit([mine, shared]).result(30).sequences, flush=True)
"""


def test_two_processes_write_to_one_store_without_gaps(tmp_path: Path) -> None:
    """Two writers at once share one run of sequences; an event that both hand in is counted once."""
    command = [sys.executable, "-c", WRITE_FROM_ANOTHER_PROCESS]
    writers = [
        subprocess.Popen([*command, who, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for who in "12"
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline().strip() == "ready"
    outputs = [writer.communicate("go\n", timeout=60)[0] for writer in writers]
    given = [int(number) for output in outputs for number in output.split()]
    assert [0] * 100 + list(range(1, 301)) == sorted(given)
    with open_store(tmp_path, read_only=True) as store:
        audit = store.audit()
        assert (audit.journalled["event"], audit.counted["event"], audit.damaged) == (300, 300, 0)
        assert list(range(1, 301)) == [sequence for sequence, _ in store.read_journal(0, 1_000)]


def test_a_reader_in_another_process_follows(tmp_path: Path) -> None:
    """A read-only store sees what is committed after it was opened, and refuses to write."""
    with open_store(tmp_path):
        pass
    with open_store(tmp_path, read_only=True) as reader:
        script = "import sys; sys.argv = ['', '1', sys.argv[1]]" + WRITE_FROM_ANOTHER_PROCESS
        subprocess.run([sys.executable, "-c", script, tmp_path], input="go\n", text=True, check=True, timeout=60)
        assert len(reader.read_journal(0, 1_000)) == 200
        with pytest.raises(StoreRefused):
            reader.submit([entry()])
        reader.maintain(0)


def test_a_store_is_opened_once_a_process(store: Store, tmp_path: Path) -> None:
    """A second handle on the same files in one process would break their locks: it is refused."""
    with pytest.raises(StoreRefused):
        open_store(tmp_path)


def test_reading_a_store_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Read-only never makes a store."""
    with pytest.raises(StoreRefused, match="no store"):
        open_store(tmp_path, read_only=True)
    assert not (tmp_path / "store").exists()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A store of a later version is left as it is, with a message that says both versions."""
    open_store(tmp_path).close()
    edit(tmp_path, b"meta", lambda txn, handle: txn.put(b"format", (99).to_bytes(4, "little"), db=handle))
    for read_only in (False, True):
        with pytest.raises(StoreRefused, match=r"newer version \(format 99; this version knows \d+\)"):
            open_store(tmp_path, read_only=read_only)


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    """Garbage in place of the data file is refused, without its path in the message."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "data.mdb").write_bytes(b"x" * 8192)
    with pytest.raises(StoreRefused) as refused:
        open_store(tmp_path)
    assert str(tmp_path) not in refused.value.message


def filled(store: Store) -> int:
    """Write until the store is full; how many entries were committed."""
    committed = 0
    while True:
        try:
            committed += len(done(store.submit([entry(committed + n) for n in range(20)])))
        except StoreFull:
            return committed


def test_a_full_map_refuses_writes_and_takes_deletes(tmp_path: Path) -> None:
    """Near 85% of the map batches are refused whole; a delete works, and after it there is room again."""
    with open_store(tmp_path, map_size=2 * MIB) as store:
        committed = filled(store)
        usage = store.usage()
        assert 0.8 < usage.bytes / usage.limit < 0.95
        assert (committed, committed) == (usage.subjects, store.audit().journalled["event"])
        with pytest.raises(StoreFull):
            store.submit_items("shop", [Item("MILK")]).result(30)
        assert store.healthy
        for number in range(committed // 2):
            assert store.delete(subject(number), NOON).result(30).existed
        assert [committed + committed // 2 + 1] == done(store.submit([entry(9)]))


def test_a_group_that_does_not_fit_is_undone(tmp_path: Path) -> None:
    """A batch larger than what is left of the map is refused as a whole and leaves nothing; a smaller one goes in."""
    with open_store(tmp_path, map_size=1 * MIB) as store:
        with pytest.raises(StoreFull):
            store.submit([entry(n, sequence=n + 1) for n in range(4_000)]).result(30)
        assert (store.last_sequence(), store.usage().subjects, store.healthy) == (0, 0, True)
        assert done(store.submit([entry(1, sequence=1)])) == [1]


FILL_THE_DISK = """
import resource, sys
from maitred_server.errors import StoreFull
from maitred_server.model import Entry, Event, Kind, Record
from maitred_server.store import Store
from maitred_server.store.env import Environment
from maitred_server.store.keys import brand_prefix
# A limit on the size of files cuts a write short as a full disk does; only the free space would tell another story.
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
Environment._disk_is_full = lambda self: True
subject = lambda n: brand_prefix("shop") + n.to_bytes(16, "big")
with Store.open(sys.argv[1], map_size=64 << 20, allow_overlay=True) as store:
    committed = 0
    try:
        while True:
            batch = [Entry(Record(subject(committed + n), Kind.PERSON, 1, 1, Event("view", "A"))) for n in range(50)]
            committed += len(store.submit(batch).result(30).sequences)
    except StoreFull as error:
        print(committed, error.message)
    assert store.profile(subject(0)) is not None
    assert store.healthy
    assert store.usage().records["event"] == committed
"""


def test_a_full_disk_refuses_writes_and_loses_nothing(tmp_path: Path) -> None:
    """When files cannot grow, batches are refused, reading goes on, and all that was answered is kept."""
    command = [sys.executable, "-c", FILL_THE_DISK, str(tmp_path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    committed, message = output.strip().split(" ", 1)
    assert message == "the disk is full"
    with open_store(tmp_path) as store:
        audit = store.audit()
        assert int(committed) == audit.journalled["event"] == audit.counted["event"] > 0
        assert int(committed) + 1 == done(store.submit([entry()]))[0]


def test_a_nearly_full_disk_refuses_writes_and_takes_deletes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last 64 MiB of the disk are left for deletes; when there is room again, batches go in."""
    done(store.submit([entry(1)]))
    with monkeypatch.context() as patched:
        patched.setattr(Environment, "_disk", lambda self: (63 * MIB, 1 << 40))
        with pytest.raises(StoreFull, match="the disk is nearly full"):
            store.submit([entry(2)]).result(30)
        assert store.delete(subject(1), NOON).result(30).existed
    assert done(store.submit([entry(2)])) == [3]


def test_a_damaged_profile_is_noticed_and_made_anew_by_the_next_record(tmp_path: Path) -> None:
    """A flipped bit is never served; the journal has all that is needed to make the profile again."""
    with open_store(tmp_path) as store:
        done(store.submit([entry(1), entry(1, "TEA"), entry(2)]))
    flip(tmp_path, b"profiles", subject(1))
    with open_store(tmp_path) as store:
        with pytest.raises(RecordDamaged):
            store.profile(subject(1))
        assert (store.audit().damaged, store.audit().counted["event"]) == (1, 1)
        assert not store.audit().sound
        done(store.submit([entry(1)]))
        assert (store.audit().damaged, store.audit().counted["event"]) == (0, 4)


def test_a_damaged_journal_record_is_left_out_and_counted(tmp_path: Path) -> None:
    """Readers get the records around it; it is counted where it was met, and by the audit."""
    with open_store(tmp_path) as store:
        done(store.submit([entry(1), entry(1), entry(1)]))
    flip(tmp_path, b"journal", sequence_key(2))
    with open_store(tmp_path) as store:
        assert [sequence for sequence, _ in store.read_journal(0, 2)] == [1, 3]
        assert [sequence for sequence, _ in store.read_subject(subject(1), 0, 9)] == [1, 3]
        assert (store.statistics().damaged, store.audit().damaged, store.audit().journalled["event"]) == (1, 1, 2)


def test_a_record_under_another_key_is_damaged(tmp_path: Path) -> None:
    """The checksum covers the key: a value that turns up under another one is not taken for it."""
    with open_store(tmp_path) as store:
        done(store.submit([entry(1), entry(2)]))

    def swap(txn: Any, handle: Any) -> None:
        txn.put(subject(2), txn.get(subject(1), db=handle), db=handle)

    edit(tmp_path, b"profiles", swap)
    with open_store(tmp_path) as store, pytest.raises(RecordDamaged):
        store.profile(subject(2))


def test_a_damaged_window_fails_its_batches_and_no_others(tmp_path: Path) -> None:
    """Its client is told, rather than counted twice or not at all; other batches of the group commit."""
    with open_store(tmp_path) as store:
        done(store.submit([entry(1, sequence=1)]))
    flip(tmp_path, b"windows", window_key(TILL, 1))
    with open_store(tmp_path) as store:
        blocked = Blocked(store)
        damaged, fine = store.submit([entry(1, sequence=2)]), store.submit([entry(2)])
        blocked.release()
        assert done(fine) == [2]
        with pytest.raises(RecordDamaged):
            damaged.result(30)


def lmdb_error(kind: type[lmdb.Error], code: int = 0) -> lmdb.Error:
    """An error as LMDB raises it."""
    error = kind("mdb_txn_commit")
    vars(error)["code"] = code
    return error


class Failing:
    """An environment whose disk fails."""

    def __init__(self, env: Environment, error: StoreError) -> None:
        self._env, self._error = env, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)

    def write(self, work: object) -> None:
        raise self._error


def test_a_broken_environment_fails_everything_after_at_once(store: Store) -> None:
    """After an input/output error nothing is tried again: that batch fails, and later ones are refused."""
    generations: Any = store._generations
    env = generations._env
    generations._env = Failing(env, StoreBroken("the disk failed"))
    with pytest.raises(StoreBroken):
        store.submit([entry()]).result(30)
    generations._env = env
    assert not store.healthy
    with pytest.raises(StoreBroken, match="the disk failed"):
        store.submit([entry()])
    assert (store.last_sequence(), store.profile(subject(0))) == (0, None)


def test_a_defect_while_committing_answers_everyone(store: Store) -> None:
    """An error that nobody foresaw fails its group with a plain message; the next group commits."""
    generations: Any = store._generations
    env, defect = generations._env, ZeroDivisionError("secret")
    generations._env = Failing(env, defect)  # type: ignore[arg-type]
    with pytest.raises(StoreError) as failed:
        store.submit([entry()]).result(30)
    generations._env = env
    assert "secret" not in failed.value.message
    assert done(store.submit([entry()])) == [1]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (lmdb_error(lmdb.MapFullError), StoreFull),
        (lmdb_error(lmdb.DiskError, errno.ENOSPC), StoreFull),
        (lmdb_error(lmdb.Error, errno.EFBIG), StoreFull),
        (lmdb_error(lmdb.Error, errno.EIO), StoreBroken),
        (lmdb_error(lmdb.PanicError), StoreBroken),
        (lmdb_error(lmdb.CorruptedError), StoreBroken),
        (lmdb_error(lmdb.ReadersFullError), StoreError),
    ],
)
def test_lmdb_errors_become_ours(store: Store, error: lmdb.Error, expected: type[StoreError]) -> None:
    """A full map or disk is full, an input/output error or a panic is broken, the rest is a plain failure."""
    assert expected is type(store._env.error(error))


def test_an_input_output_error_on_a_full_disk_is_a_full_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """LMDB reports a write that a full disk cut short as an input/output error: the free space tells them apart."""
    monkeypatch.setattr(Environment, "_disk_is_full", lambda self: True)
    assert StoreFull is type(store._env.error(lmdb_error(lmdb.Error, errno.EIO)))
