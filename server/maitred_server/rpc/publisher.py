"""What the calls about playbooks ask for, and who does it for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple, Protocol

from maitred_server.decide.ask import Ask
from maitred_server.playbook.versions import Version

if TYPE_CHECKING:  # differences are found where playbooks are read
    from maitred_server.playbook.differ import Change


class By(NamedTuple):
    """Who does it and why. `key`: the name of the access key; "": none was needed."""

    author: str = ""
    note: str = ""
    key: str = ""


class Published(NamedTuple):
    """What was put in force (or would have been). `version`: what is in force now; "": nothing."""

    version: str
    items: int
    actions: int
    placements: int
    warnings: tuple[str, ...]


class Diffed(NamedTuple):
    """What a playbook would change. `against`: the version it was compared with; "": there is none."""

    against: str
    changes: tuple[Change, ...]


class ShareChange(NamedTuple):
    """Which part of the subjects (of a segment; "": all) sees an item ("": no item at all), now and then."""

    placement: str
    segment: str
    item: str
    before: float
    after: float
    subjects: int


class Previewed(NamedTuple):
    """Who would see what. `changed`: by placement, how many subjects would see another slate."""

    subjects: int
    changes: tuple[ShareChange, ...]
    changed: dict[str, int]


class Publisher(Protocol):
    """Publishes playbooks and tries them, off the path of decisions. Futures fail with what is in `errors`."""

    def publish(self, brand: str, files: Mapping[str, bytes], by: By, dry_run: bool) -> Future[Published]: ...
    def rollback(self, brand: str, version: str, by: By) -> Future[Published]: ...
    def diff(self, brand: str, files: Mapping[str, bytes], against: str) -> Future[Diffed]: ...
    def preview(self, brand: str, files: Mapping[str, bytes], asks: Sequence[Ask]) -> Future[Previewed]: ...
    def versions(self, brand: str, limit: int) -> list[Version]: ...
