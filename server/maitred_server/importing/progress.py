"""What an import keeps of itself: enough to go on after a kill, and to say afterwards that it was done.

It is kept in `import/ID` of the data directory; ID is made of the file's content. What counts is what the store has
acknowledged: the state kept here only says how the file was read, and spares reading it again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec

from maitred_server.errors import InvalidRequest
from maitred_server.importing.staged import StagingFile
from maitred_server.store.directory import make_private
from maitred_server.store.published import write_file

FORMAT = 1  # raise it when another version would read files otherwise
FOLDER = "import"
_HASH_BYTES = 1 << 20


class Identity(NamedTuple):
    """What is imported. `digest`: of the file's bytes, or of the name that was declared for it."""

    kind: str
    digest: str
    reading: str  # digest of how it is read: mapping, defaults, brand

    @property
    def name(self) -> str:
        """The name of the client whose numbered events the records are."""
        return f"import/{self.kind}/{self.digest}"

    @property
    def epoch(self) -> int:
        """A number of 62 bits for the way it is read."""
        return int(self.reading[:16], 16) >> 2


class State(msgspec.Struct, frozen=True):
    """How far an import is. Times in ms."""

    format: int
    reading: str
    file: str
    begun_at: int
    staged: bool = False  # all of the file is in the staging file
    finished_at: int = 0
    acknowledged: int = 0  # what the store had acknowledged when it was finished
    records: int = 0  # what the staging file has when it has all
    rows: int = 0
    rejected: int = 0


def digest_of(path: Path, told: Callable[[int], None]) -> str:
    """Digest of a file's bytes; `told` hears how many were read. Raises InvalidRequest."""
    digest = blake2b(digest_size=16, person=b"maitred.import")
    try:
        with path.open("rb") as file:
            while block := file.read(_HASH_BYTES):
                digest.update(block)
                told(file.tell())
    except OSError as error:
        raise InvalidRequest(f"cannot read {path}: {error.strerror}", "file") from None
    return digest.hexdigest()


def digest_of_parts(*parts: bytes) -> str:
    """Digest of some values, told apart by their lengths."""
    digest = blake2b(digest_size=16, person=b"maitred.import")
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.hexdigest()


class Place:
    """The folder of one import, held by one process at a time."""

    def __init__(self, folder: Path, identity: Identity) -> None:
        self._folder = folder
        self._identity = identity
        self._state = folder / "state.json"

    def state(self) -> State | None:
        """What an earlier run left; None: nothing that can be used."""
        try:
            state = msgspec.json.decode(self._state.read_bytes(), type=State)
        except (OSError, msgspec.DecodeError):
            return None
        return state if state.format == FORMAT else None

    def begin(self, file: str, now: int) -> State:
        """Go on with what is there, or begin. Raises InvalidRequest when it was begun to be read in another way."""
        state = self.state()
        if state is None:
            state = State(FORMAT, self._identity.reading, file, now)
            self.drop_staged()
            self.keep(state)
        elif state.reading != self._identity.reading:
            raise InvalidRequest(
                "this file was imported, or begun to be, with another mapping or other options; use those to go on,"
                " or give a new --source-id to import it once more as something else",
                "file",
            )
        return state

    def keep(self, state: State) -> None:
        """Write the state down, durably."""
        write_file(self._state, [msgspec.json.encode(state)])

    @contextmanager
    def staging(self) -> Iterator[StagingFile]:
        """The staging file, made when missing."""
        staging = StagingFile(self._folder / "staged")
        try:
            yield staging
        finally:
            staging.close()

    def drop_staged(self) -> None:
        (self._folder / "staged").unlink(missing_ok=True)

    def remove(self) -> None:
        """As if it had never begun."""
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def held(data: Path, brand: str, identity: Identity) -> Iterator[Place]:
    """The place of an import. Raises InvalidRequest when another process is at it."""
    name = digest_of_parts(brand.encode(), identity.name.encode())
    folder = make_private(make_private(data / FOLDER) / name)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield Place(folder, identity)
    except BlockingIOError:
        raise InvalidRequest("another process is importing this file", "file") from None
    finally:
        os.close(descriptor)
