"""Answers as they go over the wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from maitred.v1 import decision_pb2, types_pb2

from maitred_server.decide.answer import Answer, Decision
from maitred_server.decide.choice import Choice
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.store.keys import subject_tag


def answer_to_wire(answer: Answer) -> decision_pb2.DecideResponse:
    """All of it."""
    world = answer.world
    return decision_pb2.DecideResponse(
        decisions=[_decision_to_wire(decision, world.catalogue) for decision in answer.decisions],
        receipt=answer.receipt,
        versions=types_pb2.SnapshotVersions(catalogue=world.catalogue.version, policy=world.snapshot_version),
        arms=arms_to_wire(answer.arms, answer.overridden),
        decided_at_ms=answer.decided_at,
        subject_tag=subject_tag(answer.subject),
    )


def arms_to_wire(assigned: Iterable[tuple[str, str]], overridden: Sequence[str]) -> list[decision_pb2.ArmAssignment]:
    """The arms, and the layers that the subject was put outside of."""
    arms = dict(assigned)
    outside = [layer for layer in overridden if layer not in arms]
    return [
        decision_pb2.ArmAssignment(layer=layer, arm=arms.get(layer, ""), overridden=layer in overridden)
        for layer in (*arms, *outside)
    ]


def _decision_to_wire(decision: Decision, catalogue: Catalogue) -> decision_pb2.PlacementDecision:
    return decision_pb2.PlacementDecision(
        decision_id=decision.decision_id,
        placement=decision.placement,
        slate=[choice_to_wire(choice, catalogue) for choice in sorted(decision.slate)],
        reason=cast(types_pb2.Reason, int(decision.reason)),
        policy=decision.policy,
        ttl_ms=decision.ttl_ms,
        stale_ms=decision.stale_ms,
    )


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
