"""What learning brought at the till while it went on: beside `habit`, and how far the learner was behind."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from maitred_tools.demo.estimate import Difference, apart, paired
from maitred_tools.demo.reference import SLOTS, Reference
from maitred_tools.demo.tally import Columns

LEARNED, BESIDE = "learned", "habit"


@dataclass
class Lag:
    """How many visits the learner was behind, looked at now and then."""

    behind: list[int] = field(default_factory=list)
    _recorded: list[int] = field(default_factory=list)

    def visited(self, recorded: int) -> None:
        """After each visit: how many events were handed over in all."""
        self._recorded.append(recorded)

    def look(self, learned: int) -> None:
        """The learner has read so many of them."""
        self.behind.append(len(self._recorded) - bisect_right(self._recorded, learned))

    def figures(self) -> dict[str, int]:
        """Median and most; nothing where nobody looked."""
        return {"median": int(np.median(self.behind)), "most": max(self.behind)} if self.behind else {}


def figures(columns: Columns, reference: Reference, behind: Lag) -> dict[str, Any]:
    """Of the second half of the visits: against the households of `habit`, and against `habit` at the same visits."""
    half = {name: columns.of(name).second_half(len(columns.visit)) for name in (LEARNED, BESIDE)}
    if any(not len(one.visit) for one in half.values()):
        return {"behind": behind.figures()}
    own, other = half[LEARNED], half[BESIDE]
    between = apart(own.precision(), other.precision())
    hits = reference.hits[BESIDE][own.visit]
    same = paired(own.hits.astype(np.float64), hits, own.household, SLOTS)
    told = (
        ("households", between, other.precision().value, "on other households"),
        ("same_visits", same, float(hits.sum() / (SLOTS * len(hits))), "at the very same visits, worked out beside it"),
    )
    return {name: _told(found, base, where) for name, found, base, where in told} | {"behind": behind.figures()}


def _told(found: Difference, base: float, where: str) -> dict[str, Any]:
    return {
        "difference": round(found.value, 6),
        "interval": [round(found.low, 6), round(found.high, 6)],
        "lift": round(found.value / base, 6) if base else None,
        "sentence": _sentence(found, base, where),
    }


def _sentence(found: Difference, base: float, where: str) -> str:
    lift = f", a lift of {found.value / base:+.1%}" if base else ""
    facts = f"{found.value:+.4f} against `{BESIDE}` {where}{lift} (95% interval {found.low:+.4f} to {found.high:+.4f})"
    if found.low > 0.0:
        return f"Better: what is learned was bought {facts}."
    if found.high < 0.0:
        return f"Worse: what is learned was bought {facts}."
    return f"Cannot be told from this many visits: {facts}."


def sentences(report: dict[str, Any]) -> Sequence[str]:
    """What learning brought, and with what delay, in words."""
    found = report["learned"]
    said = [found[name]["sentence"] for name in ("households", "same_visits") if name in found]
    if behind := found["behind"]:
        said.append(
            f"The learner was {behind['median']:,} visits behind in the median, {behind['most']:,} at most: it"
            " publishes twice a second at best, and the replay makes"
            f" {report['visits_per_second']:,.0f} visits a second."
        )
    return said
