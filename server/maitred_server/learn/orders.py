"""What people ordered of the models of a brand, and which the gates hold back: small files beside the snapshots.

`PIN`: the version whose models stay in force, whatever is learned. `ACCEPT`: the next models come in force however far
they moved. `HELD`: when which placement's models were held back, and why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from maitred_server.store.published import sync_folder, write_file

_PIN: Final = "PIN"
_ACCEPT: Final = "ACCEPT"
_HELD: Final = "HELD"
_REMEMBERED: Final = 1_000  # holds


class Hold(msgspec.Struct, frozen=True):
    """Models of one placement were held back, from one journal sequence to another. `until` 0: they still are."""

    placement: str
    reason: str
    at_ms: int
    since: int
    until: int = 0


def pin(folder: Path, version: str) -> None:
    """Keep the models of a version in force. Raises OSError."""
    write_file(folder / _PIN, [version.encode()])


def pinned(folder: Path) -> str:
    """The version whose models are to stay; "": none. Raises OSError."""
    try:
        return (folder / _PIN).read_text("ascii")
    except FileNotFoundError:
        return ""


def resume(folder: Path) -> None:
    """Let what is learned come in force again, however far it moved. Raises OSError."""
    write_file(folder / _ACCEPT, [b""])
    (folder / _PIN).unlink(missing_ok=True)
    sync_folder(folder)


def accepts(folder: Path) -> bool:
    """Whether the next models come in force in any case."""
    return (folder / _ACCEPT).exists()


def accepted(folder: Path) -> None:
    """They did."""
    (folder / _ACCEPT).unlink(missing_ok=True)


def holds(folder: Path) -> list[Hold]:
    """What was held back, the oldest first. Raises OSError."""
    try:
        return msgspec.json.decode((folder / _HELD).read_bytes(), type=list[Hold])
    except (FileNotFoundError, msgspec.MsgspecError):
        return []


def remember(folder: Path, held: list[Hold]) -> None:
    """Write down what was held back. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_file(folder / _HELD, [msgspec.json.encode(held[-_REMEMBERED:])])


def forget(folder: Path) -> None:
    """Nothing was ordered, and nothing held back."""
    for name in (_PIN, _ACCEPT, _HELD):
        (folder / name).unlink(missing_ok=True)
