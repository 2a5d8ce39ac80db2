"""What people of this shop control: the files in `control/`, without what the shop at hand does not sell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple, TypeAlias

import yaml

from maitred_tools.demo.groceries import Groceries

MORE = "till-more"
PURPOSE = "personalization"
Entry: TypeAlias = dict[str, Any]
_SCOPED = {"rules": ["rules"], "contact_policies": ["contact_policies"], "arbitration": ["levers", "context_weights"]}


class Sold(NamedTuple):
    """What a shop sells, by the key that scopes have for it."""

    items: frozenset[str]
    groups: frozenset[str]

    def narrowed(self, scope: Mapping[str, Any]) -> Entry | None:
        """A scope without what is not sold; None: nothing is left of it."""
        lists = {key: self.only(key, scope[key]) for key in self._fields if key in scope}
        if lists and not any(lists.values()):
            return None
        rest = {key: value for key, value in scope.items() if key not in lists}
        return {**rest, **{key: names for key, names in lists.items() if names}}

    def only(self, key: str, names: Sequence[str]) -> list[str]:
        """Of some names those that are sold."""
        return [name for name in names if name in getattr(self, key)]

    def scoped(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries that are about anything sold, narrowed to that."""
        for entry in entries:
            if (scope := self.narrowed(entry["for"])) is not None:
                yield {**entry, "for": scope}


def control_files(shop: Groceries) -> dict[str, Entry]:
    """The playbook's files that people write, by name without ending; each is about this shop's goods only."""
    sold = Sold(frozenset(shop.categories), frozenset(shop.departments))
    found = {name: read(name) for name in ("subjects", "segments", *_SCOPED, "reasons")}
    for name, keys in _SCOPED.items():
        found[name] = {key: list(sold.scoped(found[name][key])) for key in keys}
    asked_for = yaml.safe_dump([found[name] for name in _SCOPED], width=10_000)
    named = [one for one in found["segments"]["segments"] if f'"{one["name"]}"' in asked_for]
    return {**found, "segments": {"segments": named}, "placements": {"placements": [_placement(sold)]}}


def read(name: str) -> Entry:
    """A file as it was written, e.g. `rules`."""
    text = files("maitred_tools.demo").joinpath("control", f"{name}.yaml").read_text(encoding="utf-8")
    content: Entry = yaml.safe_load(text)
    return content


def _placement(sold: Sold) -> Entry:
    (written,) = read("placements")["placements"]
    return {
        **written,
        "candidates": sold.narrowed(written["candidates"]) or "all",
        "reserved": list(sold.scoped(written["reserved"])),
        "fallback": sold.only("items", written["fallback"]),
    }
