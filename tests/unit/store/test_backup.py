"""Backups, and that none of them brings back whoever was erased since."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from maitred_server.errors import StoreRefused
from maitred_server.model import Entry, Event, Kind, Merge, Record
from maitred_server.store import FORGOTTEN, Deleted, Store
from maitred_server.store.backup import back_up, restore
from maitred_server.store.keys import brand_prefix
from maitred_server.store.ledger import LEDGER, Erased, Ledger, read_ledger
from maitred_server.store.published import brand_folder, current, switch

MAP = 256 << 20
NOON = 1_700_000_000_000


@pytest.fixture(autouse=True)
def _overlay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAITRED_ALLOW_OVERLAY", "1")


def subject(number: int) -> bytes:
    return brand_prefix("shop") + number.to_bytes(16, "big")


def viewed(number: int, at: int = NOON, since: int | None = None) -> Entry:
    body = Event("view", "MILK", attributes={"note": f"secret-of-{number}"})
    return Entry(Record(subject(number), Kind.PERSON, at, at, body), None, since)


def fill(data: Path, *entries: Entry) -> None:
    with Store.open(data, map_size=MAP) as store:
        store.submit(entries or [viewed(n) for n in range(5)]).result(30)


def erase(data: Path, number: int, at: int = NOON) -> Deleted:
    with Store.open(data, map_size=MAP) as store:
        return store.delete(subject(number), at).result(30)


def kept(data: Path) -> list[int]:
    with Store.open(data, map_size=MAP, read_only=True) as store:
        return [number for number in range(5) if store.find(subject(number)) is not None]


def test_a_backup_is_a_data_directory(tmp_path: Path) -> None:
    """It has the store, the catalogues and the ledger, for its owner alone; no keys, nothing learned."""
    data, to = tmp_path / "data", tmp_path / "backup"
    fill(data)
    erase(data, 0)
    catalogue = brand_folder(data, "shop") / "catalogue"
    for version in ("1", "2"):
        (catalogue / version).mkdir(parents=True)
        (catalogue / version / "playbook.msgpack").write_bytes(version.encode())
    switch(catalogue, "2")
    (brand_folder(data, "shop") / "policy").mkdir()
    done = back_up(data, to, MAP)
    assert (done.last_sequence, done.subjects) == (6, 4)
    assert sorted(path.name for path in to.iterdir()) == ["brands", LEDGER, "store"]
    assert [path.name for path in brand_folder(to, "shop").iterdir()] == ["catalogue"]
    copied = brand_folder(to, "shop") / "catalogue"
    assert [(copied / version / "playbook.msgpack").read_bytes() for version in ("1", "2")] == [b"1", b"2"]
    assert current(copied) == "2"
    assert (to.stat().st_mode & 0o777, (to / "store" / "data.mdb").stat().st_mode & 0o777) == (0o700, 0o600)
    assert kept(to) == [1, 2, 3, 4]


def test_a_backup_never_overwrites(tmp_path: Path) -> None:
    """What is in its place stays, and what was begun is removed when it cannot be finished."""
    data, to = tmp_path / "data", tmp_path / "backup"
    fill(data)
    to.mkdir()
    with pytest.raises(StoreRefused, match="something in the backup's place"):
        back_up(data, to, MAP)
    to.rmdir()
    with pytest.raises(StoreRefused, match="no store"):
        back_up(tmp_path / "nowhere", to, MAP)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_damaged_store_is_no_backup(tmp_path: Path) -> None:
    """What does not verify is not called a backup, and is not put back."""
    data, to = tmp_path / "data", tmp_path / "backup"
    fill(data)
    whole = (data / "store" / "data.mdb").read_bytes()
    (data / "store" / "data.mdb").write_bytes(whole.replace(b"secret-of-3", b"Secret-of-3"))
    with pytest.raises(StoreRefused, match="damaged"):
        back_up(data, to, MAP)
    assert not to.exists()
    with pytest.raises(StoreRefused, match="damaged"):
        restore(tmp_path / "new", data, map_size=MAP)
    assert not list((tmp_path / "new").glob("store*"))


def test_who_was_erased_since_does_not_come_back(tmp_path: Path) -> None:
    """A backup of before an erasure is put back without the subject, and without its bytes."""
    data, to = tmp_path / "data", tmp_path / "backup"
    fill(data)
    back_up(data, to, MAP)
    erase(data, 3)
    done = restore(data, to, replace=True, map_size=MAP)
    assert (done.subjects, done.erased_again) == (4, 1)
    assert kept(data) == [0, 1, 2, 4]
    assert (to / "store" / "data.mdb").read_bytes().count(b"secret-of-3") > 0
    assert [path for path in data.rglob("*") if path.is_file() and b"secret-of-3" in path.read_bytes()] == []


def test_late_feedback_stays_refused_after_a_restore(tmp_path: Path) -> None:
    """Sequences go on after those of the ledger, so that receipts of before an erasure are told from later ones."""
    data, to = tmp_path / "data", tmp_path / "backup"
    fill(data)
    back_up(data, to, MAP)
    fill(data, *(viewed(1, NOON + n) for n in range(50)))
    deleted = erase(data, 3, NOON + 60)
    restore(data, to, replace=True, map_size=MAP)
    with Store.open(data, map_size=MAP) as store:
        tombstone = store.tombstone(subject(3))
        assert tombstone is not None
        assert (tombstone.sequence > deleted.sequence, tombstone.at_ms) == (True, NOON + 60)
        answers = store.submit([viewed(3, since=deleted.sequence - 1), viewed(3, NOON + 59)]).result(30).sequences
        assert list(answers) == [FORGOTTEN, FORGOTTEN]


def test_the_ledger_of_elsewhere_is_heeded(tmp_path: Path) -> None:
    """On a new machine, the ledger that was kept apart says who was erased since; without it nobody could."""
    data, to, new = tmp_path / "data", tmp_path / "backup", tmp_path / "new"
    fill(data)
    back_up(data, to, MAP)
    erase(data, 3)
    assert restore(new, to, map_size=MAP).erased_again == 0
    assert kept(new) == [0, 1, 2, 3, 4]
    assert restore(new, to, [data / LEDGER], replace=True, map_size=MAP).erased_again == 1
    assert kept(new) == [0, 1, 2, 4]


def test_who_came_back_is_not_erased_again(tmp_path: Path) -> None:
    """A restore erases by the ledger once; later restores and starts leave alone who came back since."""
    data, to = tmp_path / "data", tmp_path / "backup"
    fill(data)
    erase(data, 3)
    fill(data, viewed(3, NOON + 1))
    back_up(data, to, MAP)
    assert restore(data, to, replace=True, map_size=MAP).erased_again == 0
    assert kept(data) == [0, 1, 2, 3, 4]


def test_all_keys_of_a_merged_subject_are_in_the_ledger(tmp_path: Path) -> None:
    """Also a backup of before the merge brings none of them back."""
    data, to = tmp_path / "data", tmp_path / "backup"
    fill(data)
    back_up(data, to, MAP)
    fill(data, Entry(Record(subject(1), Kind.PERSON, NOON, NOON, Merge(subject(2)))))
    erase(data, 2)
    assert restore(data, to, replace=True, map_size=MAP).erased_again == 2
    assert kept(data) == [0, 3, 4]


def test_a_restore_asks_before_it_replaces(tmp_path: Path) -> None:
    """What is there stays unless it is said that it may go; what was learned from it always goes with it."""
    data, to = tmp_path / "data", tmp_path / "backup"
    fill(data)
    back_up(data, to, MAP)
    (data / "learner.cursor").write_bytes(b"x")
    with pytest.raises(StoreRefused, match="--replace"):
        restore(data, to, map_size=MAP)
    assert (data / "learner.cursor").exists()
    restore(data, to, replace=True, map_size=MAP)
    assert not (data / "learner.cursor").exists()
    assert [path.name for path in data.glob("store*")] == [(data / "CURRENT").read_text().strip()]


def test_a_store_put_back_by_hand_forgets_at_its_next_start(tmp_path: Path) -> None:
    """Copying the old file over the store is no way around the ledger: it is looked at whenever the store is opened."""
    data, old = tmp_path / "data", tmp_path / "old.mdb"
    fill(data)
    shutil.copy(data / "store" / "data.mdb", old)
    erase(data, 3)
    shutil.copy(old, data / "store" / "data.mdb")
    (data / "learner.cursor").write_bytes(b"of another journal")
    with Store.open(data, map_size=MAP) as store:
        assert (store.erased_again, store.find(subject(3))) == (1, None)
    assert not (data / "learner.cursor").exists()
    with Store.open(data, map_size=MAP) as store:
        assert store.erased_again == 0


def test_a_power_cut_before_the_commit_is_made_up_for(tmp_path: Path) -> None:
    """The ledger is written first: an erasure that the store lost in a power cut is done at the next start."""
    fill(tmp_path)
    with (tmp_path / LEDGER).open("wb") as file:
        file.write(b"maitred erasures " + b"00" * 16 + b"\n")
    Ledger(tmp_path)._append([Erased(99, NOON, subject(3))])
    with Store.open(tmp_path, map_size=MAP) as store:
        assert store.erased_again == 1
    assert kept(tmp_path) == [0, 1, 2, 4]


def test_a_line_cut_short_costs_only_itself(tmp_path: Path) -> None:
    """After a power cut in the middle of a line the next erasure begins a line of its own."""
    fill(tmp_path)
    erase(tmp_path, 1)
    whole = (tmp_path / LEDGER).read_bytes()
    (tmp_path / LEDGER).write_bytes(whole + b"12 17000")
    erase(tmp_path, 2)
    assert [one.subject for one in read_ledger(tmp_path / LEDGER)] == [subject(1), subject(2)]
    assert kept(tmp_path) == [0, 3, 4]
    assert (tmp_path / LEDGER).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("verb", ["compact", "backup", "restore"])
def test_the_commands(verb: str, tmp_path: Path) -> None:
    """The three commands do it from the command line, and say what they did in a line."""
    data, to = tmp_path / "data", tmp_path / "backup"
    fill(data)
    if verb == "restore":
        back_up(data, to, MAP)
    more = {"compact": [], "backup": [str(to)], "restore": [str(to), "--replace"]}[verb]
    command = [sys.executable, "-m", "maitred_server", verb, "--data", str(data), *more, "--map-size-gib", "0.25"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    expected: dict[str, Callable[[], bool]] = {
        "compact": lambda: "entries in" in done.stdout and not (data / "store").exists(),
        "backup": lambda: "5 subjects through record 5, verified" in done.stdout and kept(to) == kept(data),
        "restore": lambda: "0 ids erased again" in done.stdout and kept(data) == [0, 1, 2, 3, 4],
    }
    assert (done.returncode, expected[verb]()) == (0, True), done.stderr
