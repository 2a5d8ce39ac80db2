"""On what a run was measured, in words."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("maitred", "grpcio", "protobuf", "lmdb", "numpy")


def describe(arguments: list[str]) -> dict[str, str]:
    """The command, the machine, the date and the versions."""
    return {
        "command": " ".join(["python -m maitred_tools.demo", *arguments]),
        "machine": f"{os.cpu_count()} x {_processor()}, {platform.system()} {platform.machine()}; client and server",
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "versions": ", ".join([*_versions(), f"Python {platform.python_version()}"]),
        "policies": "habit, learned, popular and uniform side by side, each on its own share of the households",
        "second half": "the later half of the visits replayed, in time order",
    }


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return found


def _processor() -> str:
    if sys.platform == "linux":
        with suppress(OSError):
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or "processor"
