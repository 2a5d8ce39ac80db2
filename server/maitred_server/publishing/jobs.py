"""What the building process does: check, publish, bring back. Each job raises what is in `errors`, and nothing else
that a caller or the disk could cause."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from maitred_server.decide.pipeline import wall_clock
from maitred_server.errors import StoreBroken, StoreFull
from maitred_server.model import Item
from maitred_server.playbook import loader, versions
from maitred_server.playbook.build import BuildResult, build
from maitred_server.playbook.editions import Publication, kept
from maitred_server.playbook.nouns import Playbook
from maitred_server.policy import POLICIES
from maitred_server.publishing.place import Place
from maitred_server.rpc.publisher import By, Published
from maitred_server.store.published import current

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

T = TypeVar("T")


def run(job: Callable[..., T], *arguments: object) -> T:
    """Do a job. Raises StoreFull and StoreBroken for what the disk refuses."""
    try:
        return job(*arguments)
    except OSError as error:
        if error.errno in FULL:
            raise StoreFull("the disk is full; what was published before stays in force") from None
        reason = error.strerror or type(error).__name__
        raise StoreBroken(f"the disk refused it ({reason}); what was published before stays in force") from None


def check(place: Place, brand: str, files: Mapping[str, bytes]) -> Published:
    """Do all that a publish does, and put nothing in force. Raises PlaybookError, StoreRefused."""
    items = imported(place, brand)
    with TemporaryDirectory() as scratch:
        result = build(loaded(files, items), items, Path(scratch))
    return _published(result, current(place.catalogue(brand)) or "")


def publish(place: Place, brand: str, files: Mapping[str, bytes], by: By, rollback_of: str = "") -> Published:
    """Check, build, put in force. Raises PlaybookError with every mistake, StoreRefused."""
    items = imported(place, brand)
    playbook = loaded(files, items)
    folder = place.catalogue(brand)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder):
        publication = Publication(files, _now(folder), by.author, by.note, rollback_of, by.key)
        result = build(playbook, items, folder, publication)
        versions.prune(folder, place.keeping, publication.published_at)
    return _published(result, result.version)


def rollback(place: Place, brand: str, version: str, by: By) -> Published:
    """Publish what a version was made from, with the items there are now. Raises UnknownName, and as `publish`."""
    folder = place.catalogue(brand)
    versions.find(folder, version)
    return publish(place, brand, kept(folder, version).files, by, rollback_of=version)


def imported(place: Place, brand: str) -> list[Item]:
    """The items that came over the wire. Raises StoreRefused."""
    with place.store() as store:
        return list(store.items(brand))


def loaded(files: Mapping[str, bytes], items: Sequence[Item]) -> Playbook:
    """A playbook without mistakes. Raises PlaybookError."""
    return loader.load(files, imported=items, policies=frozenset(POLICIES))


def _published(result: BuildResult, version: str) -> Published:
    return Published(version, result.items, result.actions, result.placements, tuple(result.warnings))


def _now(folder: Path) -> int:
    """The history's clock never runs back, whatever the machine's does."""
    newest = versions.published(folder, limit=1)
    return max([wall_clock(), *(one.edition.published_at for one in newest)])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two workers may be told to publish at once; versions are made one after the other."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
