"""The rejects file: the rows that were not imported, and why. It holds personal data."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from maitred_server.errors import InvalidRequest
from maitred_server.importing.rows import Reject


def write(path: Path, rejects: Iterable[Reject]) -> None:
    """Write a rejects file anew, readable by its owner alone. Raises InvalidRequest."""
    try:
        path.unlink(missing_ok=True)  # its mode may be another
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            for reject in rejects:
                file.write(msgspec.json.encode(reject._asdict()) + b"\n")
    except OSError as error:
        raise InvalidRequest(f"cannot write the rejects to {path}: {error.strerror}", "rejects") from None
