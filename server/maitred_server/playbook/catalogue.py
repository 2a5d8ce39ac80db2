"""A published catalogue: mapped columns and the playbook's nouns. Immutable; opening it reads next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from maitred_server.errors import NotPublished
from maitred_server.model import Arm, Layer
from maitred_server.playbook.columns import Array, Fit, Frozen, FrozenPlacement, open_version
from maitred_server.playbook.nouns import Placement
from maitred_server.store.columns import find
from maitred_server.store.keys import action_key, item_key
from maitred_server.store.published import current

__all__ = ["Arm", "Catalogue", "Layer", "Placement"]

Keys: TypeAlias = npt.NDArray[np.uint64]
Positions: TypeAlias = npt.NDArray[np.int32]
Numbers: TypeAlias = npt.NDArray[np.float64]

MOST_READ: Final = 16_384  # ids of items that are kept as texts


class Catalogue:
    """What can be chosen and where. Actions are numbered from 0; those of one item are adjacent, items stand by id."""

    def __init__(self, version: str, frozen: Frozen, columns: dict[str, Array]) -> None:
        """Use `open`. `columns`: those of `columns.COLUMNS`, read-only."""
        self.version = version
        self.name = frozen.name
        self.description = frozen.description
        self.layers: tuple[Layer, ...] = frozen.layers
        self.dimensions = frozen.dimensions
        self.control = frozen.control
        self.fits: tuple[Fit, ...] = frozen.fits
        self.fit_index: Positions = columns["fit_index"]
        self.groups: tuple[str, ...] = frozen.groups
        self.action_keys: Keys = columns["action_keys"]
        self.item_keys: Keys = columns["item_keys"]
        self.item_index: Positions = columns["item_index"]
        self.group_keys: Keys = columns["group_keys"]
        self.placements: dict[str, Placement] = {
            one.name: _placement(one, columns["placement_actions"]) for one in frozen.placements
        }
        self._frozen = frozen
        self._columns = columns
        self._contents = columns["contents"].data
        read_id = partial(_item_id, columns["item_id_offsets"], columns["item_ids"].data)
        self._item_id = lru_cache(MOST_READ)(read_id)  # few items make up most of what is chosen
        self.names_of = lru_cache(MOST_READ)(self._names_of)  # item and variant of an action
        self._groups_known: dict[str, tuple[str, ...]] = {}  # of items that were asked for

    @classmethod
    def open(cls, folder: Path, version: str | None = None, whole: bool = False) -> Catalogue:
        """Maps a version in `folder`, by default the one in force. `whole`: compares every byte with its checksum.

        Raises NotPublished when none is in force, RecordDamaged when the version is not what was published.
        """
        version = version or current(folder)
        if version is None:
            raise NotPublished("no playbook was published yet")
        return cls(version, *open_version(folder / version, whole))

    @property
    def size(self) -> int:
        """How many actions there are."""
        return len(self.action_keys)

    @property
    def item_count(self) -> int:
        """How many items there are."""
        return len(self._columns["item_lookup"])

    def item(self, action: int) -> str:
        """The item's id."""
        return self.item_id(int(self.item_index[action]))

    def variant(self, action: int) -> str:
        """The variant's name."""
        return self._frozen.variants[int(self._columns["variant_index"][action])]

    def _names_of(self, action: int) -> tuple[str, str]:
        return self.item(action), self.variant(action)

    def content(self, action: int) -> bytes:
        """What to show."""
        begin, end = self._columns["content_offsets"][action : action + 2].tolist()
        return self._contents[begin:end].tobytes()

    def content_type(self, action: int) -> str:
        """The media type of the content."""
        return self._frozen.content_types[int(self._columns["content_type_index"][action])]

    def template(self, action: int) -> bytes | None:
        """What stands in when the content, a template, lacks a value; None: the content is no template."""
        number = int(self._columns["template_index"][action])
        return self._frozen.plains[number] if number >= 0 else None

    @property
    def templates(self) -> Positions:
        """int32[t]: the actions whose content is a template."""
        return np.flatnonzero(self._columns["template_index"] >= 0).astype(np.int32)

    def item_groups(self, action: int) -> tuple[str, ...]:
        """The groups of an action's item."""
        return self._groups(int(self.item_index[action]))

    def find(self, item: str, variant: str) -> int:
        """The action of an item in a variant; -1 when there is none."""
        action = self._find("action_lookup", action_key(item, variant))
        return action if action >= 0 and self.item(action) == item and self.variant(action) == variant else -1

    def groups_of(self, item: str) -> tuple[str, ...]:
        """The groups of an item; none when it is unknown."""
        known = self._groups_known.get(item)
        if known is not None:
            return known
        number = self._find("item_lookup", item_key(item))
        if number < 0 or self.item_id(number) != item:
            return ()
        self._groups_known[item] = groups = self._groups(number)
        return groups

    def actions_of(self, item: str) -> range:
        """The actions of an item; none when it is unknown."""
        number = self._find("item_lookup", item_key(item))
        if number < 0 or self.item_id(number) != item:
            return range(0)
        begin, end = self._columns["item_actions"][number : number + 2].tolist()
        return range(begin, end)

    def items_of(self, keys: Keys) -> Positions:
        """int32[s]: the items of some keys (`store.keys.item_key`); -1 where there is none."""
        at, known = find(self._columns["item_lookup"], keys)
        numbers = np.full(len(keys), -1, np.int32)
        numbers[known] = self._columns["item_lookup_index"][at[known]]
        return numbers

    @property
    def item_groups_columns(self) -> tuple[Array, Positions]:
        """int64[items+1] and int32: the groups of item i are those from place [i] to [i+1] of the second column.

        They are numbers into `groups` and `group_keys`.
        """
        return self._columns["item_group_offsets"], self._columns["item_groups"]

    def numbers(self, attribute: str) -> Numbers | None:
        """float64[items]: an attribute that is a number, a flag (0, 1) or a moment (ms); NaN where missing."""
        names = self._frozen.number_names
        return self._columns["numbers"][names.index(attribute)] if attribute in names else None

    def number_kinds(self, attribute: str) -> npt.NDArray[np.uint8] | None:
        """uint8[items]: what the numbers are (`columns.NUMBER`, `FLAG`, `MOMENT`); 0 where missing."""
        names = self._frozen.number_names
        return self._columns["number_kinds"][names.index(attribute)] if attribute in names else None

    def lists(self, attribute: str) -> tuple[Array, Positions, tuple[str, ...], npt.NDArray[np.bool_]] | None:
        """An attribute that is a list of texts: offsets int64[items+1] into codes int32[], into a dictionary.

        The last is bool[items]: which items have it.
        """
        if attribute not in self._frozen.list_names:
            return None
        row = self._frozen.list_names.index(attribute)
        present = self._columns["list_present"][row].view(np.bool_)
        return self._columns["list_offsets"][row], self._columns["lists"], self._frozen.texts, present

    def texts(self, attribute: str) -> tuple[Positions, tuple[str, ...]] | None:
        """int32[items] into a dictionary: an attribute that is a text; -1 where missing."""
        names = self._frozen.text_names
        return (self._columns["texts"][names.index(attribute)], self._frozen.texts) if attribute in names else None

    def attributes_of(self, number: int) -> dict[str, float | str]:
        """The attributes of an item that are numbers or texts. For people and their words: it looks at every column."""
        numbers = zip(self._frozen.number_names, self._columns["numbers"][:, number].tolist(), strict=True)
        codes = zip(self._frozen.text_names, self._columns["texts"][:, number].tolist(), strict=True)
        found: dict[str, float | str] = {name: value for name, value in numbers if value == value}
        found.update((name, self._frozen.texts[code]) for name, code in codes if code >= 0)
        return found

    @cached_property
    def names(self) -> dict[int, str]:
        """Names by key, of items, actions (`item` or `item/variant`) and groups. For people: it costs memory."""
        return dict(self._named())

    def _named(self) -> Iterator[tuple[int, str]]:
        yield from zip(self.group_keys.tolist(), self.groups, strict=True)
        for action, (key, owner) in enumerate(zip(self.action_keys.tolist(), self.item_keys.tolist(), strict=True)):
            item, variant = self.item(action), self.variant(action)
            yield owner, item
            yield key, f"{item}/{variant}" if variant else item

    def item_id(self, number: int) -> str:
        """The id of an item by its number."""
        return self._item_id(number)

    def _groups(self, number: int) -> tuple[str, ...]:
        begin, end = self._columns["item_group_offsets"][number : number + 2].tolist()
        return tuple(self.groups[code] for code in self._columns["item_groups"][begin:end].tolist())

    def _find(self, lookup: str, key: int) -> int:
        """What a key stands for: one comparison by halves in its sorted column; -1 when it is not there."""
        keys = self._columns[lookup]
        at = int(keys.searchsorted(np.uint64(key)))
        return int(self._columns[f"{lookup}_index"][at]) if at < len(keys) and int(keys[at]) == key else -1


def _item_id(offsets: Array, ids: memoryview, number: int) -> str:
    begin, end = offsets[number : number + 2].tolist()
    return str(ids[begin:end], "utf-8")


def _placement(frozen: FrozenPlacement, actions: Positions) -> Placement:
    begin, *ends = frozen.cuts
    candidates, order, fallback = (actions[a:b] for a, b in zip((begin, *ends), ends, strict=False))
    return Placement(
        name=frozen.name,
        slots=frozen.slots,
        candidates=candidates,
        policy=frozen.policy,
        baseline=frozen.baseline,
        order=order,
        fallback=fallback,
        counts=frozen.counts,
        ttl_ms=frozen.ttl_ms,
        stale_ms=frozen.stale_ms,
        automation=frozen.automation,
    )
