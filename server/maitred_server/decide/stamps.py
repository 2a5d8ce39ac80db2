"""Stamps profiles with the timeless segments of their subjects, as they are written."""

from __future__ import annotations

from collections.abc import Callable

from maitred_server.decide.world import World
from maitred_server.model import SubjectKey
from maitred_server.store import Profile
from maitred_server.store.keys import brand_of


class Stamper:
    """Stamps the profiles of all brands, each by what is published in its brand; see `store.stamping`."""

    def __init__(self, world_of: Callable[[str], World | None]) -> None:
        self._world_of = world_of

    def __call__(self, subject: SubjectKey, profile: Profile) -> bytes:
        world = self._world_of(brand_of(subject))
        timeless = world.rulebook.rules.timeless if world is not None else None
        if world is None or timeless is None:
            return b""
        return timeless.stamp(profile.stamp, lambda: world.sight.see(profile, profile.kind, {}))
