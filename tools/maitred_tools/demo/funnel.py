"""How decisions of the second placement came about: what the server itself says of a sample of them, afterwards."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from maitred.v1 import decision_pb2
from maitred_server import admin_client
from maitred_server.admin_client import Told
from maitred_server.errors import MaitredError

from maitred_tools.demo.control_files import MORE
from maitred_tools.demo.process import ServerFailedError
from maitred_tools.demo.till import subject_of

SAMPLE = 200
_EVERYTHING = Told(limit=1_000)
_LITTLE = Told(limit=1)
_NAMED = re.compile(r"(?:rule|policy|hours) `([^`]+)`")  # as in "eligibility rule `grown-ups only` (...) does not hold"


def sampled(visits: int) -> frozenset[int]:
    """Numbers of SAMPLE visits (all, when there are fewer), spread evenly."""
    size = min(SAMPLE, visits)
    return frozenset((2 * at + 1) * visits // (2 * size) for at in range(size))


@dataclass
class Funnel:
    """What became of the candidates over all decisions that were explained.

    `left`: candidates left after each stage, summed. `fell`: how many fell, by stage and by the rule or policy that
    closed them ("": the stage itself). `differ`: decisions that did not come out the same again, without a note why;
    `notes`: what the server noted of the others that did not.
    """

    decisions: int = 0
    repeated: int = 0
    differ: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    fell: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, told: decision_pb2.ExplainResponse) -> None:
        """Counts one decision."""
        (placement,) = told.placements
        self.decisions += 1
        self.repeated += told.repeated
        self.differ += not (told.repeated or told.notes)
        self.notes.update(() if told.repeated else told.notes)
        for stage in placement.funnel:
            self.left[stage.name] += stage.left
        for candidate in placement.candidates:
            if candidate.fell_at:
                self.fell[candidate.fell_at, _name(candidate.why)] += 1

    def stages(self) -> list[tuple[str, float]]:
        """Each stage that closes anything (and the first) with the mean number of candidates that it left."""
        means = [(name, left / self.decisions) for name, left in self.left.items()]
        return means[:1] + [after for before, after in pairwise(means) if after[1] != before[1]]

    def reasons(self) -> list[tuple[str, str, float]]:
        """Stage, rule or policy, and how many candidates of a decision fell there in the mean; most first."""
        return [(stage, name, count / self.decisions) for (stage, name), count in self.fell.most_common()]


def explain(server: str, receipts: Iterable[bytes]) -> Funnel:
    """Has the server make decisions again and tell how. Raises ServerFailedError."""
    funnel = Funnel()
    with _failing_in_words():
        for receipt in receipts:
            funnel.add(admin_client.explain_past(server, None, receipt, MORE, "", _EVERYTHING))
    return funnel


def segments(server: str, households: Iterable[int], told: Container[int]) -> dict[int, tuple[str, ...]]:
    """In which segments the server sees each household. Raises ServerFailedError.

    `told`: the households that told something of themselves; the others are all alike, and one of them is asked about.
    """
    known: dict[int | None, tuple[str, ...]] = {}
    found = {}
    with _failing_in_words():
        for household in households:
            alike = household if household in told else None
            if alike not in known:
                known[alike] = _segments(server, household)
            found[household] = known[alike]
    return found


def _segments(server: str, household: int) -> tuple[str, ...]:
    subject = subject_of(household)
    visit = admin_client.Visit(subject.id, subject.kind, (), {})
    return tuple(admin_client.explain(server, None, visit, [MORE], _LITTLE).segments)


@contextmanager
def _failing_in_words() -> Iterator[None]:
    try:
        yield
    except MaitredError as error:
        raise ServerFailedError(f"the server could not explain its decisions: {error}") from error


def _name(why: Sequence[str]) -> str:
    found = _NAMED.search(why[0]) if why else None
    return found[1] if found else ""
