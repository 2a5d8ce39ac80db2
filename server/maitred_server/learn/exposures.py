"""What was shown and what came of it, counted from the journal, and cut by what decisions carry."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final, TypeAlias

from maitred_server.errors import UnknownName
from maitred_server.model import Exposure, Outcome, Record
from maitred_server.store.keys import brand_prefix

CHUNK: Final = 5_000  # records read at once

ReadJournal: TypeAlias = Callable[[int, int], list[tuple[int, Record]]]
Cell: TypeAlias = tuple[str, ...]

_OWN: Final[dict[str, Callable[[Exposure], Sequence[str]]]] = {
    "arm": lambda exposure: [f"{layer}={arm}" for layer, arm in exposure.arms],
    "segment": lambda exposure: exposure.segments,
    "placement": lambda exposure: [exposure.placement],
    "policy": lambda exposure: [exposure.policy],
    "reason": lambda exposure: [exposure.reason.name],
}


@dataclass
class Row:
    """What was counted in one cell. `decisions`: those shown at least once; `showings`: how often, all in all.

    `outcomes`, `values`: of those decisions, by type.
    """

    decisions: int = 0
    showings: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    values: dict[str, float] = field(default_factory=lambda: defaultdict(float))


@dataclass
class Report:
    """Rows by cell, one value for each dimension asked for (`-`: the decision had none), and what is in no row.

    A decision of several arms or segments is in the row of each.
    """

    by: tuple[str, ...]
    rows: dict[Cell, Row]
    merged: int  # decisions left out because the subject is a merged one
    overridden: int  # because an arm was asked for
    unlinked: int  # outcomes of decisions that are in no exposure


class Cut:
    """Counts one brand's exposures, and the outcomes that go with them, record by record.

    Holds some 200 bytes for each decision that was shown: an outcome may come long after, or before.
    """

    def __init__(self, brand: str, by: Sequence[str], everything: bool = False) -> None:
        """`by`: `arm`, `segment`, `placement`, `policy`, `reason` or a dimension; any number of them.

        `everything`: with merged subjects and overridden decisions.
        """
        self._brand = brand_prefix(brand)
        self._by = tuple(by)
        self._everything = everything
        self._rows: dict[Cell, Row] = {}
        self._decisions: dict[str, tuple[Row, ...]] = {}  # of each decision shown, where it counts
        self._early: dict[str, list[Outcome]] = {}  # outcomes whose exposure did not come yet
        self._left_out: Counter[str] = Counter()
        self._dimensions: set[str] = set()

    def add(self, records: Iterable[Record]) -> None:
        """Count some records."""
        for record in records:
            if not record.subject.startswith(self._brand):
                continue
            if isinstance(record.body, Exposure):
                self._shown(record.body)
            elif isinstance(record.body, Outcome):
                self._happened(record.body)

    def report(self) -> Report:
        """What was counted so far. Raises UnknownName for a dimension that no exposure has."""
        for name in self._by:
            if name not in _OWN and name not in self._dimensions and self._decisions:
                known = ", ".join(sorted({*_OWN, *self._dimensions}))
                raise UnknownName(f"no exposure has a dimension {name!r}; there are {known}", "by")
        unlinked = sum(len(outcomes) for outcomes in self._early.values())
        rows = dict(sorted(self._rows.items()))
        return Report(self._by, rows, self._left_out["merged"], self._left_out["overridden"], unlinked)

    def _shown(self, exposure: Exposure) -> None:
        rows = self._decisions.get(exposure.decision_id)
        if rows is None:
            rows = self._decisions[exposure.decision_id] = self._counted(exposure)
            for outcome in self._early.pop(exposure.decision_id, ()):
                _count(rows, outcome)
        for row in rows:
            row.showings += 1

    def _counted(self, exposure: Exposure) -> tuple[Row, ...]:
        """The rows of a decision that is shown for the first time; none when it is left out."""
        self._dimensions.update(exposure.dimensions)
        left_out = "overridden" if exposure.overridden else "merged" if exposure.merged else ""
        if left_out and not self._everything:
            self._left_out[left_out] += 1
            return ()
        rows = tuple(self._rows.setdefault(cell, Row()) for cell in _cells(exposure, self._by))
        for row in rows:
            row.decisions += 1
        return rows

    def _happened(self, outcome: Outcome) -> None:
        rows = self._decisions.get(outcome.decision_id)
        if rows is None:
            self._early.setdefault(outcome.decision_id, []).append(outcome)
        else:
            _count(rows, outcome)


def _cells(exposure: Exposure, by: Sequence[str]) -> Iterable[Cell]:
    return product(*(_values(exposure, name) or ("-",) for name in by))


def _values(exposure: Exposure, name: str) -> Sequence[str]:
    if name in _OWN:
        return _OWN[name](exposure)
    return [exposure.dimensions[name]] if name in exposure.dimensions else []


def _count(rows: Iterable[Row], outcome: Outcome) -> None:
    for row in rows:
        row.outcomes[outcome.type] += 1
        row.values[outcome.type] += outcome.value


def count(read_journal: ReadJournal, cut: Cut) -> Report:
    """The report over a whole journal, read from its beginning. Raises StoreError, UnknownName."""
    after = 0
    while entries := read_journal(after, CHUNK):
        cut.add(record for _, record in entries)
        after = entries[-1][0]
    return cut.report()


def as_json(report: Report) -> dict[str, Any]:
    """A report as plain values."""
    return {
        "by": list(report.by),
        "rows": [
            {
                **dict(zip(report.by, cell, strict=True)),
                "decisions": row.decisions,
                "showings": row.showings,
                "outcomes": {kind: {"count": row.outcomes[kind], "value": row.values[kind]} for kind in row.outcomes},
            }
            for cell, row in report.rows.items()
        ],
        "left_out": {"merged": report.merged, "overridden": report.overridden},
        "unlinked_outcomes": report.unlinked,
    }
