"""What is worked out of a profile when it is written, so that decisions need not: a stamp.

It is derived from kind, traits and consents alone, and goes when one of them changes. What is in it only those know who
made it; no promise of the store hangs on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import structlog
from msgspec.structs import replace

from maitred_server.model import SubjectKey
from maitred_server.store.profiles import Profile

Stamp: TypeAlias = Callable[[SubjectKey, Profile], bytes]  # gives the profile's own when that is good

MOST_AT_ONCE: Final = 32  # profiles in one transaction: more are left as they are, since others wait for it

log = structlog.get_logger(__name__)


def no_stamp(subject: SubjectKey, profile: Profile) -> bytes:
    """Works nothing out."""
    return profile.stamp


def stamped(subject: SubjectKey, profile: Profile, stamp: Stamp) -> Profile:
    """The profile with its stamp; without one when it cannot be made: writing is what matters."""
    try:
        made = stamp(subject, profile)
    except Exception as error:  # noqa: BLE001  (whatever it is, decisions do without)
        log.warning("profile_not_stamped", error=type(error).__name__)
        made = b""
    return profile if made == profile.stamp else replace(profile, stamp=made)
