"""Which arm of each layer a subject is in: by hash, so that it is sticky without being stored."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from typing import NamedTuple

from maitred_server.errors import InvalidRequest
from maitred_server.model import Arm, Audience, Kind, Layer, SubjectKey, Trait, TraitSource, Value
from maitred_server.playbook.hints import did_you_mean
from maitred_server.store import Profile
from maitred_server.store.keys import PSEUDONYM_BYTES

POINTS = 10_000  # shares are whole multiples of 1/10,000
NO_ARM = ""  # asks for being in no arm of a layer
EVERYBODY = Audience()


class Situation(NamedTuple):
    """What arms depend on. `units`: the keys to assign by, of each kind that is known; None: the subject's own.

    `traits`: those that layers ask for (`asked_traits`), as far as they may be seen.
    """

    units: Mapping[Kind | None, SubjectKey]
    kind: Kind
    context: Mapping[str, Value] = {}
    traits: Mapping[str, Trait] = {}


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
    return _point(_salted(salt), unit)


@lru_cache(maxsize=1024)
def _salted(salt: str) -> blake2b:
    key = blake2b(salt.encode(), digest_size=32).digest()
    return blake2b(key=key, digest_size=8, person=b"maitred.layer")


def _point(salted: blake2b, unit: SubjectKey) -> int:
    digest = salted.copy()
    digest.update(unit[-PSEUDONYM_BYTES:])
    return int.from_bytes(digest.digest(), "big") * POINTS >> 64


class Division:
    """A layer made ready to assign. Immutable."""

    __slots__ = ("_asks", "_ends", "_salted", "layer")

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self._salted = _salted(layer.salt)
        self._ends = tuple(accumulate(round(arm.share * POINTS) for arm in layer.arms))
        self._asks = layer.eligible != EVERYBODY

    def assigned(self, situation: Situation) -> Arm | None:
        """The arm of a subject; None when it is in none."""
        unit = situation.units.get(self.layer.unit)
        if unit is None or (self._asks and not eligible(self.layer, situation)):
            return None
        at = bisect_right(self._ends, _point(self._salted, unit))
        return self.layer.arms[at] if at < len(self._ends) else None

    def named(self, name: str) -> Arm | None:
        """The arm of that name; None: none has it."""
        return next((arm for arm in self.layer.arms if arm.name == name), None)


def divisions(layers: Iterable[Layer]) -> tuple[Division, ...]:
    """Layers made ready to assign, once for each catalogue."""
    return tuple(Division(layer) for layer in layers)


def asked_traits(layers: Iterable[Layer]) -> frozenset[str]:
    """Names of the traits that layers look at."""
    return frozenset(name for layer in layers for name in layer.eligible.traits)


def own_unit(subject: SubjectKey, profile: Profile | None) -> SubjectKey:
    """The key that a subject is assigned by: its own, or after a merge that of the older of the two."""
    if profile is None or not profile.unit:
        return subject
    return subject[:-PSEUDONYM_BYTES] + profile.unit


def assign(layers: Sequence[Division], situation: Situation, overrides: Mapping[str, str] | None = None) -> Assignment:
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
    for division in layers:
        name = division.layer.name
        asked = overrides.get(name) if overrides else None
        arm = division.assigned(situation) if asked is None else division.named(asked)
        if arm is not None:
            arms.append((name, arm.name))
            held_out = held_out or division.layer.holdout
            policies.update(arm.policies)
    overridden = tuple(one.layer.name for one in layers if one.layer.name in overrides) if overrides else ()
    return Assignment(tuple(arms), held_out, policies, overridden)


def eligible(layer: Layer, situation: Situation) -> bool:
    """Whether a layer is for this subject at this moment."""
    audience = layer.eligible
    if audience.kinds and situation.kind not in audience.kinds:
        return False
    if not all(_among(situation.context.get(name), values) for name, values in audience.context.items()):
        return False
    return not audience.traits or _gave(situation.traits, audience.traits)


def _gave(known: Mapping[str, Trait], asked: Mapping[str, Sequence[Value]]) -> bool:
    return all(
        (trait := known.get(name)) is not None and trait.source is TraitSource.EXPLICIT and _among(trait.value, values)
        for name, values in asked.items()
    )


def _among(value: Value | None, values: Sequence[Value]) -> bool:
    """Whether a value, or one of its texts, is one of `values`. True is not 1."""
    if isinstance(value, tuple):
        return any(text in values for text in value)
    return any(type(one) is type(value) and one == value for one in values)


def _check(layers: Sequence[Division], overrides: Mapping[str, str]) -> None:
    by_name = {division.layer.name: division for division in layers}
    for name, arm in overrides.items():
        field = f"overrides[{name}]"
        if name not in by_name:
            raise InvalidRequest(f"there is no layer `{name}`{did_you_mean(name, by_name)}", field)
        if arm != NO_ARM and by_name[name].named(arm) is None:
            arms = [one.name for one in by_name[name].layer.arms]
            raise InvalidRequest(f"layer `{name}` has no arm `{arm}`{did_you_mean(arm, arms)}", field)
