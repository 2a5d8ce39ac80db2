"""What could have been chosen for each row: as the log says, or all that it ever shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from maitred_server.evaluate.cells import Mistakes, coded, lists, name_of, starts_of
from maitred_server.evaluate.log import MOST_CELLS, Candidates, Ints
from maitred_server.evaluate.table import Table


class Offered(NamedTuple):
    """`logged`: int64[n] into `actions`; None: too many candidates to list."""

    logged: Ints
    actions: tuple[str, ...]
    candidates: Candidates | None


def given(table: Table, actions: list[str], rows: Ints, mistakes: Mistakes) -> Offered:
    """From the column `candidates`. `actions`: of each row of the file; `rows`: the order of the log."""
    offered = [[name_of(one) for one in cell] for cell in lists(table.columns["candidates"])]
    wrong = (row for row, some in enumerate(offered) if len(set(some)) < len(some) or "" in some)
    mistakes.add(wrong, "candidates", "a candidate is empty or stands twice")
    missing = (row for row, some in enumerate(offered) if actions[row] not in some)
    mistakes.add(missing, "candidates", "the row's own action must be among them")
    mistakes.check()
    ordered = [offered[row] for row in rows]
    action, codes = coded(one for some in ordered for one in some)
    starts = starts_of([len(some) for some in ordered])
    places = [some.index(actions[row]) for some, row in zip(ordered, rows, strict=True)]
    logged = starts[:-1] + np.array(places, np.int64)
    return Offered(action[logged], tuple(codes), Candidates(starts, action, logged))


def implied(actions: list[str], rows: Ints, decision: Ints, rank: Ints) -> Offered:
    """Without such a column: every action of the log, less what fills an earlier slot of the same decision.

    `decision`, `rank`: int64[n] in the order of the log.
    """
    codes = {name: code for code, name in enumerate(sorted(set(actions)))}
    logged = np.array([codes[actions[row]] for row in rows], np.int64)
    if len(rows) * len(codes) > MOST_CELLS:
        return Offered(logged, tuple(codes), None)
    is_open = np.ones((len(rows), len(codes)), bool)
    for back in range(1, int(rank.max()) + 1):
        later = np.flatnonzero(rank >= back)
        is_open[later, logged[later - back]] = False
    is_open[np.arange(len(rows)), logged] = True  # a page may repeat itself
    row, action = np.nonzero(is_open)
    starts = np.searchsorted(row, np.arange(len(rows) + 1))
    before = is_open.cumsum(axis=1, dtype=np.int32)[np.arange(len(rows)), logged] - 1
    return Offered(logged, tuple(codes), Candidates(starts, action, starts[:-1] + before))
