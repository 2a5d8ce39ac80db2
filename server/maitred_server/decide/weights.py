"""Values, levers and context weights as columns over a placement's candidates.

Nothing here depends on the subject: it is joined once for each published version and set of live prices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from maitred_server.decide.overlay import PRICE
from maitred_server.decide.reach import reaches
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Scope, SlatePlan, Worth
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Bools, Floats


class Factor(NamedTuple):
    """A lever or a context weight, and the rows that it is about."""

    factor: float
    rows: Bools  # bool[m]
    channels: tuple[str, ...]  # none: all
    plan: bytes = b""  # the rule that must hold; b"": none

    def within(self, channel: str) -> bool:
        """Whether it is about a channel."""
        return not self.channels or channel in self.channels


class Weights(NamedTuple):
    """Values, levers and context weights of a placement's m candidates."""

    value: Floats  # float64[m]
    live: bool  # the value is the price, which live states change
    otherwise: float  # the value of items without the attribute
    levers: tuple[Factor, ...]
    context: tuple[Factor, ...]
    by_channel: Mapping[str, Floats]  # float64[m], value x levers, by the channels that levers name; "": in all others
    negative: bool  # some candidate may have a negative priority

    @classmethod
    def lay(cls, catalogue: Catalogue, placement: Placement, plan: SlatePlan) -> Weights | None:
        """Of a placement; None when the playbook says nothing of the kind. Live prices: see `priced`."""
        control, worth = catalogue.control, plan.worth
        levers = _factors(catalogue, placement, ((one.factor, one.scope, b"") for one in control.levers))
        context = _factors(catalogue, placement, ((one.weight, one.scope, one.plan) for one in control.context_weights))
        if worth == Worth() and not levers and not context:
            return None
        numbers = catalogue.numbers(worth.attribute) if worth.attribute else None
        missing = np.full(len(placement.candidates), np.nan)
        value = missing if numbers is None else numbers[catalogue.item_index[placement.candidates]]
        return _weights(value, worth.attribute == PRICE, worth.otherwise, levers, context)

    def priced(self, prices: Floats) -> Weights:
        """With other prices: float64[m], NaN where there is none."""
        if not self.live:
            return self
        return _weights(prices, True, self.otherwise, self.levers, self.context)

    def steady(self, channel: str) -> Floats:
        """float64[m]: value x levers in a channel."""
        return self.by_channel.get(channel, self.by_channel[""])


def _factors(
    catalogue: Catalogue, placement: Placement, said: Iterable[tuple[float, Scope, bytes]]
) -> tuple[Factor, ...]:
    """Those that reach a candidate and change something."""
    reached = ((factor, reaches(catalogue, scope, placement), scope.channels, plan) for factor, scope, plan in said)
    return tuple(
        Factor(factor, rows, channels, plan)
        for factor, rows, channels, plan in reached
        if rows is not None and factor != 1.0
    )


def _weights(
    value: Floats, live: bool, otherwise: float, levers: tuple[Factor, ...], context: tuple[Factor, ...]
) -> Weights:
    value = np.where(np.isnan(value), otherwise, value)
    named = {"", *(channel for one in levers for channel in one.channels)}
    columns = {channel: _steady(value, [one for one in levers if one.within(channel)]) for channel in named}
    negative = any((column < 0.0).any() for column in columns.values()) or any(one.factor < 0.0 for one in context)
    return Weights(value, live, otherwise, levers, context, columns, bool(negative))


def _steady(value: Floats, levers: Iterable[Factor]) -> Floats:
    column = value.copy()
    with np.errstate(all="ignore"):  # what overflows is closed when it is ranked
        for one in levers:
            column[one.rows] *= one.factor
    column.flags.writeable = False
    return column
