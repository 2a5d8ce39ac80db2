"""What a receipt says of an answer, as bytes that are then sealed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from maitred_server.decide.answer import Decision
from maitred_server.decide.choice import Choice
from maitred_server.decide.receipt import Receipt, SealedDecision, SealedSlot

try:
    from maitred_server.compiled.receipts import Packer
except ImportError:  # nothing was compiled here
    Packer = None  # type: ignore[assignment, misc]

_encode = msgspec.msgpack.Encoder().encode


def pack_plainly(
    before: tuple[Any, ...], decisions: Sequence[Decision], wanted: Sequence[int], behind: tuple[Any, ...]
) -> bytes:
    """The bytes of a `Receipt`. `before`, `behind`: its fields before and after its decisions, in their order.

    `wanted`: slots by decision, as the request had it.
    """
    page = tuple([sealed(one, slots) for one, slots in zip(decisions, wanted, strict=True)])
    fields = (*before, page, *behind)
    return _encode(Receipt(*fields))


pack = Packer((Decision, Choice)).pack if Packer is not None else pack_plainly


def sealed(decision: Decision, wanted: int) -> SealedDecision:
    """What a receipt holds of a decision. `wanted`: slots, as the request had it."""
    slots = tuple(
        [
            SealedSlot(
                c.slot, c.item, c.variant, c.reason, c.propensity, c.probability, c.priority, c.stretch, c.features
            )
            for c in decision.slate
        ]
    )
    return SealedDecision(
        decision.decision_id,
        decision.placement,
        decision.policy,
        decision.reason,
        slots,
        wanted,
        decision.channel,
        decision.space,
    )
