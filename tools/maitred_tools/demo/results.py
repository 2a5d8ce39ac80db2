"""What a run of the demo found, as `report.json` says it, and what it must fulfil."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from maitred_tools.demo.estimate import Precision
from maitred_tools.demo.funnel import Funnel
from maitred_tools.demo.latency import Buckets, ClientLatency
from maitred_tools.demo.learned import Lag
from maitred_tools.demo.learned import figures as learned
from maitred_tools.demo.more import More
from maitred_tools.demo.playbook import BASELINE
from maitred_tools.demo.reference import Reference
from maitred_tools.demo.tally import HOLDOUT, POLICIES, UNDECIDED, Columns, Tally

MOST_SAID = 15


@dataclass(frozen=True)
class Events:
    """Feedback counted at four places: handed to the SDK, acknowledged to it, in the journal, in the profiles."""

    sent: int
    acknowledged: int
    journalled: int
    counted: int

    def equal(self) -> bool:
        """Nothing was lost and nothing counted twice."""
        return self.sent == self.acknowledged == self.journalled == self.counted


@dataclass(frozen=True)
class Results:
    """One finished run.

    `recorded`: events that the till handed to the SDK, by its own count. `outage`: answers that fell back after a kill
    on purpose; each was asked again. `unacknowledged`: events that were on their way at each kill. `reference`: what
    the policies would have scored at each visit, worked out without a server. `more`, `segments` and `funnel`: the
    second placement, the segments of each household, and how some decisions came about; `lag`: the learner's.
    """

    tally: Tally
    latency: ClientLatency
    server: Buckets
    events: Events
    reference: Reference
    recorded: int
    seconds: float
    outage: int = 0
    unacknowledged: tuple[int, ...] = ()
    measured: dict[str, str] = field(default_factory=dict)
    more: More = field(default_factory=More)
    segments: Mapping[int, Sequence[str]] = field(default_factory=dict)
    funnel: Funnel = field(default_factory=Funnel)
    lag: Lag = field(default_factory=Lag)

    def problems(self) -> list[str]:
        """What should not have been, in words; empty when all is well."""
        found = []
        if not self.events.equal():
            numbers = ", ".join(f"{name} {count:,}" for name, count in asdict(self.events).items())
            found.append(f"the four counts of events differ: {numbers}")
        if self.recorded != self.events.sent:
            found.append(f"the till recorded {self.recorded:,} events and {self.events.sent:,} were sent")
        if fallen := self.tally.fallen_back():
            found.append(f"{fallen:,} visits got no fresh decision")
        if undecided := len(self.tally.columns().of(UNDECIDED).visit):
            found.append(f"{undecided:,} visits were of no policy and no holdout")
        if self.funnel.differ:
            found.append(f"{self.funnel.differ:,} of {self.funnel.decisions:,} decisions came out differently again")
        return found

    def report(self) -> dict[str, Any]:
        """The content of `report.json`."""
        columns = self.tally.columns()
        visits = len(self.tally.rows)
        return {
            "visits": visits,
            "precision_at_3": {policy: self._precision(columns, policy, policy) for policy in POLICIES},
            "learned": learned(columns, self.reference, self.lag),
            "holdout": self._precision(columns, HOLDOUT, BASELINE),
            "till_more": self._more(),
            "refusals": self._refusals(),
            "events": asdict(self.events),
            "client_ms": self.latency.milliseconds(),
            "server_us": self.server.microseconds(),
            "visits_per_second": round(visits / self.seconds, 1),
            "decisions_per_second": round((visits + len(self.more.rows)) / self.seconds, 1),
            "seconds": round(self.seconds, 1),
            "reasons": dict(self.tally.reasons.most_common()),
            "fallbacks": {"unexpected": self.tally.fallen_back(), "outage": self.outage},
            "kills": {"count": len(self.unacknowledged), "events_on_their_way": list(self.unacknowledged)},
            "problems": self.problems(),
            "measured": self.measured,
        }

    def _precision(self, columns: Columns, group: str, policy: str) -> dict[str, Any]:
        spans = {"all": columns.of(group), "second_half": columns.of(group).second_half(len(columns.visit))}
        found = {name: span.precision() for name, span in spans.items()}
        expected = {name: self.reference.precision(policy, span.visit) for name, span in spans.items()}
        return {
            **{name: round(one.value, 6) for name, one in found.items()},
            "interval": {name: _interval(one) for name, one in found.items()},
            "reference": {name: value if value is None else round(value, 6) for name, value in expected.items()},
            "visits": {name: one.visits for name, one in found.items()},
            "households": {name: one.households for name, one in found.items()},
        }

    def _more(self) -> dict[str, Any]:
        said, visits = self.more.said(), len(self.more.rows)
        return {
            "slots": {kind: _rate(found) for kind, found in self.more.by_kind().items()},
            "segments": {
                name: {"share_of_visits": round(found.visits / visits, 6), **_rate(found)}
                for name, found in self.more.by_segment(self.segments).items()
            },
            "said": [one._asdict() for one in said[:MOST_SAID]],
            "texts": len(said),
            "decision_reasons": dict(self.more.reasons.most_common()),
        }

    def _refusals(self) -> dict[str, Any]:
        fell = [{"stage": stage, "by": name, "candidates": mean} for stage, name, mean in self.funnel.reasons()]
        return {
            "decisions": self.funnel.decisions,
            "repeated": self.funnel.repeated,
            "notes": dict(self.funnel.notes.most_common()),
            "stages": [{"name": name, "left": mean} for name, mean in self.funnel.stages()],
            "fell": fell,
        }


def _rate(found: Precision) -> dict[str, Any]:
    rate = {"hit_rate": round(found.value, 6), "interval": _interval(found)}
    return {**rate, "visits": found.visits, "households": found.households}


def _interval(found: Precision) -> list[float]:
    return [round(found.low, 6), round(found.high, 6)]


def write_json(results: Results, path: Path) -> None:
    """Writes `report.json`."""
    path.write_text(json.dumps(results.report(), indent=2) + "\n", encoding="utf-8")
