"""How long a run will take, before it begins: as long as the last one of the same size, else about what others took."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from maitred_tools.bench import seed
from maitred_tools.bench.section import Scale

MINUTES: Final = {"decide": 14, "process": 3, "batch": 3, "sdk": 2, "feedback": 5, "growth": 9, "start": 2}
MADE_A_MINUTE: Final = 150_000  # profiles of a new data directory
SMALL: Final = 0.15  # of the minutes, with --quick
LARGE: Final = 2.0  # with --full


def rough_s(section: str, scale: Scale, sections: Mapping[str, Any]) -> float:
    """Seconds of a section; `sections`: of the last report."""
    stamp = sections.get(section, {}).get("stamp", {})
    if stamp.get("seconds") and stamp["scale"] == json.loads(json.dumps(scale._asdict())):
        return float(stamp["seconds"])
    return 60 * MINUTES.get(section, 1) * (SMALL if scale.quick else LARGE if scale.events else 1.0)


def making_s(scale: Scale, build: Path) -> float:
    """Seconds until the data directories are there that are not yet."""
    wanted = {scale.profiles, *scale.stores}
    return sum(60 * size / MADE_A_MINUTE for size in wanted if not seed.is_made(build, size))


def words(seconds: float) -> str:
    """Rounded up to whole minutes."""
    minutes = max(1, -int(-seconds // 60))
    return f"about {minutes} minute{'s' if minutes > 1 else ''}"


def announced(chosen: Sequence[str], scale: Scale, sections: Mapping[str, Any], build: Path) -> str:
    """One line for all sections."""
    whole = sum(rough_s(name, scale, sections) for name in chosen)
    made = making_s(scale, build)
    first = f", and {words(made)} before to make data" if made >= 60 else ""
    return f"{len(chosen)} section{'s' if len(chosen) > 1 else ''}, {words(whole)} on two quiet cores{first}"
