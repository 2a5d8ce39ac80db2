"""The files that a load leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from maitred_server.errors import MaitredError


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """All figures. Raises MaitredError."""
    write(path, json.dumps(figures, indent=2) + "\n")


def write(path: Path, text: str) -> None:
    """A text file, with its folder. Raises MaitredError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MaitredError(f"cannot write {path}: {error.strerror}") from None


def check(path: Path | None) -> None:
    """Refuse a place that cannot be written to before load begins. Raises MaitredError."""
    if path is not None and path.is_dir():
        raise MaitredError(f"cannot write {path}: it is a folder")
