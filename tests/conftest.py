"""For all tests: their data directories are thrown away, so a container's own layer will do."""

from __future__ import annotations

import os

os.environ.setdefault("MAITRED_ALLOW_OVERLAY", "1")
