"""The page that a decision stood on, as far as the journal has it: what is shown above is not shown again below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from maitred_server.decide.pipeline import Page
from maitred_server.decide.retell import Apart, Slate, retell
from maitred_server.model import Exposure, Record, Shown
from maitred_server.store import AnyStore
from maitred_server.store.replay import own_key

NEAR: Final = 500  # records of the subject among which the rest of a page is looked for
ABOVE: Final = "what its page showed above is not in the journal"
_INDEX: Final = 2  # hex digits behind the answer's id


class Part(NamedTuple):
    """What one placement of a page showed, in fill order."""

    placement: str
    shown: tuple[Shown, ...]


class Sheet(NamedTuple):
    """A page as it was shown. `at`: which of its parts it is about; what is below it may be missing."""

    parts: tuple[Part, ...]
    at: int

    def placements(self, exactly: bool) -> tuple[tuple[str, int], ...]:
        """With the wanted slots, which nobody noted: the placement's own number, or those up to the last shown."""
        return tuple((one.placement, _last(one.shown) if exactly else 0) for one in self.parts)

    def retell(self, page: Page) -> Slate:
        """The part that it is about, after those above it. `page`: of `placements`. Raises Apart."""
        for (name, wanted), part in zip(page.moment.ask.placements, self.parts[: self.at], strict=False):
            retell(page, name, wanted, part.shown)
        name, wanted = page.moment.ask.placements[self.at]
        return retell(page, name, wanted, self.parts[self.at].shown)


def sheet(store: AnyStore, records: Sequence[Record], alone: bool) -> Sheet:
    """Of a decision's first showing. `alone`: nothing below it could have taken anything from it. Raises Apart."""
    first = _exposure(records[0])
    own = Part(first.placement, tuple(one for record in records for one in _exposure(record).shown))
    index = _index(first.decision_id)
    if not index and alone:
        return Sheet((own,), 0)
    found = {**_around(store, records[0], first), index: own}
    if any(above not in found for above in range(index)):
        raise Apart(ABOVE)
    return Sheet(tuple(found[at] for at in sorted(found)), index)


def _around(store: AnyStore, record: Record, first: Exposure) -> Mapping[int, Part]:
    """What the same answer showed in other placements, by their places."""
    answer, found = first.decision_id[:-_INDEX], dict[int, Part]()
    for _, one in store.read_subject(own_key(record), first.profile_sequence, NEAR):
        body = one.body
        if isinstance(body, Exposure) and body.showing == 1 and body.decision_id[:-_INDEX] == answer:
            known = found.get(_index(body.decision_id), Part(body.placement, ()))
            found[_index(body.decision_id)] = known._replace(shown=known.shown + body.shown)
    return found


def _exposure(record: Record) -> Exposure:
    assert isinstance(record.body, Exposure)
    return record.body


def _index(decision: str) -> int:
    """Its place on its page: the last byte of its id."""
    return int(decision[-_INDEX:], 16)


def _last(shown: Sequence[Shown]) -> int:
    return max(one.slot for one in shown) + 1
