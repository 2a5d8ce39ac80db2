"""Which arm of each layer a subject is in: by hash, so that it is sticky without being stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from maitred_server.errors import InvalidRequest
from maitred_server.model import Arm, Kind, Layer, SubjectKey, TraitSource, Value
from maitred_server.playbook.hints import did_you_mean
from maitred_server.store import Profile
from maitred_server.store.keys import PSEUDONYM_BYTES

POINTS = 10_000  # shares are whole multiples of 1/10,000
NO_ARM = ""  # asks for being in no arm of a layer


class Situation(NamedTuple):
    """What arms depend on. `units`: the keys to assign by, of each kind that is known; None: the subject's own."""

    units: Mapping[Kind | None, SubjectKey]
    kind: Kind
    context: Mapping[str, Value] = {}
    profile: Profile | None = None


class Assignment(NamedTuple):
    """The arms of one subject: `arms` as (layer, arm) pairs, in the layers' order.

    `overridden`: the layers whose arm (or being in none) was asked for.
    """

    arms: tuple[tuple[str, str], ...]
    held_out: bool
    policies: Mapping[str, str]
    overridden: tuple[str, ...] = ()


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


def own_unit(subject: SubjectKey, profile: Profile | None) -> SubjectKey:
    """The key that a subject is assigned by: its own, or after a merge that of the older of the two."""
    if profile is None or not profile.unit:
        return subject
    return subject[:-PSEUDONYM_BYTES] + profile.unit


def assign(layers: Sequence[Layer], situation: Situation, overrides: Mapping[str, str] | None = None) -> Assignment:
    """The arms of a subject.

    Who is not eligible for a layer, or has no id of its unit, is in no arm of it. Of two arms that name a policy for
    one placement the later layer's wins. `overrides`: arms by layer that were asked for (`NO_ARM`: none), eligible or
    not. Raises InvalidRequest for names that there are not.
    """
    if overrides:
        _check(layers, overrides)
    elif not layers:
        return NOT_ASSIGNED
    arms: list[tuple[str, str]] = []
    policies: dict[str, str] = {}
    held_out = False
    for layer in layers:
        if overrides and layer.name in overrides:
            arm = _named(layer, overrides[layer.name])
        else:
            arm = assigned(layer, situation)
        if arm is not None:
            arms.append((layer.name, arm.name))
            held_out = held_out or layer.holdout
            policies.update(arm.policies)
    overridden = tuple(layer.name for layer in layers if layer.name in overrides) if overrides else ()
    return Assignment(tuple(arms), held_out, policies, overridden)


def assigned(layer: Layer, situation: Situation) -> Arm | None:
    """The arm of one layer; None when the subject is in none."""
    unit = situation.units.get(layer.unit)
    if unit is None or not eligible(layer, situation):
        return None
    return arm_at(layer, point(layer.salt, unit))


def arm_at(layer: Layer, at: int) -> Arm | None:
    """The arm that owns a point of a layer; None beyond the arms' shares."""
    upper = 0
    for arm in layer.arms:
        upper += round(arm.share * POINTS)
        if at < upper:
            return arm
    return None


def eligible(layer: Layer, situation: Situation) -> bool:
    """Whether a layer is for this subject at this moment."""
    audience = layer.eligible
    if audience.kinds and situation.kind not in audience.kinds:
        return False
    if not all(_among(situation.context.get(name), values) for name, values in audience.context.items()):
        return False
    return not audience.traits or _gave(situation.profile, audience.traits)


def _gave(profile: Profile | None, traits: Mapping[str, Sequence[Value]]) -> bool:
    known = profile.traits if profile is not None else {}
    return all(
        (trait := known.get(name)) is not None and trait.source is TraitSource.EXPLICIT and _among(trait.value, values)
        for name, values in traits.items()
    )


def _among(value: Value | None, values: Sequence[Value]) -> bool:
    """Whether a value, or one of its texts, is one of `values`. True is not 1."""
    if isinstance(value, tuple):
        return any(text in values for text in value)
    return any(type(one) is type(value) and one == value for one in values)


def _check(layers: Sequence[Layer], overrides: Mapping[str, str]) -> None:
    by_name = {layer.name: layer for layer in layers}
    for name, arm in overrides.items():
        field = f"overrides[{name}]"
        if name not in by_name:
            raise InvalidRequest(f"there is no layer `{name}`{did_you_mean(name, by_name)}", field)
        arms = [one.name for one in by_name[name].arms]
        if arm != NO_ARM and arm not in arms:
            raise InvalidRequest(f"layer `{name}` has no arm `{arm}`{did_you_mean(arm, arms)}", field)


def _named(layer: Layer, name: str) -> Arm | None:
    return next((arm for arm in layer.arms if arm.name == name), None)
