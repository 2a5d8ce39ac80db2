"""Every error that Maitred raises on purpose, as one tree. `rpc.status` gives each class its status; nothing else does.

MaitredError
|-- InvalidRequest        a field is wrong; says which and what would be right
|-- UnknownName           a placement (or other published name) that does not exist
|-- NotPublished          no playbook is in force yet
|-- WrongMode             the server does not run in the mode that this call needs
|-- NotAllowed            the caller, or the receipt it holds, may not do this
|   `-- NotAuthenticated  no credential, or a wrong one
|-- Expired               a receipt past its validity
|-- Erased                of before its subject was erased
|-- NothingKept           nothing is known of this subject
|-- NotMerged             two subjects to be parted that were never made one
|-- TooLarge              a message over its limit
|-- TooMany               more calls or streams at once than a worker takes
|-- DeadlinePassed        the caller no longer waits
|-- Stopping              the server stops; another one, or the next one, answers
|-- Lacking               what is asked for is not installed here; says how to get it
|-- StoreError
|   |-- StoreFull         the map or the disk is full
|   |-- StoreBroken       the environment cannot be used until it is reopened
|   |-- RecordDamaged     a stored record fails its checksum
|   `-- StoreRefused      the data directory cannot be opened: in use, newer, or on an unsuitable file system
`-- PlaybookError         a playbook has mistakes; holds all of them
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class MaitredError(Exception):
    """Base of all. Its text may be shown to a caller: it holds no personal data and no secret."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field

    def __reduce__(self) -> tuple[object, ...]:  # so that it can cross a process boundary whole
        return type(self), (self.message, self.field)


class InvalidRequest(MaitredError):
    """A field is wrong."""


class UnknownName(MaitredError):
    """A name that is not published."""


class NotPublished(MaitredError):
    """No playbook is in force yet."""


class WrongMode(MaitredError):
    """The server does not run in the mode that this call needs."""


class NotAllowed(MaitredError):
    """The caller may not do this."""


class NotAuthenticated(NotAllowed):
    """No credential, or a wrong one."""


class Expired(MaitredError):
    """A receipt past its validity."""


class Erased(MaitredError):
    """Of before its subject was erased."""


class NothingKept(MaitredError):
    """Nothing is known of this subject."""


class NotMerged(MaitredError):
    """Two subjects to be parted are not one."""


class TooLarge(MaitredError):
    """A message over its limit."""


class TooMany(MaitredError):
    """More calls or streams at once than a worker takes."""


class DeadlinePassed(MaitredError):
    """The caller no longer waits."""


class Stopping(MaitredError):
    """The server stops."""


class Lacking(MaitredError):
    """What is asked for is not installed."""


class StoreError(MaitredError):
    """The store could not do it."""


class StoreFull(StoreError):
    """The map or the disk is full."""


class StoreBroken(StoreError):
    """The environment cannot be used until it is reopened."""


class RecordDamaged(StoreError):
    """A stored record fails its checksum."""


class StoreRefused(StoreError):
    """The data directory cannot be opened."""


class Mistake(NamedTuple):
    """One mistake in a playbook."""

    file: str
    line: int  # from 1; 0: the file as a whole
    message: str
    column: int = 0  # from 1, in characters; 0: the line as a whole

    @property
    def place(self) -> str:
        """`file:line:column`, as far as it is known."""
        numbers = (self.line, self.column) if self.line and self.column else (self.line,) if self.line else ()
        return ":".join([self.file, *map(str, numbers)])

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class PlaybookError(MaitredError):
    """A playbook has mistakes."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.mistakes,)
