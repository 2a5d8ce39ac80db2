"""What is published: files that are whole or not there, and a CURRENT file that says which version is in force.

A version is written beside the others, synced, given its name, and only then does CURRENT name it. Who reads CURRENT
never meets half a version, whenever the power fails.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from maitred_server.errors import MaitredError

CURRENT = "CURRENT"
HISTORY = "HISTORY"  # of a brand's catalogue: see `playbook.versions`
BRANDS = "brands"
CATALOGUE = "catalogue"  # in a brand's folder: what was published of its playbook
POLICY = "policy"  # in a brand's folder: what the learner published
SNAPSHOT = ".snapshot"
LEARNER_CURSOR = "learner.cursor"  # in the data directory: how far the learner has come
LEARNER = "learner"  # in the data directory: what it sums up, check-pointed
LONGEST_VERSION = 64

T = TypeVar("T")


def brand_folder(data: Path, brand: str) -> Path:
    """Where a brand's published files are."""
    return data / BRANDS / brand


def brand_folders(data: Path) -> list[Path]:
    """The folders of the brands that published something; each folder's name is its brand."""
    try:
        return sorted(path for path in (data / BRANDS).iterdir() if path.is_dir())
    except FileNotFoundError:
        return []


def write_file(path: Path, parts: Iterable[bytes | memoryview], mode: int = 0o600) -> None:
    """Writes a file so that it is there whole and durable, or as it was before. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_synced(beside, parts, mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_synced(path: Path, parts: Iterable[bytes | memoryview], mode: int = 0o600) -> None:
    """Writes a file and waits until it is on disk; its name may still be lost (see `sync_folder`)."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with open(descriptor, "wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def current(folder: Path) -> str | None:
    """The version in force; None when nothing was published. One small read: made for polling. Raises OSError."""
    try:
        text = (folder / CURRENT).read_bytes().decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    return text if _is_version(text) else None


def switch(folder: Path, version: str) -> None:
    """Puts a version in force, durably. It must be on disk already. Raises ValueError for a text that is no version."""
    if not _is_version(version):
        raise ValueError("a version is 1 to 64 letters, digits, dashes or underscores")
    write_file(folder / CURRENT, [version.encode() + b"\n"])


def withdraw(folder: Path) -> None:
    """Puts no version in force, durably."""
    if (folder / CURRENT).exists():
        (folder / CURRENT).unlink()
        sync_folder(folder)


def _is_version(text: str) -> bool:
    return len(text) <= LONGEST_VERSION and text.isascii() and text.replace("-", "").replace("_", "").isalnum()


def numbered(folder: Path, suffix: str = "") -> list[int]:
    """The versions that are a number and there, rising. `suffix` is what their names end with, e.g. ".snapshot"."""
    return [int(version) for version in ordered(folder, suffix) if version.isdigit()]


def ordered(folder: Path, suffix: str = "") -> list[str]:
    """The versions that are a number, or numbers with dashes between them, and there; rising number by number."""
    names = (path.name.removesuffix(suffix) for path in folder.iterdir() if path.name.endswith(suffix))
    return sorted((name for name in names if numbers_of(name)), key=numbers_of)


def numbers_of(version: str) -> tuple[int, ...]:
    """(15, 2) for `15-2`; () for a version that is not made of numbers."""
    parts = version.split("-")
    are_numbers = all(part.isascii() and part.isdigit() for part in parts) and len(version) <= LONGEST_VERSION
    return tuple(map(int, parts)) if are_numbers else ()


def prune(folder: Path, keep: int, suffix: str = "") -> list[str]:
    """Removes all versions but the last `keep` and the one in force; says which. Who has one open keeps it."""
    held = current(folder)
    there = ordered(folder, suffix)
    gone = [version for version in there[: max(0, len(there) - keep)] if version != held]
    for version in gone:
        path = folder / f"{version}{suffix}"
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return gone


def copy_versions(source: Path, target: Path) -> None:
    """Copies the numbered versions that are kept, with their history, and puts the same one in force. What is one file
    under several names stays one. Versions that go meanwhile are left out. Raises OSError.
    """
    held = current(source)
    if held is None:
        return
    copies: dict[int, Path] = {}
    for number in numbered(source):
        try:
            _copy_version(source / str(number), target / str(number), copies)
        except FileNotFoundError:
            if str(number) == held:
                raise
            shutil.rmtree(target / str(number), ignore_errors=True)
    if (source / HISTORY).exists():
        write_file(target / HISTORY, [(source / HISTORY).read_bytes()])
    switch(target, held)


def _copy_version(source: Path, target: Path, copies: dict[int, Path]) -> None:
    shutil.rmtree(target, ignore_errors=True)  # of a copy that was interrupted
    target.mkdir(mode=0o700)
    for path in source.iterdir():
        known = copies.get(path.stat().st_ino)
        if known is not None and known.exists():
            os.link(known, target / path.name)
        else:
            write_synced(target / path.name, [path.read_bytes()])
            copies[path.stat().st_ino] = target / path.name
    sync_folder(target)


def prune_policies(data: Path) -> None:
    """Removes what was learned before what is in force, of every brand: it still counts who was erased since."""
    for folder in brand_folders(data):
        held = numbers_of(current(folder / POLICY) or "")
        for version in ordered(folder / POLICY, SNAPSHOT) if held else []:
            if numbers_of(version) < held:
                (folder / POLICY / f"{version}{SNAPSHOT}").unlink(missing_ok=True)


def forget_learned(data: Path) -> None:
    """Removes what the learner published, while none runs; it learns again from the journal. Raises OSError."""
    (data / LEARNER_CURSOR).unlink(missing_ok=True)
    shutil.rmtree(data / LEARNER, ignore_errors=True)
    for folder in brand_folders(data):
        withdraw(folder / POLICY)
        shutil.rmtree(folder / POLICY, ignore_errors=True)


class Follower(Generic[T]):
    """Follows a CURRENT file and holds the newest version that could be opened.

    A version that cannot be opened is tried again at each poll, and the one before stays in use; `failure` says why.
    Not for several threads at once.
    """

    def __init__(self, folder: Path, open_version: Callable[[Path, str], T]) -> None:
        self.value: T | None = None
        self.version: str | None = None
        self.failure: str = ""
        self._folder = folder
        self._open = open_version

    def poll(self) -> bool:
        """Opens what is in force now; True when `value` is another than before."""
        try:
            version = current(self._folder)
            if version is None or version == self.version:
                self.failure = ""
                return False
            self.value, self.version, self.failure = self._open(self._folder, version), version, ""
        except (MaitredError, OSError) as error:
            self.failure = f"{type(error).__name__}: {error}"
            return False
        return True
