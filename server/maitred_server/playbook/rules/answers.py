"""What one decision's subject, context and moment say to all rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from maitred_server.playbook.rules.closures import Frame


class Answers(msgspec.Struct, frozen=True, gc=False):
    """What a decision's subject, context and moment say to all rules. Belongs to one decision.

    `failing`: the program's formulas of the subject that do not hold, as bits. `frame`: for atoms that ask items too.
    """

    subject: Mapping[str, Any]
    context: Mapping[str, Any]
    now: int
    segments: int
    failing: int
    frame: Frame
