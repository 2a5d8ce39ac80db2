"""What narrower keys inherit from: the groups of items as the catalogue has them, the items of variants as met."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from maitred_server.learn.weights import Families
from maitred_server.playbook.catalogue import Catalogue


def families(catalogue: Catalogue, variants: dict[int, dict[int, None]]) -> Families:
    """`variants`: of each item. An item that is in the catalogue no more has no groups."""
    items = list(variants)
    item_of = {variant: item for item, of_item in variants.items() for variant in of_item}
    return Families(dict(_groups_of(catalogue, items)), item_of)


def _groups_of(catalogue: Catalogue, items: list[int]) -> Iterable[tuple[int, tuple[int, ...]]]:
    offsets, groups = catalogue.item_groups_columns
    numbers = catalogue.items_of(np.array(items, np.uint64)).tolist()
    for item, number in zip(items, numbers, strict=True):
        if number >= 0:
            begin, end = offsets[number : number + 2].tolist()
            yield item, tuple(catalogue.group_keys[groups[begin:end]].tolist())
