"""What people decided: the part of a playbook that no model may override. Frozen, and stored with each catalogue.

Names stand for items, groups and placements everywhere; `decide` resolves them into rows once per published version.
Rules are kept as plans (see `playbook.rules`), so that they are neither parsed nor checked again.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from maitred_server.model import Intensity, Reason

Layer: TypeAlias = Literal["eligibility", "applicability", "suitability"]
TypeName: TypeAlias = Literal["text", "number", "whole", "flag", "texts", "time"]
Counted: TypeAlias = Literal["item", "group", "placement", "channel", "all"]


class _Noun(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    pass


class Scope(_Noun, frozen=True):
    """What something is about: items, by id or by group, in some placements and channels. Nothing given: all.

    `items` and `groups` add up; `placements` and `channels` narrow down.
    """

    items: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    placements: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


class Purpose(_Noun, frozen=True):
    """What data may be used for. `required`: only when granted; else unless it was denied or revoked."""

    name: str
    description: str = ""
    required: bool = True


class TraitDeclaration(_Noun, frozen=True):
    """A trait that rules, segments and templates may use."""

    name: str
    type: TypeName
    purpose: str = "service"
    sensitive: bool = False  # kept, and never used
    description: str = ""


class ContextDeclaration(_Noun, frozen=True):
    """A key of the context that rules may use."""

    name: str
    type: TypeName
    description: str = ""


class EventDeclaration(_Noun, frozen=True):
    """What the counters of a type (an event's type, `outcome.TYPE` or `exposure`) may be used for."""

    type: str
    purpose: str = "service"


class Segment(_Noun, frozen=True):
    """A named rule over traits. `timeless`: its answer changes with the profile only, neither with time nor context."""

    name: str
    expression: str
    plan: bytes
    timeless: bool
    description: str = ""


class Rule(_Noun, frozen=True):
    """What must hold of a candidate. `layer` says why it is asked."""

    name: str
    layer: Layer
    expression: str
    plan: bytes
    scope: Scope = Scope()
    why: str = ""  # for people


class ContactPolicy(_Noun, frozen=True):
    """At most `most` of what is counted in any window of `window_ms`; once reached, nothing for `suppress_ms`.

    `counts`: `exposure`, `outcome.TYPE` or an event's type. `per`: what has a count of its own: each item, each group
    (of the scope's, or all), each placement, each channel, or everything in the scope together.
    """

    name: str
    counts: str
    most: int
    window_ms: int
    suppress_ms: int = 0
    per: Counted = "item"
    scope: Scope = Scope()
    why: str = ""


class QuietHours(_Noun, frozen=True):
    """No contact between two times of day (minutes since midnight, over midnight when `begin` is after `end`).

    In the subject's time zone: an IANA name in the trait or context key `zone_from`, else `zone`.
    """

    name: str
    begin: int
    end: int
    zone: str = "UTC"
    zone_from: tuple[str, ...] = ()  # `subject.NAME` or `context.NAME`, the first that is there
    scope: Scope = Scope()


class Lever(_Noun, frozen=True):
    """A person's manual factor."""

    name: str
    factor: float
    scope: Scope = Scope()
    why: str = ""


class ContextWeight(_Noun, frozen=True):
    """A factor that holds where a rule matches; it may look at subject, context, now and item."""

    name: str
    weight: float
    expression: str
    plan: bytes
    scope: Scope = Scope()


class Worth(_Noun, frozen=True):
    """What success with an item is worth: a number of the item, else `otherwise`."""

    attribute: str = ""  # "": all are worth `otherwise`
    otherwise: float = 1.0


class Pin(_Noun, frozen=True):
    """An item in a slot, whatever the policy thinks, unless a filter closes it. `rule` (plan) None: always."""

    slot: int
    item: str
    variant: str = ""  # "": the first that fits
    expression: str = ""
    plan: bytes = b""


class Reserved(_Noun, frozen=True):
    """A slot that only some items may fill; it is given to any other when none of them may be shown."""

    slot: int
    scope: Scope


class SlatePlan(_Noun, frozen=True):
    """How the slots of a placement are filled beside the policy. Slots count from 0."""

    placement: str
    channel: str = ""
    format: str = ""
    devices: tuple[str, ...] = ()  # that it serves; for checks
    locales: tuple[str, ...] = ()
    pins: tuple[Pin, ...] = ()
    reserved: tuple[Reserved, ...] = ()
    stretch: tuple[int, ...] = ()
    most_per_group: int = 0  # of any group in one slate; 0: as many as there are
    group_limits: tuple[tuple[str, int], ...] = ()  # of these groups instead
    worth: Worth = Worth()


class Response(_Noun, frozen=True):
    """What is learned of one outcome type in a placement: a number from 0 to 1.

    `full`: the outcome's value that is 1 (a rating of 5, say); 0: that it happened at all is 1. `default`: when nothing
    came within `wait_ms`. `worth`: what a response of 1 is worth; negative for what is not wanted. Only arbitration
    uses it.
    """

    type: str
    wait_ms: int
    default: float = 0.0
    full: float = 0.0
    worth: float = 1.0


class Learning(_Noun, frozen=True):
    """What is learned in a placement, and how much is tried. The first response is the predicted propensity."""

    placement: str
    responses: tuple[Response, ...]
    features: tuple[str, ...] = ()  # families of features (see `policy.features`); none: the defaults
    traits: tuple[str, ...] = ()  # traits and context keys that are features, as `subject.NAME` and `context.NAME`
    half_life_days: float = 0.0  # 0: nothing fades
    exploration: float = 0.05  # share of the choices that may explore; the others take the best
    scale: float = 0.0  # how large a gap between priorities is 1; 0: the best priority's size
    hashed: int = 16  # columns that the values of `traits` are hashed into


class ReasonText(_Noun, frozen=True):
    """What is said to the subject when a choice has this reason: a template by locale."""

    reason: Reason
    texts: tuple[tuple[str, str], ...]  # locale, template
    placements: tuple[str, ...] = ()  # only there; none: everywhere
    stretch: bool = False  # only of stretch choices


class Wording(_Noun, frozen=True):
    """How things are said."""

    locale: str = "en"  # when nothing is said in the request's
    name_attribute: str = "name"  # the item's attribute that is its name for people; missing: its id
    reasons: tuple[ReasonText, ...] = ()


class Control(_Noun, frozen=True):
    """All of it. Empty: nothing is restricted, nothing is weighted, nothing is said."""

    purposes: tuple[Purpose, ...] = ()
    intensity: Intensity = Intensity.FULL  # of who said nothing
    traits: tuple[TraitDeclaration, ...] = ()
    context: tuple[ContextDeclaration, ...] = ()
    item_types: tuple[tuple[str, TypeName], ...] = ()  # of attributes, as rules see them
    events: tuple[EventDeclaration, ...] = ()
    segments: tuple[Segment, ...] = ()
    rules: tuple[Rule, ...] = ()
    contact_policies: tuple[ContactPolicy, ...] = ()
    quiet_hours: tuple[QuietHours, ...] = ()
    levers: tuple[Lever, ...] = ()
    context_weights: tuple[ContextWeight, ...] = ()
    slates: tuple[SlatePlan, ...] = ()
    wording: Wording = Wording()
    learning: tuple[Learning, ...] = ()

    def slate(self, placement: str) -> SlatePlan:
        """The plan of a placement; an empty one where there is none."""
        return next((one for one in self.slates if one.placement == placement), SlatePlan(placement))

    def learned(self, placement: str) -> Learning | None:
        """What is learned in a placement; None: nothing."""
        return next((one for one in self.learning if one.placement == placement), None)
