"""What became of the second placement: three more things, within what people wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from maitred import Choice, Decision

from maitred_tools.demo.estimate import Precision, precision

ORDINARY, RESERVED, STRETCH = KINDS = ("ordinary", "reserved", "stretch")
_RESERVED_SLOT = 0


class Said(NamedTuple):
    """A reason in plain words, how often it was said, and how often what it was said of was bought."""

    text: str
    times: int
    bought: int


@dataclass
class More:
    """Grows by one row a visit: the household, then offers and hits of each of KINDS."""

    rows: list[tuple[int, ...]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    _said: Counter[str] = field(default_factory=Counter)
    _bought: Counter[str] = field(default_factory=Counter)

    def add(self, household: int, decision: Decision, basket: Container[str]) -> None:
        """Counts one visit. `basket`: the items that were then bought."""
        offers, hits = Counter[str](), Counter[str]()
        for choice in decision:
            kind, hit = kind_of(choice), choice.item in basket
            offers[kind] += 1
            hits[kind] += hit
            self._said[choice.reason_text] += 1
            self._bought[choice.reason_text] += hit
        self.rows.append((household, *(count[kind] for kind in KINDS for count in (offers, hits))))
        self.reasons[decision.reason.value] += 1

    def said(self) -> list[Said]:
        """The reasons, the most often said first."""
        return [Said(text, times, self._bought[text]) for text, times in self._said.most_common()]

    def by_kind(self) -> dict[str, Precision]:
        """Hit rate of each kind of slot; `visits` are those with such a slot."""
        table = self._table()
        return {kind: self._rate(table, (kind,)) for kind in KINDS}

    def by_segment(self, segments: Mapping[int, Sequence[str]]) -> dict[str, Precision]:
        """Hit rate over all slots in each segment, the largest first. `segments`: those of each household."""
        table = self._table()
        names = sorted({name for inside in segments.values() for name in inside})
        members = {name: [one for one, inside in segments.items() if name in inside] for name in names}
        found = {name: self._rate(table[np.isin(table[:, 0], members[name])], KINDS) for name in names}
        return dict(sorted(found.items(), key=lambda one: -one[1].visits))

    def _table(self) -> npt.NDArray[np.int64]:
        return np.array(self.rows, dtype=np.int64).reshape(len(self.rows), 1 + 2 * len(KINDS))

    def _rate(self, table: npt.NDArray[np.int64], kinds: Sequence[str]) -> Precision:
        at = [1 + 2 * KINDS.index(kind) for kind in kinds]
        offers = table[:, at].sum(axis=1)
        hits = table[:, [column + 1 for column in at]].sum(axis=1)
        offered = offers > 0
        return precision(hits[offered], offers[offered], table[offered, 0])


def kind_of(choice: Choice) -> str:
    """Whether a slot was filled from outside of the usual, was reserved for fresh goods, or was an ordinary one."""
    if choice.stretch:
        return STRETCH
    return RESERVED if choice.slot == _RESERVED_SLOT else ORDINARY
