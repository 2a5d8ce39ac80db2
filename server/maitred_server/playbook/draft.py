"""The columns of a catalogue, made in memory from its items. Equal items give equal columns, whatever their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import Final

import numpy as np

from maitred_server.errors import Mistake, PlaybookError
from maitred_server.model import Item, Variant
from maitred_server.playbook.attributes import Attributes
from maitred_server.playbook.columns import Array, Fit
from maitred_server.store.keys import action_key, group_key, item_key

ITEMS: Final = "items"  # where mistakes are that no line can be named for
MOST_ACTIONS: Final = 5_000_000
MOST_ATTRIBUTES: Final = 256  # distinct names, over all items


class Draft:
    """Items by id, their actions one after the other, and the dictionaries of what repeats."""

    def __init__(self, items: Iterable[Item]) -> None:
        """Raises PlaybookError when there is too much, or when keys collide."""
        self.items: list[Item] = sorted(items, key=lambda item: item.id)
        self.groups = _dictionary(group for item in self.items for group in item.groups)
        self.variants = _dictionary(variant.name for item in self.items for variant in item.variants)
        self.content_types = _dictionary(variant.content_type for item in self.items for variant in item.variants)
        self.fits = sorted({_fit(variant) for item in self.items for variant in item.variants})
        self.plains = [variant.plain for item in self.items for variant in item.variants if variant.template]
        self.first = _ends(len(item.variants) for item in self.items).astype(np.int32)
        self.attributes = Attributes(self.items)
        if self.attributes.count > MOST_ATTRIBUTES:
            refuse(f"attributes have {self.attributes.count:,} names in all; at most {MOST_ATTRIBUTES} are taken")
        if self.actions > MOST_ACTIONS:
            refuse(f"there are {self.actions:,} variants of items in all; at most {MOST_ACTIONS:,} are taken")
        self._action_keys = np.array(
            [action_key(item.id, variant.name) for item in self.items for variant in item.variants], np.uint64
        )
        self._item_keys = np.array([item_key(item.id) for item in self.items], np.uint64)
        self._group_keys = np.array([group_key(group) for group in self.groups], np.uint64)
        self._refuse_collisions()

    @property
    def actions(self) -> int:
        """How many actions there are."""
        return int(self.first[-1])

    def _refuse_collisions(self) -> None:
        keys = np.concatenate([self._action_keys, self._item_keys, self._group_keys])
        if len(np.unique(keys)) == len(keys):
            return
        for item in self.items:
            if len({variant.name for variant in item.variants}) < len(item.variants):
                refuse(f"item `{item.id}` has two variants of one name")
        _, at, times = np.unique(keys, return_index=True, return_counts=True)
        refuse(f"the key of {self._named(int(at[times > 1][0]))} is another's too; rename it")

    def _named(self, at: int) -> str:
        """What the key at a place of actions, items, groups belongs to."""
        if at >= self.actions + len(self.items):
            return f"group `{self.groups[at - self.actions - len(self.items)]}`"
        number = at - self.actions if at >= self.actions else int(np.searchsorted(self.first, at, side="right")) - 1
        return f"item `{self.items[number].id}`"

    def columns(self) -> dict[str, Array]:
        """All columns but those of placements; `columns.COLUMNS` says what each is."""
        return {**self._of_actions(), **self._of_items(), **self._of_groups(), **self.attributes.columns()}

    def _of_actions(self) -> dict[str, Array]:
        variants = [variant for item in self.items for variant in item.variants]
        item_index = np.repeat(np.arange(len(self.items), dtype=np.int32), np.diff(self.first))
        contents = [variant.content for variant in variants]
        return {
            "action_keys": self._action_keys,
            "item_keys": self._item_keys[item_index],
            "item_index": item_index,
            "variant_index": _coded((variant.name for variant in variants), self.variants),
            "content_type_index": _coded((variant.content_type for variant in variants), self.content_types),
            "content_offsets": _ends(map(len, contents)),
            "contents": _blob(contents),
            "fit_index": self._fit_index(variants),
            "template_index": _numbered([variant.template for variant in variants]),
            **_lookup("action_lookup", self._action_keys),
        }

    def _fit_index(self, variants: Sequence[Variant]) -> Array:
        codes = {fit: code for code, fit in enumerate(self.fits)}
        return np.fromiter((codes[_fit(variant)] for variant in variants), np.int32)

    def _of_items(self) -> dict[str, Array]:
        names = [item.id.encode() for item in self.items]
        return {
            "item_actions": self.first,
            "item_id_offsets": _ends(map(len, names)),
            "item_ids": _blob(names),
            **_lookup("item_lookup", self._item_keys),
        }

    def _of_groups(self) -> dict[str, Array]:
        return {
            "group_keys": self._group_keys,
            "item_group_offsets": _ends(len(item.groups) for item in self.items),
            "item_groups": _coded(chain.from_iterable(item.groups for item in self.items), self.groups),
        }


def _fit(variant: Variant) -> Fit:
    return Fit(variant.devices, variant.locales, variant.formats)


def _numbered(chosen: Sequence[bool]) -> Array:
    """The chosen are numbered from 0; -1 for the others."""
    flags = np.array(chosen, np.bool_)
    return np.where(flags, np.cumsum(flags) - 1, -1).astype(np.int32)


def refuse(message: str) -> None:
    """Raises PlaybookError about the items as a whole."""
    raise PlaybookError([Mistake(ITEMS, 0, message)])


def _dictionary(texts: Iterable[str]) -> list[str]:
    return sorted(set(texts))


def _coded(texts: Iterable[str], dictionary: Sequence[str]) -> Array:
    codes = {text: code for code, text in enumerate(dictionary)}
    return np.fromiter((codes[text] for text in texts), np.int32)


def _ends(lengths: Iterable[int]) -> Array:
    return np.fromiter(accumulate(lengths, initial=0), np.int64)


def _blob(parts: Iterable[bytes]) -> Array:
    return np.frombuffer(b"".join(parts), np.uint8)


def _lookup(name: str, keys: Array) -> dict[str, Array]:
    order = np.argsort(keys, kind="stable")
    return {name: keys[order], f"{name}_index": order.astype(np.int32)}
