"""What a process of the server does before it imports anything else."""

from __future__ import annotations

import os
import sys

# Before numpy is imported: one thread a product. Workers are the parallelism.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _without_rich() -> None:
    """structlog imports rich for tracebacks on a terminal. We log none, and it is a sixth of a start."""
    if "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # an import of it fails, which structlog expects
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]


_without_rich()
