"""For all tests: their data directories are thrown away, so a container's own layer will do.

The consoles of the commands are made before a test sets COLUMNS: made after it they would keep that width.
"""

from __future__ import annotations

import os

os.environ.setdefault("MAITRED_ALLOW_OVERLAY", "1")

import maitred_server.cli_options  # noqa: F401
