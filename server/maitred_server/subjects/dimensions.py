"""What a decision can be cut by later: the moment it was made in, and where its subject stood then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from maitred_server.model import Dimensions, Event, Outcome, Stages, Value, ValueBands
from maitred_server.store import Profile
from maitred_server.store.journal import KIND_INDEX

LONGEST_TEXT: Final = 64  # characters
DAY_MS: Final = 86_400_000

_EVENTS, _OUTCOMES = KIND_INDEX[Event], KIND_INDEX[Outcome]


def dimensions(rules: Dimensions, context: Mapping[str, Value], profile: Profile | None, now: int) -> dict[str, str]:
    """Values by dimension: those of the context that are texts (cut at 64 characters), `stage` and `value_band`.

    `now`: ms, the decision's clock.
    """
    found = {"stage": stage(rules.stages, profile, now), "value_band": value_band(rules.value_bands, profile)}
    if context:
        for name in rules.context:
            value = context.get(name)
            if isinstance(value, str) and value:
                found[name] = value[:LONGEST_TEXT]
    return found


def stage(rules: Stages, profile: Profile | None, now: int) -> str:
    """Where in its life a subject stands: new, active, lapsing or lapsed.

    Days count from its newest event by the event's own time, so that imported history tells the truth; from the last
    record when there is no event.
    """
    if profile is None:
        return "new"
    quiet = now - (profile.newest or profile.last_seen)
    if quiet >= rules.lapsed_days * DAY_MS:
        return "lapsed"
    if quiet >= rules.lapsing_days * DAY_MS:
        return "lapsing"
    did = profile.counts_by_kind[_EVENTS] + profile.counts_by_kind[_OUTCOMES]
    return "new" if did < rules.new_below else "active"


def value_band(rules: ValueBands, profile: Profile | None) -> str:
    """The highest band that the subject's summed value reaches."""
    total = profile.total_value(rules.counts) if profile is not None else 0.0
    found = rules.bands[0][0]
    for name, least in rules.bands:
        if total < least:
            break
        found = name
    return found
