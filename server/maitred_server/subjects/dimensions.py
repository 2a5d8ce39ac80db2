"""What a decision can be cut by later: the moment it was made in, and where its subject stood then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from maitred_server.model import Dimensions, Event, Outcome, Stages, Value, ValueBands
from maitred_server.store import Profile
from maitred_server.store.journal import KIND_INDEX
from maitred_server.store.keys import ANY_KEY, type_code

LONGEST_TEXT: Final = 64  # characters
DAY_MS: Final = 86_400_000

Seen: TypeAlias = Callable[[npt.NDArray[np.uint32]], npt.NDArray[np.bool_]]  # by codes of counter types

_EVENTS, _OUTCOMES = KIND_INDEX[Event], KIND_INDEX[Outcome]
_NO_DEEDS = np.array([type_code(name) for name in ("exposure", "not_for_me")], np.uint32)


def dimensions(
    rules: Dimensions, context: Mapping[str, Value], profile: Profile | None, now: int, seen: Seen | None = None
) -> dict[str, str]:
    """Values by dimension: those of the context that are texts (cut at 64 characters), `stage` and `value_band`.

    `profile`: what may be used of it; None: nothing, or nothing is known. `seen`: of which counter types; None: of all.
    `now`: ms, the decision's clock.
    """
    found = {
        "stage": stage(rules.stages, profile, now, seen),
        "value_band": value_band(rules.value_bands, profile, seen),
    }
    if context:
        for name in rules.context:
            if name in context:
                value = context[name]
                if isinstance(value, str) and value:
                    found[name] = value[:LONGEST_TEXT]
    return found


def stage(rules: Stages, profile: Profile | None, now: int, seen: Seen | None = None) -> str:
    """Where in its life a subject stands: new, active, lapsing or lapsed.

    Days count from its newest event by the event's own time, so that imported history tells the truth; from the last
    record when there is no event.
    """
    done = _done(profile, seen) if profile is not None else None
    if done is None:
        return "new"
    deeds, newest = done
    quiet = now - newest
    if quiet >= rules.lapsed_days * DAY_MS:
        return "lapsed"
    if quiet >= rules.lapsing_days * DAY_MS:
        return "lapsing"
    return "new" if deeds < rules.new_below else "active"


def _done(profile: Profile, seen: Seen | None) -> tuple[int, int] | None:
    """How many events and outcomes there were, and when the newest was (ms); None: nothing that may be used."""
    if seen is None:
        deeds = profile.counts_by_kind[_EVENTS] + profile.counts_by_kind[_OUTCOMES]
        return deeds, profile.newest or profile.last_seen
    table = profile.counters()
    totals = np.flatnonzero(table.keys == ANY_KEY)  # a row for each type
    totals = totals[seen(table.types[totals])]
    if not len(totals):
        return None
    is_deed = ~np.isin(table.types[totals], _NO_DEEDS)
    return int(table.counts[totals][is_deed].sum()), int(table.last[totals].max())


def value_band(rules: ValueBands, profile: Profile | None, seen: Seen | None = None) -> str:
    """The highest band that the subject's summed value reaches."""
    hidden = seen is not None and not seen(np.array([type_code(rules.counts)], np.uint32))[0]
    total = profile.total_value(rules.counts) if profile is not None and not hidden else 0.0
    found = rules.bands[0][0]
    for name, least in rules.bands:
        if total < least:
            break
        found = name
    return found
