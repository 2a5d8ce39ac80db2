"""Which arm of each layer a subject is in: by hash, so that it is sticky without being stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from maitred_server.model import Arm, Kind, Layer, SubjectKey
from maitred_server.store.keys import PSEUDONYM_BYTES

POINTS = 10_000  # shares are whole multiples of 1/10,000


class Assignment(NamedTuple):
    """The arms of one subject: `arms` as (layer, arm) pairs, in the layers' order."""

    arms: tuple[tuple[str, str], ...]
    held_out: bool
    policies: Mapping[str, str]


NOT_ASSIGNED = Assignment((), False, {})


def point(salt: str, unit: SubjectKey) -> int:
    """Where a unit falls in a layer, 0 to 9,999.

    Only the pseudonym counts, so a salt shared by two brands is no link.
    """
    digest = blake2b(unit[-PSEUDONYM_BYTES:], digest_size=8, person=b"maitred.layer", key=_salt_key(salt)).digest()
    return int.from_bytes(digest, "big") * POINTS >> 64


@lru_cache(maxsize=1024)
def _salt_key(salt: str) -> bytes:
    return blake2b(salt.encode(), digest_size=32).digest()


def assign(layers: Sequence[Layer], units: Mapping[Kind | None, SubjectKey]) -> Assignment:
    """The arms of the subject whose ids by kind are `units` (None: the subject itself).

    A layer whose unit is not among them does not assign. Of two arms that name a policy for one placement the later
    layer's wins.
    """
    if not layers:
        return NOT_ASSIGNED
    arms: list[tuple[str, str]] = []
    policies: dict[str, str] = {}
    held_out = False
    for layer in layers:
        unit = units.get(layer.unit)
        arm = None if unit is None else arm_at(layer, point(layer.salt, unit))
        if arm is None:
            continue
        arms.append((layer.name, arm.name))
        held_out = held_out or layer.holdout
        policies.update(arm.policies)
    return Assignment(tuple(arms), held_out, policies)


def arm_at(layer: Layer, at: int) -> Arm | None:
    """The arm that owns a point of a layer; None beyond the arms' shares."""
    upper = 0
    for arm in layer.arms:
        upper += round(arm.share * POINTS)
        if at < upper:
            return arm
    return None
