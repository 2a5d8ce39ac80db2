"""Features of the context: every column whose name begins with `x_`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from maitred_server.errors import InvalidRequest
from maitred_server.evaluate.cells import name_of, numbers
from maitred_server.evaluate.log import Floats
from maitred_server.evaluate.table import Table

PREFIX = "x_"
MOST_VALUES = 20  # of a text that get a feature each; all others share none
MOST_FEATURES = 64


def features(table: Table) -> Floats:
    """float64[n, d]: numbers with mean 0 and variance 1, 0 where missing; texts as 0 or 1 for each value
    but the most frequent. Raises InvalidRequest for more than MOST_FEATURES.
    """
    columns = [
        feature for name, cells in table.columns.items() if name.startswith(PREFIX) for feature in _features_of(cells)
    ]
    if len(columns) > MOST_FEATURES:
        raise InvalidRequest(f"`{PREFIX}` columns make {len(columns)} features; at most {MOST_FEATURES}", PREFIX)
    return np.stack(columns, axis=1) if columns else np.zeros((len(table.lines), 0))


def _features_of(cells: Sequence[Any]) -> Iterator[Floats]:
    given = [cell for cell in cells if cell not in (None, "")]
    if given and not np.isnan(numbers(given)).any():
        yield from _standardised(numbers([None if cell == "" else cell for cell in cells]))
        return
    texts = np.array([name_of(cell) for cell in cells])
    for value, _ in Counter(texts.tolist()).most_common(MOST_VALUES)[1:]:
        yield (texts == value).astype(np.float64)


def _standardised(values: Floats) -> Iterator[Floats]:
    """Nothing for what never varies."""
    spread = float(np.nanstd(values))
    if spread:
        yield np.nan_to_num((values - np.nanmean(values)) / spread)
