"""Published versions: CURRENT names what is whole, or what was before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from maitred_server.errors import RecordDamaged
from maitred_server.store.published import (
    HISTORY,
    Follower,
    copy_versions,
    current,
    prune,
    switch,
    withdraw,
    write_file,
)


def publish(folder: Path, version: str, content: str = "whole") -> None:
    (folder / version).write_text(content)
    switch(folder, version)


def open_version(folder: Path, version: str) -> str:
    content = (folder / version).read_text()
    if content != "whole":
        raise RecordDamaged("half a version")
    return version


def test_nothing_published(tmp_path: Path) -> None:
    """Without a CURRENT file, or a folder, nothing is in force."""
    assert current(tmp_path) is None
    assert current(tmp_path / "gone") is None


def test_switch_names_the_version(tmp_path: Path) -> None:
    """What was put in force last is in force, until it is withdrawn."""
    switch(tmp_path, "1")
    switch(tmp_path, "20")
    assert current(tmp_path) == "20"
    withdraw(tmp_path)
    withdraw(tmp_path)
    assert current(tmp_path) is None


@pytest.mark.parametrize("text", ["", "../1", "1/2", "a" * 65, "1\n2", "é"])
def test_what_is_no_version_is_refused(tmp_path: Path, text: str) -> None:
    """A text that could lead elsewhere is no version: not written, and not followed when it stands there."""
    with pytest.raises(ValueError, match="version"):
        switch(tmp_path, text)
    (tmp_path / "CURRENT").write_text(text)
    assert current(tmp_path) is None


def test_files_are_synced_before_they_get_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is on disk before the rename, and the folder after it: a power cut leaves the old file or the new."""
    calls: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        calls.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def replaced(path: Path, target: Path) -> Path:
        calls.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    write_file(tmp_path / "file", [b"con", memoryview(b"tent")])
    assert calls == ["file", "rename", "folder"]
    assert (tmp_path / "file").read_bytes() == b"content"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_prune_keeps_the_newest_and_the_one_in_force(tmp_path: Path) -> None:
    """Of twelve versions the last three stay, and the one in force; by number, not by text; nothing else is touched."""
    for version in range(1, 13):
        (tmp_path / f"{version}.snapshot").write_text("whole")
    (tmp_path / "notes.txt").write_text("mine")
    switch(tmp_path, "2")
    assert prune(tmp_path, 3, ".snapshot") == ["1", "3", "4", "5", "6", "7", "8", "9"]
    there = {path.name for path in tmp_path.iterdir()}
    assert there == {"2.snapshot", "10.snapshot", "11.snapshot", "12.snapshot", "notes.txt", "CURRENT"}


def test_a_follower_takes_up_what_is_published(tmp_path: Path) -> None:
    """A poll opens a new version once, and says so."""
    follower = Follower(tmp_path, open_version)
    assert (follower.poll(), follower.value) == (False, None)
    publish(tmp_path, "1")
    assert (follower.poll(), follower.poll(), follower.value) == (True, False, "1")
    publish(tmp_path, "2")
    assert (follower.poll(), follower.value) == (True, "2")


def test_a_follower_keeps_the_old_version_when_the_new_one_is_damaged(tmp_path: Path) -> None:
    """What cannot be opened is not served, is said, and is tried again."""
    follower = Follower(tmp_path, open_version)
    publish(tmp_path, "1")
    follower.poll()
    publish(tmp_path, "2", content="ha")
    assert (follower.poll(), follower.value) == (False, "1")
    assert follower.failure == "RecordDamaged: half a version"
    switch(tmp_path, "3")
    assert (follower.poll(), follower.value) == (False, "1")
    (tmp_path / "3").write_text("whole")
    assert (follower.poll(), follower.value, follower.failure) == (True, "3", "")


def test_versions_are_copied_with_their_history(tmp_path: Path) -> None:
    """A copy has every version that is kept, in as little room, and the same one is in force; what is half is not."""
    source, target = tmp_path / "source", tmp_path / "target"
    target.mkdir()
    for version in ("1", "2", "10"):
        (source / version).mkdir(parents=True)
        (source / version / "own").write_text(version)
    (source / "1" / "shared").write_text("whole")
    os.link(source / "1" / "shared", source / "10" / "shared")
    (source / HISTORY).write_text("lines")
    (source / ".new-11").mkdir()
    switch(source, "10")
    copy_versions(source, target)
    assert {path.name for path in target.iterdir()} == {"1", "2", "10", HISTORY, "CURRENT"}
    assert [(target / version / "own").read_text() for version in ("1", "2", "10")] == ["1", "2", "10"]
    assert (target / "1" / "shared").samefile(target / "10" / "shared")
    assert (current(target), (target / HISTORY).read_text()) == ("10", "lines")


def test_nothing_published_is_not_copied(tmp_path: Path) -> None:
    """Where nothing is in force there is nothing to copy."""
    copy_versions(tmp_path / "gone", tmp_path)
    assert list(tmp_path.iterdir()) == []
