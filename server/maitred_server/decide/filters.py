"""The filter stage: each filter may close candidates, and can say why it closed one.

A new filter is one class, named in FILTERS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from maitred_server.decide.contact_filter import QuietTimes, TooOften
from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.decide.rule_filter import Rules
from maitred_server.decide.variant_filter import Fits
from maitred_server.decide.wish_filter import NotForMe
from maitred_server.policy.base import Bools


class Filter(Protocol):
    """One reason not to show something."""

    @property
    def name(self) -> str:
        """What the stage is called in explanations."""

    def open(self, ground: Ground, moment: Moment, taken: Sequence[int]) -> Bools | None:
        """bool[m]: the rows that stay open; None: all of them. `taken`: item numbers that the page already shows."""

    def why(self, ground: Ground, moment: Moment, taken: Sequence[int], row: int) -> list[str]:
        """Why a row is closed, in words. Asked for explanations only."""


class Available:
    """Nothing is offered that is killed, paused or out of stock."""

    name = "live state"

    def open(self, ground: Ground, moment: Moment, taken: Sequence[int]) -> Bools | None:
        return ground.available

    def why(self, ground: Ground, moment: Moment, taken: Sequence[int], row: int) -> list[str]:
        return ["it is killed, paused or out of stock"]


class OncePerPage:
    """No item is shown twice on one page, in whatever variant."""

    name = "once a page"

    def open(self, ground: Ground, moment: Moment, taken: Sequence[int]) -> Bools | None:
        if not taken:
            return None
        rows = np.ones(len(ground.actions), np.bool_)
        begins, ends = (ground.item_index.searchsorted(taken, side=side).tolist() for side in ("left", "right"))
        for begin, end in zip(begins, ends, strict=True):
            rows[begin:end] = False
        return rows

    def why(self, ground: Ground, moment: Moment, taken: Sequence[int], row: int) -> list[str]:
        return ["the page shows it already, or has it pinned further on"]


FILTERS: tuple[Filter, ...] = (Available(), Rules(), NotForMe(), TooOften(), QuietTimes(), Fits(), OncePerPage())


def open_rows(ground: Ground, moment: Moment, taken: Sequence[int]) -> Bools | None:
    """Rows that every filter leaves open: bool[m]; None: all of them."""
    left: Bools | None = None
    for one in FILTERS:
        mask = one.open(ground, moment, taken)
        if mask is not None:
            left = mask if left is None else left & mask
    return left
