"""The filter stage: functions of one signature, each of which may close candidates.

A new filter is one function here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from maitred_server.decide.world import Ground
from maitred_server.policy.base import Bools

# Item numbers that a page already shows -> rows that stay open; None: all of them.
Filter: TypeAlias = Callable[[Ground, list[int]], Bools | None]


def available(ground: Ground, taken: list[int]) -> Bools | None:
    """Nothing is offered that is killed, paused or out of stock."""
    return ground.available


def once_a_page(ground: Ground, taken: list[int]) -> Bools | None:
    """No item is shown twice on one page, in whatever variant."""
    if not taken:
        return None
    return ~np.isin(ground.item_index, np.array(taken, dtype=np.int32))


FILTERS: tuple[Filter, ...] = (available, once_a_page)


def open_rows(ground: Ground, taken: list[int]) -> Bools | None:
    """Rows that every filter leaves open: bool[m]; None: all of them."""
    left: Bools | None = None
    for keep in FILTERS:
        mask = keep(ground, taken)
        if mask is not None:
            left = mask if left is None else left & mask
    return left
