"""Compiled twins of what a decision does most, written in Cython. An installation without a compiler goes without them.

Each is used where it was built; where it was not, the Python code that it stands for serves, with the same results.
`MAITRED_PURE_PYTHON=1` leaves them aside where they were built.
"""

from __future__ import annotations

import os
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

if os.environ.get("MAITRED_PURE_PYTHON", "") not in ("", "0"):
    __path__ = []  # so that none of them is found


def built() -> list[str]:
    """The names of those that are in use."""
    files = (file.name for folder in __path__ for file in Path(folder).iterdir())
    return sorted({name.partition(".")[0] for name in files if name.endswith(tuple(EXTENSION_SUFFIXES))})
