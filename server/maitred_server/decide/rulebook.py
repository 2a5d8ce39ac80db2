"""A published playbook's rules and segments, ready to be asked: once a decision, and once a candidate's row."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from maitred_server.decide.overlay import Overlay
from maitred_server.decide.view import View
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.nouns import Placement

Gate: TypeAlias = object  # until the rules engine's own
Answers: TypeAlias = object


class Told(NamedTuple):
    """What the rules say before any candidate is looked at."""

    segments: tuple[str, ...]
    answers: Answers | None  # None: the playbook has no rules


class Rulebook:
    """The rules of one catalogue version."""

    def __init__(self, catalogue: Catalogue, overlay: Overlay, before: Rulebook | None = None) -> None:
        """`before`: of the same catalogue with other live states; what did not change is taken from it."""

    def ask(self, view: View, now: int) -> Told:
        """Segments and answers for one subject at one moment (ms)."""
        return Told((), None)

    def gate(self, placement: Placement) -> Gate | None:
        """The rules that a placement's candidates must meet; None: there are none."""
        return None
