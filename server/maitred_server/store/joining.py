"""Two profiles that turn out to be of one subject."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from maitred_server.model import SubjectKey
from maitred_server.store import buckets, consents, counters, traits
from maitred_server.store.keys import PSEUDONYM_BYTES
from maitred_server.store.profiles import Profile, latest


def joined(profile: Profile, subject: SubjectKey, other: Profile, other_subject: SubjectKey) -> Profile:
    """The profile of `subject` with all that was known of the other.

    Counters, buckets and totals add, of traits the newer wins, of consents the strictest, kind is the subject's own.
    Layers go on by the unit of the one that was seen first.
    """
    stored_traits, gone = traits.joined(profile.stored_traits, other.stored_traits)
    both = replace(
        profile,
        sequence=max(profile.sequence, other.sequence),
        first_seen=min((time for time in (profile.first_seen, other.first_seen) if time), default=0),
        last_seen=max(profile.last_seen, other.last_seen),
        newest=max(profile.newest, other.newest),
        evicted=profile.evicted + other.evicted + gone,
        counts_by_kind=tuple(map(sum, zip(profile.counts_by_kind, other.counts_by_kind, strict=True))),
        stored_traits=stored_traits,
        stored_consents=consents.joined(profile.stored_consents, other.stored_consents),
        unit=_unit(profile, subject, other, other_subject),
        stamp=b"",
        merged=profile.merged or other.merged or bool(profile.first_seen and other.first_seen),
    )
    return _counted(both, other) if len(other.rows) else both


def _counted(profile: Profile, other: Profile) -> Profile:
    rows, placed = counters.merged(profile.rows, other.rows)
    held = buckets.joined(profile.buckets, other.buckets, placed, profile.newest)
    ring = latest(np.concatenate((profile.ring, other.ring)))
    return replace(profile, rows=rows, buckets=held, ring=ring).bounded()


def _unit(profile: Profile, subject: SubjectKey, other: Profile, other_subject: SubjectKey) -> bytes:
    """b"" where it is the subject's own pseudonym."""
    if not _is_older(other, profile):
        return profile.unit
    unit = other.unit or other_subject[-PSEUDONYM_BYTES:]
    return b"" if unit == subject[-PSEUDONYM_BYTES:] else unit


def _is_older(one: Profile, other: Profile) -> bool:
    return bool(one.first_seen) and (not other.first_seen or one.first_seen < other.first_seen)
