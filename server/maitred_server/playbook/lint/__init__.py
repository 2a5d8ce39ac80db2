"""What is allowed in a playbook and probably not meant: warnings, each with its place.

A warning is only given for what is proved from the files, or seen in the data; docs/playbook.md says how far that goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from maitred_server.errors import Mistake
from maitred_server.playbook.lint.eligible import never_eligible, never_matching
from maitred_server.playbook.lint.frequency import never_binding, unknown_counts
from maitred_server.playbook.lint.levers import deciding_alone
from maitred_server.playbook.lint.scene import Scene
from maitred_server.playbook.lint.slots import odd_slots
from maitred_server.playbook.lint.unused import beyond_reach, unplaced_items, unused_segments
from maitred_server.playbook.lint.variants import missing_variants, without_fallback

__all__ = ["CHECKS", "Scene", "lint"]

Check: TypeAlias = Callable[[Scene], Iterator[Mistake]]

CHECKS: Final[tuple[Check, ...]] = (
    without_fallback,
    missing_variants,
    odd_slots,
    unused_segments,
    never_matching,
    beyond_reach,
    never_binding,
    unknown_counts,
    deciding_alone,
    unplaced_items,
    never_eligible,
)


def lint(scene: Scene) -> list[Mistake]:
    """All warnings about a playbook without mistakes."""
    return [warning for check in CHECKS for warning in check(scene)]
