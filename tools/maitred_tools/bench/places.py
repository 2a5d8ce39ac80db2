"""The playbooks of the report: one catalogue of 10,000 items, and learned placements of 10 to 10,000 of them.

`plain` has the placements alone; `everything` has 500 rules, 200 segments and 20 contact policies beside them.
"""

from __future__ import annotations

import json
from typing import Any, Final

from maitred_tools.bench import control, seed

CATALOGUE: Final = 10_000
SIZES: Final = (10, 100, 1_000, CATALOGUE)
MAIN: Final = 1_000
HABIT: Final = "habit-1000"
PAGES: Final = tuple(f"page-{number:02}" for number in range(16))  # of 1,000 candidates each, by `habit`
HASHED: Final = 38  # columns for traits: with them the features are 64
TRAITS: Final = (
    *(f"subject.{name}" for name in ("age", "city", "loyal", "likes")),
    *(f"context.{name}" for name in ("store", "device")),
)
PLAIN, EVERYTHING = "plain", "everything"


def placement(candidates: int) -> str:
    """The learned placement of so many candidates."""
    return seed.PLACEMENT if candidates == MAIN else f"{seed.PLACEMENT}-{candidates}"


def playbook(name: str = PLAIN, policy: str = "inverse_gap") -> dict[str, bytes]:
    """The files of `plain` or `everything`. `policy`: of the learned placements, which learn whoever serves."""
    return {
        **seed.playbook(),
        **control.subjects(),
        **(control.files() if name == EVERYTHING else {}),
        "items.jsonl": seed.items(CATALOGUE),
        "placements.yaml": json.dumps({"placements": _placements(policy)}).encode(),
    }


def _placements(policy: str) -> list[dict[str, Any]]:
    learned = [_placement(placement(size), policy, size) for size in SIZES]
    by_habit = [_placement(name, "habit", MAIN) for name in (HABIT, *PAGES)]
    return [*({**one, "learning": {"traits": list(TRAITS), "hashed": HASHED}} for one in learned), *by_habit]


def _placement(name: str, policy: str, size: int) -> dict[str, Any]:
    chosen = "all" if size == CATALOGUE else {"items": [seed.item(number) for number in range(size)]}
    return {"name": name, "slots": seed.SLOTS, "policy": policy, "counts": seed.PURCHASE, "candidates": chosen}
