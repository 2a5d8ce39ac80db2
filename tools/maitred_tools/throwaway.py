"""For servers that only live as long as a demo or a measurement."""

from __future__ import annotations

import os

from maitred_server.store.directory import ALLOW_OVERLAY


def accept_any_disk() -> None:
    """Let the servers that this process starts keep their data in a container's own layer: it is thrown away anyway."""
    os.environ.setdefault(ALLOW_OVERLAY, "1")
