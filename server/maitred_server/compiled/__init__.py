"""Compiled twins of what a decision does most, written in Cython. An installation without a compiler goes without them.

Each is used where it was built; where it was not, the Python code that it stands for serves, with the same results.
`MAITRED_PURE_PYTHON=1` leaves them aside where they were built.
"""

from __future__ import annotations

import os

if os.environ.get("MAITRED_PURE_PYTHON", "") not in ("", "0"):
    __path__ = []  # so that none of them is found
