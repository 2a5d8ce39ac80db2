"""Explanations as they go over the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from maitred.v1 import decision_pb2, types_pb2

from maitred_server.decide.explain import Candidate, Explanation, Funnel
from maitred_server.model import Value
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Control, TypeName
from maitred_server.playbook.rules import BUILT_IN
from maitred_server.rpc import convert
from maitred_server.rpc.answers import arms_to_wire, choice_to_wire

TIME: Final = "time"


def to_wire(told: Explanation, repeated: bool | None) -> decision_pb2.ExplainResponse:
    """All of it. `repeated`: see the message."""
    world, moment = told.world, told.moment
    assignment = moment.assignment
    wire = decision_pb2.ExplainResponse(
        decided_at_ms=moment.now,
        versions=types_pb2.SnapshotVersions(catalogue=world.catalogue.version, policy=world.snapshot_version),
        intensity=cast(types_pb2.Intensity, int(moment.view.intensity)),
        seen=dict(_seen(told)),
        unseen=moment.view.unseen(),
        segments=moment.segments,
        arms=arms_to_wire(assignment.arms, assignment.overridden),
        placements=[_funnel(one, world.catalogue) for one in told.funnels],
        notes=told.notes,
    )
    if repeated is not None:
        wire.repeated = repeated
    return wire


def _seen(told: Explanation) -> Iterator[tuple[str, types_pb2.Value]]:
    """What rules could see, each value as what it was declared."""
    control, view = told.world.catalogue.control, told.moment.view
    for root, values in (("subject", view.subject), ("context", view.context)):
        types = _types(control, root)
        for name, value in values.items():
            yield f"{root}.{name}", _value(value, types.get(name, "text"))


def _types(control: Control, root: str) -> dict[str, TypeName]:
    declared = control.traits if root == "subject" else control.context
    return {**{one.name: one.type for one in declared}, **BUILT_IN[root]}


def _value(value: object, kind: TypeName) -> types_pb2.Value:
    """A whole number is an int to rules, and so is a moment; on the wire a number is a number."""
    if isinstance(value, int) and not isinstance(value, bool) and kind != TIME:
        value = float(value)
    return convert.value_to_wire(cast(Value, value))


def _funnel(told: Funnel, catalogue: Catalogue) -> decision_pb2.PlacementExplanation:
    decision = told.decision
    return decision_pb2.PlacementExplanation(
        placement=decision.placement,
        policy=decision.policy,
        reason=cast(types_pb2.Reason, int(decision.reason)),
        funnel=[decision_pb2.FunnelStage(name=stage.name, left=stage.left) for stage in told.stages],
        candidates=[_candidate(one) for one in told.candidates],
        slate=[choice_to_wire(choice, catalogue) for choice in decision.slate],
    )


def _candidate(told: Candidate) -> decision_pb2.CandidateExplanation:
    return decision_pb2.CandidateExplanation(
        item=told.item,
        variant=told.variant,
        slot=told.slot,
        fell_at=told.fell_at,
        why=told.why,
        factors=told.factors,
        action_probability=told.probability,
    )
