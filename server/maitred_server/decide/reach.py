"""Which of a placement's candidates a scope is about."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Scope
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Bools


def items_in(catalogue: Catalogue, items: Iterable[str], groups: Iterable[str]) -> Bools:
    """bool[items of the catalogue]: those of some ids, and those of some groups. Unknown names are passed over."""
    chosen = np.zeros(catalogue.item_count, np.bool_)
    for item in items:
        actions = catalogue.actions_of(item)
        if actions:
            chosen[int(catalogue.item_index[actions[0]])] = True
    wanted = frozenset(groups)
    numbers = [at for at, group in enumerate(catalogue.groups) if group in wanted] if wanted else []
    if numbers:
        offsets, members = catalogue.item_groups_columns
        owners = np.repeat(np.arange(catalogue.item_count), np.diff(offsets))
        chosen[owners[np.isin(members, numbers)]] = True
    return chosen


def reaches(catalogue: Catalogue, scope: Scope, placement: Placement, channel: str | None = None) -> Bools | None:
    """bool[m]: the candidates of a placement that a scope is about; None: none of them.

    `channel` None: the scope's channels are left out of it.
    """
    if scope.placements and placement.name not in scope.placements:
        return None
    if channel is not None and scope.channels and channel not in scope.channels:
        return None
    if not scope.items and not scope.groups:
        return np.ones(len(placement.candidates), np.bool_)
    rows: Bools = items_in(catalogue, scope.items, scope.groups)[catalogue.item_index[placement.candidates]]
    return rows if rows.any() else None
