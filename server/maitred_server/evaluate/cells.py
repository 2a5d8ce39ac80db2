"""From cells of whatever type a format has to arrays; of every wrong cell its line and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from maitred_server.errors import InvalidRequest
from maitred_server.evaluate.log import Floats, Ints
from maitred_server.evaluate.table import SEPARATOR, Table

MOST_TOLD = 20


class Mistakes:
    """What is wrong with a table, row by row. Cells of text are not repeated: they may be personal."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._found: dict[tuple[int, str], str] = {}

    def add(self, rows: Iterable[int], field: str, why: str | Callable[[int], str]) -> None:
        """The first thing that is found wrong with a cell is what is told of it."""
        for row in rows:
            self._found.setdefault((int(row), field), why if isinstance(why, str) else why(int(row)))

    def check(self) -> None:
        """Raises InvalidRequest when there are any."""
        if not self._found:
            return
        found = sorted(self._found.items())
        lines = [f"{self._table.where(row)}, `{field}`: {why}" for (row, field), why in found[:MOST_TOLD]]
        more = [f"and {len(found) - MOST_TOLD:,} more"] if len(found) > MOST_TOLD else []
        field = found[0][0][1]
        raise InvalidRequest("\n".join([f"wrong cells in the log: {len(found):,}", *lines, *more]), field)


def numbers(cells: Sequence[Any]) -> Floats:
    """float64[n]; NaN for what is no finite number."""
    try:
        found = np.asarray(cells).astype(np.float64)
    except (ValueError, TypeError):
        found = np.array([_number(cell) for cell in cells], np.float64)
    found = found if found.shape == (len(cells),) else np.full(len(cells), np.nan)
    return np.where(np.isfinite(found), found, np.nan)


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (ValueError, TypeError):
        return float("nan")


def name_of(cell: Any) -> str:
    """The name in a cell: a text or a whole number; "" for anything else."""
    if isinstance(cell, str):
        return cell.strip()
    return str(int(cell)) if isinstance(cell, int | float | np.integer) and cell == cell // 1 else ""


def names(cells: Sequence[Any]) -> list[str]:
    """The name of each cell; "" where there is none."""
    return [name_of(cell) for cell in cells]


def lists(cells: Sequence[Any]) -> list[list[Any]]:
    """The members of each cell: a list as it is, a text cut at every `|`; none for anything else."""
    return [_members(cell) for cell in cells]


def _members(cell: Any) -> list[Any]:
    if isinstance(cell, str):
        return cell.split(SEPARATOR) if cell else []
    return cell if isinstance(cell, list) else []


def coded(texts: Iterable[str]) -> tuple[Ints, dict[str, int]]:
    """Numbers from 0 in order of appearance, and which text has which."""
    codes: dict[str, int] = {}
    found = np.fromiter((codes.setdefault(text, len(codes)) for text in texts), np.int64)
    return found, codes


def starts_of(sizes: Sequence[int]) -> Ints:
    """Where each of some lists begins when they stand one behind the other, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
