"""Parts of an answer as messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from maitred.v1 import decision_pb2, types_pb2

from maitred_server.decide.choice import Choice
from maitred_server.playbook.catalogue import Catalogue


def arms_to_wire(assigned: Iterable[tuple[str, str]], overridden: Sequence[str]) -> list[decision_pb2.ArmAssignment]:
    """The arms, and the layers that the subject was put outside of."""
    arms = dict(assigned)
    outside = [layer for layer in overridden if layer not in arms]
    return [
        decision_pb2.ArmAssignment(layer=layer, arm=arms.get(layer, ""), overridden=layer in overridden)
        for layer in (*arms, *outside)
    ]


def choice_to_wire(choice: Choice, catalogue: Catalogue) -> decision_pb2.Choice:
    """One slot."""
    return decision_pb2.Choice(
        slot=choice.slot,
        item=choice.item,
        variant=choice.variant,
        content=catalogue.content(choice.action) if choice.content is None else choice.content,
        content_type=catalogue.content_type(choice.action),
        reason=cast(types_pb2.Reason, int(choice.reason)),
        predicted_propensity=choice.propensity,
        action_probability=choice.probability,
        priority=choice.priority,
        remaining_showings=choice.remaining,
        reason_text=choice.reason_text,
        stretch=choice.stretch,
        groups=catalogue.item_groups(choice.action),
    )
