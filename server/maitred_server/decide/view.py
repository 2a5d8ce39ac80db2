"""What may be seen of a subject: its consents, the purposes of what is kept, and the intensity it allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from maitred_server.decide.ask import Ask
from maitred_server.decide.profile import Known
from maitred_server.model import Intensity
from maitred_server.playbook.control import Control
from maitred_server.store import Profile


class View(NamedTuple):
    """The part of a profile that rules and features may use."""

    intensity: Intensity
    profile: Profile | None  # None: nothing of it may be used, or nothing is known
    subject: Mapping[str, object]  # typed traits by name, for rules
    context: Mapping[str, object]  # typed, for rules
    hidden_types: frozenset[str] = frozenset()  # counter types that may not be used

    def may_count(self, counter_type: str) -> bool:
        """Whether counters of a type may be used."""
        return self.profile is not None and counter_type not in self.hidden_types


def see(control: Control, who: Known, ask: Ask) -> View:
    """The view of one decision."""
    return View(control.intensity, who.profile, {}, {})
