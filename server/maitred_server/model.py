"""The nouns of Maitred: frozen values that know nothing of gRPC, LMDB or numpy.

Times are integers: milliseconds since the epoch. Journal records are these very values, encoded with msgpack as
arrays; a
field is only ever added at the end, with a default, so that old records stay readable.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

import msgspec

# Brand prefix and pseudonym of a subject; see `subjects.identity`. Raw ids stop at the edge.
SubjectKey: TypeAlias = bytes

# A bool, a text, a number (always float), a moment (always int, ms) or some texts.
Value: TypeAlias = bool | int | float | str | tuple[str, ...]


class Kind(IntEnum):
    """What a subject is; numbered as on the wire."""

    PERSON = 1
    HOUSEHOLD = 2
    DEVICE = 3
    SESSION = 4


class TraitSource(IntEnum):
    """Where a trait came from; numbered as on the wire."""

    EXPLICIT = 1
    INFERRED = 2
    CONTEXTUAL = 3


class ConsentState(IntEnum):
    """What a subject allowed for one purpose; numbered as on the wire. The higher, the stricter."""

    GRANTED = 1
    DENIED = 2
    REVOKED = 3


class Reason(IntEnum):
    """Why an answer or a choice is what it is; numbered as on the wire."""

    RULE = 1
    LEARNED = 2
    EXPLORED = 3
    HOLDOUT = 4
    BASELINE = 5
    FALLBACK = 6
    CACHED = 7
    STALE = 8
    ERROR = 9
    HABIT = 10
    POPULAR = 11


class Intensity(IntEnum):
    """How much may be used of a subject; numbered as on the wire. The lower, the less."""

    OFF = 1  # the baseline only
    CONTEXTUAL = 2  # nothing of the profile
    EXPLICIT = 3  # what the subject told us itself
    FULL = 4


class _Noun(msgspec.Struct, frozen=True, array_like=True, gc=False):
    pass


class Trait(_Noun, frozen=True):
    """One attribute of a profile. `value` None: the trait is removed."""

    name: str
    value: Value | None
    source: TraitSource = TraitSource.INFERRED
    purpose: str = "service"
    observed_at: int = 0


class Consent(_Noun, frozen=True):
    """What a subject said about one purpose, where and when."""

    purpose: str
    state: ConsentState
    source: str = ""
    observed_at: int = 0


class Shown(_Noun, frozen=True):
    """One slot of an exposure, as the receipt says it was decided."""

    slot: int
    item: str
    variant: str
    groups: tuple[str, ...]
    probability: float
    propensity: float | None
    priority: float
    reason: Reason
    stretch: bool = False  # chosen from outside of the subject's usual groups, on purpose
    features: bytes = b""  # what it was scored by: int16, little-endian, in fixed point; b"": nothing is learned here


class Exposure(_Noun, frozen=True, tag_field="body", tag=1):
    """Choices of one decision were really shown."""

    decision_id: str
    placement: str
    showing: int
    shown: tuple[Shown, ...]
    policy: str
    reason: Reason
    arms: tuple[tuple[str, str], ...]
    catalogue: str
    snapshot: str
    decided_at: int
    seed: int
    profile_sequence: int
    dimensions: dict[str, str] = {}  # device, region, channel, stage, value_band ...: as of the decision
    segments: tuple[str, ...] = ()
    merged: bool = False  # of a merged subject: proofs leave it out
    overridden: tuple[str, ...] = ()  # layers whose arm was asked for: proofs leave it out
    context: dict[str, Value] = {}  # of the request
    item_states: int = 0  # version of the live item states
    channel: str = ""  # where it was shown: the context's `channel`, else the placement's
    space: str = ""  # the feature space that the features are of
    pending: bool = False  # feedback that was not durable yet took part: the profile of then is in no journal


class Outcome(_Noun, frozen=True, tag_field="body", tag=2):
    """What happened after a decision. `placement` and `channel` are "" when no receipt told them."""

    type: str
    value: float
    item: str
    variant: str
    groups: tuple[str, ...]
    decision_id: str
    placement: str = ""
    channel: str = ""


class Event(_Noun, frozen=True, tag_field="body", tag=3):
    """Something the subject did that no decision led to. `item` is "" when it is about none."""

    type: str
    item: str = ""
    variant: str = ""
    groups: tuple[str, ...] = ()
    value: float = 0.0
    quantity: int = 1
    attributes: dict[str, Value] = {}


class Traits(_Noun, frozen=True, tag_field="body", tag=4):
    """Traits were learned or changed."""

    traits: tuple[Trait, ...]


class Deletion(_Noun, frozen=True, tag_field="body", tag=5):
    """The subject was forgotten; what came before is gone."""


class Consents(_Noun, frozen=True, tag_field="body", tag=6):
    """The subject said what it allows."""

    consents: tuple[Consent, ...]


class Merge(_Noun, frozen=True, tag_field="body", tag=7):
    """Another subject turned out to be this one: its key leads here from now on."""

    other: SubjectKey


class Unmerge(_Noun, frozen=True, tag_field="body", tag=8):
    """The other subject is another one after all."""

    other: SubjectKey


class LiveState(_Noun, frozen=True):
    """What is true of one item (or of all items of a group) right now. None: as the catalogue says."""

    item: str = ""
    group: str = ""
    stock: int | None = None
    price: float | None = None
    paused: bool = False
    kill: bool = False


class StateChange(_Noun, frozen=True):
    """What to set of one item, or of all items of a group. None: unchanged. `reset`: forget what was set before."""

    item: str = ""
    group: str = ""
    stock: int | None = None
    price: float | None = None
    paused: bool | None = None
    kill: bool | None = None
    reset: bool = False


class ItemStates(_Noun, frozen=True, tag_field="body", tag=9):
    """Live states were set. The record's subject is the brand alone; it is in no subject's history."""

    states: tuple[LiveState, ...]
    before: int = 0  # sequence of the brand's record of this kind before this one; 0: it is the first


class Objection(_Noun, frozen=True, tag_field="body", tag=10):
    """The subject does not want to see an item, or anything of a group; or takes that back."""

    item: str = ""
    group: str = ""
    reason: str = ""
    withdrawn: bool = False
    decision_id: str = ""


Body: TypeAlias = Exposure | Outcome | Event | Traits | Deletion | Consents | Merge | Unmerge | ItemStates | Objection

# What `Status` and `verify` call the kinds of record.
BODY_NAMES: dict[type, str] = {
    Exposure: "exposure",
    Outcome: "outcome",
    Event: "event",
    Traits: "traits",
    Deletion: "deletion",
    Consents: "consents",
    Merge: "merge",
    Unmerge: "unmerge",
    ItemStates: "item_states",
    Objection: "objection",
}


class Record(_Noun, frozen=True):
    """One journal record: a change to one subject."""

    subject: SubjectKey
    kind: Kind
    received_at: int
    occurred_at: int
    body: Body
    source: str = ""
    touchpoint: str = ""
    purpose: str = "service"
    addressed: SubjectKey = b""  # the key it came under, when that was merged into `subject`; b"": the subject's own


class Sequenced(_Noun, frozen=True):
    """Event id that a client numbered itself; `client` carries the brand (see `store.keys.client_key`)."""

    client: bytes
    epoch: int
    sequence: int


class Foreign(_Noun, frozen=True):
    """Event id given elsewhere: the 16 bytes of a UUID version 7, with its brand."""

    brand: str
    uuid: bytes


EventId: TypeAlias = Sequenced | Foreign


class Entry(_Noun, frozen=True):
    """What is handed to the writer: a record, and the id that makes a resend recognisable (None: never a resend).

    `since`: the journal sequence that its receipt knows of; what its subject did before it was forgotten is refused by
    it. None: there is no receipt, and the record's own time tells.
    """

    record: Record
    event_id: EventId | None = None
    since: int | None = None


class Variant(_Noun, frozen=True):
    """One rendition of an item; `name` is "" for an only one."""

    name: str = ""
    content: bytes = b""
    content_type: str = "application/json"
    devices: tuple[str, ...] = ()  # it is for these only; none: for all. Likewise locales and formats
    locales: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    template: bool = False  # the content has places that are filled in for each subject
    plain: bytes = b""  # what is shown when a template lacks a value


class Item(_Noun, frozen=True):
    """What can be chosen."""

    id: str
    groups: tuple[str, ...] = ()
    attributes: dict[str, Value] = {}
    variants: tuple[Variant, ...] = (Variant(),)


class Arm(_Noun, frozen=True):
    """One branch of a layer. `share` is a multiple of 1/10,000; `policies` names the policy by placement."""

    name: str
    share: float
    policies: dict[str, str] = {}


class Audience(_Noun, frozen=True):
    """Whom a layer is for: all that is given must hold. Empty: everybody.

    `context` and `traits`: by name, the values that will do. Of traits only those count that the subject gave itself.
    """

    kinds: tuple[Kind, ...] = ()
    context: dict[str, tuple[Value, ...]] = {}
    traits: dict[str, tuple[Value, ...]] = {}


class Layer(_Noun, frozen=True):
    """One division of the subjects into arms by a hash of the id of their `unit` (None: of whoever is decided for).

    What the shares leave over is in no arm, and so is who is not eligible.
    """

    name: str
    unit: Kind | None
    salt: str
    arms: tuple[Arm, ...]
    holdout: bool = False
    eligible: Audience = Audience()


class Stages(_Noun, frozen=True):
    """Where the stages of a subject's life begin: `new` below so many things done, then by days without a sign."""

    new_below: int = 3
    lapsing_days: int = 30
    lapsed_days: int = 90


class ValueBands(_Noun, frozen=True):
    """Bands of what a subject was worth: by the sum of the values of everything of the counter type `counts`.

    `bands`: names with the least sum of each, rising; what is below the first is in the first.
    """

    counts: str = "purchase"
    bands: tuple[tuple[str, float], ...] = (("none", 0.0), ("low", 0.01), ("middle", 100.0), ("high", 1000.0))


class Dimensions(_Noun, frozen=True):
    """What decisions, and all that follows from them, can be cut by later. `context`: keys whose texts are kept."""

    context: tuple[str, ...] = ("device", "region", "channel", "locale", "store")
    stages: Stages = Stages()
    value_bands: ValueBands = ValueBands()
