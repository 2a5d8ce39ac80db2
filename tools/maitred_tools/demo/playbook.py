"""The demo's playbook: the shop's own categories, four policies side by side, a holdout, and what people control."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from maitred_server.policy.families import DEFAULTS

from maitred_tools.demo.control_files import control_files
from maitred_tools.demo.groceries import Groceries
from maitred_tools.demo.reference import SLOTS

PLACEMENT = "till-welcome"
BASELINE = "popular"
LAYER = "demo-policy"
# The policy of each arm, and its share of the households that are not held out. Habit and what is learned have most:
# it is between them that a difference is small.
ARMS = {
    "habit": ("habit", 0.35),
    "learned": ("greedy", 0.35),
    "popular": ("popular", 0.15),
    "uniform": ("uniform", 0.15),
}
# At a till it makes no difference where something stood: it is bought or not.
FEATURES = tuple(name for name in DEFAULTS if name != "slot")
HOLDOUT_SHARE = 0.05

_ABBREVIATIONS = """
bg bags, bkd baked, bn beans, brkfst breakfast, btr butter, ckys cookies, cleang cleaning, cndy candy, conc concentrate,
crkr crackers, crystl crystal, dnr dinner, drnk drink, drnks drinks, drsng dressing, fd food, flvrd flavored,
frzn frozen, gm general merchandise, jce juice, mx mix, mxs mixes, pckgd packaged, pkld pickled, pnt peanut,
pwdr powder, refrgratd refrigerated, sald salad, sndwch sandwich, snks snacks, sply supplies, sprd spread,
sweetners sweeteners, tiss tissues, trsh trash, whlsm wholesome, wtr water
"""
_SPELT_OUT = {short: full for short, _, full in (pair.strip().partition(" ") for pair in _ABBREVIATIONS.split(","))}


def write(shop: Groceries, folder: Path) -> None:
    """Writes the playbook's files into `folder`, which is made when it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_yaml(folder / "playbook.yaml", _experiment())
    written = control_files(shop)
    written["placements"]["placements"].insert(0, _placement())
    for name, content in written.items():
        _write_yaml(folder / f"{name}.yaml", content)
    _write_yaml(folder / "groups.yaml", {"groups": list(_groups(shop))})
    lines = (json.dumps(item, ensure_ascii=False) for item in _items(shop))
    (folder / "items.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def title(name: str) -> str:
    """A name in capitals as people would write it: "FRZN JUICE/DRINKS" becomes "Frozen juice/drinks"."""
    spelt = re.sub(r"\w+", lambda word: _SPELT_OUT.get(word[0], word[0]), " ".join(name.lower().split()))
    return spelt[:1].upper() + spelt[1:]


def _experiment() -> dict[str, Any]:
    return {
        "name": "Grocery till",
        "description": "Four ways to choose at the till, side by side; and three more things within rules.",
        "layers": [
            {
                "name": LAYER,
                "unit": "household",
                "arms": [
                    {"name": name, "share": share, "policies": {PLACEMENT: policy}}
                    for name, (policy, share) in ARMS.items()
                ],
            }
        ],
        "holdout": {"share": HOLDOUT_SHARE, "unit": "household"},
    }


def _placement() -> dict[str, Any]:
    return {
        "name": PLACEMENT,
        "description": "What the till shows when a household begins to pay.",
        "slots": SLOTS,
        "candidates": "all",
        "policy": "habit",
        "baseline": BASELINE,
        "counts": "purchase",
        "ttl": "0s",
        "stale": "0s",
        "automation": "online",
        "learning": {"responses": [{"type": "purchase", "wait": "1d"}], "features": list(FEATURES)},
    }


def _groups(shop: Groceries) -> Iterable[dict[str, str]]:
    return ({"id": department, "name": title(department)} for department in sorted(set(shop.departments)))


def _items(shop: Groceries) -> Iterable[dict[str, Any]]:
    for category, department in zip(shop.categories, shop.departments, strict=True):
        name = title(category)
        content = {"title": name, "department": title(department)}
        yield {"id": category, "groups": [department], "attributes": {"name": name}, "variants": [{"content": content}]}


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
