"""The SDK's nouns: frozen values that know nothing of gRPC or protobuf."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, overload

from . import _check
from .errors import InvalidArgument

Kind: TypeAlias = Literal["", "person", "household", "device", "session"]
Source: TypeAlias = Literal["", "explicit", "inferred", "contextual"]
ConsentState: TypeAlias = Literal["granted", "denied", "revoked"]
# How much may be used of a subject; each allows less than the one after it.
Intensity: TypeAlias = Literal["off", "contextual", "explicit", "full"]
# What a context key, a trait or an attribute can hold. A datetime must carry its time zone.
Value: TypeAlias = str | float | bool | datetime | Sequence[str]
# An aware datetime, or milliseconds since the epoch.
Moment: TypeAlias = datetime | int

KINDS: tuple[str, ...] = ("", "person", "household", "device", "session")  # numbered as on the wire
STATES: tuple[str, ...] = ("", "granted", "denied", "revoked")  # of consents; numbered as on the wire
INTENSITIES: tuple[str, ...] = ("", "off", "contextual", "explicit", "full")  # numbered as on the wire
SOURCES: tuple[str, ...] = ("", "explicit", "inferred", "contextual")  # numbered as on the wire


class Reason(StrEnum):
    """Why an answer or a choice is what it is."""

    UNSPECIFIED = "UNSPECIFIED"
    """The server gave none that this version knows."""
    RULE = "RULE"
    """A person wrote it: a fixed order, a pin, a rule."""
    LEARNED = "LEARNED"
    """Scored by what was learned."""
    EXPLORED = "EXPLORED"
    """Drawn at random so that something can be learned."""
    HOLDOUT = "HOLDOUT"
    """This subject is withheld from personalization; the baseline was served."""
    BASELINE = "BASELINE"
    """The placement's baseline was served."""
    FALLBACK = "FALLBACK"
    """Nothing was eligible; the placement's fallback was served."""
    CACHED = "CACHED"
    """From the client's cache, still fresh."""
    STALE = "STALE"
    """From the client's cache, past its time to live."""
    ERROR = "ERROR"
    """No answer could be had; the caller's own fallback was used."""
    HABIT = "HABIT"
    """What this subject chose most."""
    POPULAR = "POPULAR"
    """What all subjects chose most."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a decision is for, or whom feedback is about.

    `id`: the caller's own, 1 to 256 bytes. `kind` "": the server's default kind. `aliases`: at most 8 other ids of the
    same subject, most trusted first, looked up when nothing is known of `id`. Raises InvalidArgument.
    """

    id: str
    kind: Kind = ""
    aliases: tuple[Subject | str, ...] = ()

    def __post_init__(self) -> None:
        _check.subject_id("subject", self.id)
        if self.kind not in KINDS:
            raise InvalidArgument("subject.kind", f"must be one of {', '.join(KINDS[1:])}")
        object.__setattr__(self, "aliases", tuple(_alias(a) for a in self._alias_list()))

    def _alias_list(self) -> Sequence[object]:
        return _check.sequence("subject.aliases", self.aliases, _check.MAX_ALIASES)

    def __repr__(self) -> str:
        return f"Subject(kind={self.kind!r})"  # ids stay out of logs


def _alias(alias: object) -> Subject:
    if isinstance(alias, Subject):
        return alias
    return Subject(_check.subject_id("subject.aliases", alias))


class Versions(NamedTuple):
    """Which published states made an answer. "": none."""

    catalogue: str = ""
    policy: str = ""


class Arm(NamedTuple):
    """The arm of one experiment that the subject is in."""

    layer: str
    arm: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What one slot shows. `content` is parsed from `raw` at each access, so nobody can change another's copy."""

    item: str
    variant: str = ""
    """Rendition of the item; "" when it has one only."""
    slot: int = 0
    """Position, from 0."""
    raw: bytes = b""
    """What to show, as published."""
    content_type: str = ""
    """Media type of `raw`, e.g. "application/json"."""
    reason: Reason = Reason.UNSPECIFIED
    predicted_propensity: float | None = None
    """P(positive outcome), in [0, 1]. None: the policy predicts none."""
    action_probability: float = 0.0
    """P(the policy chose this for this slot, given the slots before), in (0, 1]; 0 in a fallback."""
    priority: float = 0.0
    remaining_showings: int | None = None
    """Showings left, at the time of the answer, before a contact policy forbids it. None: no limit."""
    reason_text: str = ""
    """Why, for the subject, in plain words. "": the playbook says none."""
    stretch: bool = False
    """It is from outside of the subject's usual groups, on purpose."""
    groups: tuple[str, ...] = ()
    """The groups that the item belongs to, so that "not for me" can be said of one of them."""

    @classmethod
    def of(cls, item: str, content: Any = None, variant: str = "") -> Choice:
        """A choice of the caller's own, for fallbacks. Texts and bytes stay what they are, all else becomes JSON."""
        raw, content_type = _encode_content(content)
        return cls(
            item=_check.name("fallback item", item),
            variant=_check.name("fallback variant", variant, empty=True),
            raw=raw,
            content_type=content_type,
            reason=Reason.ERROR,
        )

    @property
    def content(self) -> Any:
        """JSON as Python values, text/* as a str, all else as bytes; bytes too when it is not what its type says."""
        media, _, _ = self.content_type.partition(";")
        media = media.strip().lower()
        try:
            if media == "application/json" or media.endswith("+json"):
                return json.loads(self.raw) if self.raw else None
            if media.startswith("text/"):
                return self.raw.decode()
        except (ValueError, RecursionError):
            return self.raw
        return self.raw


def _encode_content(content: Any) -> tuple[bytes, str]:
    if isinstance(content, bytes):
        return content, "application/octet-stream"
    if isinstance(content, str):
        return content.encode(), "text/plain"
    try:
        return json.dumps(content).encode() if content is not None else b"", "application/json"
    except (TypeError, ValueError):
        raise InvalidArgument("fallback content", "must be a text, bytes, or what JSON can hold") from None


# What the caller shows when no answer can be had: items, choices, or mappings with the arguments of `Choice.of`; or a
# function that takes the placement's name and gives such a list.
FallbackList: TypeAlias = Sequence[str | Choice | Mapping[str, Any]]
Fallback: TypeAlias = FallbackList | Callable[[str], FallbackList]


class Showings:
    """How often one decision was shown. Shared by all copies of the decision."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Exposer(Protocol):
    """What a decision needs of its client."""

    def expose(self, decision: Decision, slots: Sequence[int] | None = None, *, at: Moment | None = None) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Decision(Sequence[Choice]):
    """What to show in one placement: a sequence of choices in slot order, with why it is so.

    Served from the cache, `reason` says so (CACHED, STALE) and the choices keep their own reasons.
    """

    placement: str
    choices: tuple[Choice, ...]
    reason: Reason
    id: str = ""
    """Names this decision in feedback. "": the caller's fallback, which no server decided."""
    policy: str = ""
    """The policy that chose, e.g. "habit"."""
    error: str = ""
    """Why there is no fresh answer: a gRPC status name such as "UNAVAILABLE". "": there is one."""
    error_message: str = ""
    """What the server said of it."""
    arms: tuple[Arm, ...] = ()
    overridden: tuple[str, ...] = ()
    """The layers whose arm (or being in none) was asked for with `overrides`: proofs leave this decision out."""
    versions: Versions = field(default_factory=Versions)
    decided_at_ms: int = 0
    """The server's clock at the decision."""
    subject: Subject | str = field(default="", repr=False)
    receipt: bytes = field(default=b"", repr=False)
    """Sealed; goes back to the server with feedback."""
    showings: Showings = field(default_factory=Showings, repr=False)
    client: Exposer | None = field(default=None, repr=False)
    partial: bool = field(default=False, repr=False)
    """Some of its choices must not be shown any more, and were left out."""

    def expose(self, slots: Sequence[int] | None = None, *, at: Moment | None = None) -> None:
        """Say that these slots (all: None) were really shown. Never waits and never fails on a caller's fallback."""
        if self.client is not None:
            self.client.expose(self, slots, at=at)

    @property
    def items(self) -> tuple[str, ...]:
        """The chosen items in slot order."""
        return tuple(choice.item for choice in self.choices)

    def __len__(self) -> int:
        return len(self.choices)

    def __iter__(self) -> Iterator[Choice]:
        return iter(self.choices)

    @overload
    def __getitem__(self, index: int) -> Choice: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Choice, ...]: ...
    def __getitem__(self, index: int | slice) -> Choice | tuple[Choice, ...]:
        return self.choices[index]


@dataclass(frozen=True, slots=True)
class Request:
    """One of the requests of `decide_many`; the fields are those of `decide`."""

    placement: str
    subject: Subject | str = field(repr=False)
    context: Mapping[str, Value] | None = field(default=None, repr=False)
    slots: int | None = None
    fallback: Fallback | None = None
    at: Moment | None = None
    overrides: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Trait:
    """One attribute of a profile. `value` None: the trait is removed. "" takes what `put_traits` was given."""

    name: str
    value: Value | None
    source: Source = ""
    purpose: str = ""
    observed_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """What a subject said about one purpose. `source`: where; "" takes what `put_consents` was given."""

    purpose: str
    state: ConsentState
    source: str = ""
    observed_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class ErasedStore:
    """What went from one place of the server: "profile", "history", "aliases", "learned" or "disk"."""

    name: str
    records: int
    done_at: datetime | None
    """None: it is still to be done; for "disk", with the next compaction."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """A subject was erased: nothing of it is used from `erased_at` on. Names no subject; keep it as a receipt."""

    id: str
    """The server says under it how far the erasure has come."""
    erased_at: datetime
    existed: bool
    """False: nothing was kept of this subject."""
    stores: tuple[ErasedStore, ...]


@dataclass(frozen=True, slots=True)
class OutboxStatistics:
    """What became of feedback, in events. recorded = pending + acknowledged + refused + dropped, at any time."""

    recorded: int = 0
    """Taken by `expose`, `record` and the like, or found in the file."""
    pending: int = 0
    """Kept and not settled yet."""
    stored: int = 0
    """Of the pending, those that are in the file."""
    sent: int = 0
    """Sent at least once."""
    acknowledged: int = 0
    """Durable on the server: accepted or already known."""
    duplicates: int = 0
    """Of the acknowledged, those that the server said it knew already."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Refused by the server for good, by status."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Given up here because the outbox was full (or the client closed), by kind of event."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a client did so far."""

    decisions: Mapping[str, int]
    """Decisions handed out, by reason."""
    cache_hits: int
    cache_misses: int
    cache_entries: int
    outbox: OutboxStatistics
    retries: int
    """Feedback batches that were sent again."""
    reconnects: int
    """Feedback streams opened after the first."""
    errors: Mapping[str, int]
    """Calls and streams that failed, by status."""
    cache_drops: Mapping[str, int] = field(default_factory=dict)
    """Answers that went from the cache because the server said so: "everything" (a publish), "item", "subject"; or
    because nobody could vouch for them after a break: "unchecked"."""
    watching: bool = False
    """The server tells this client what must go from its cache."""

    @property
    def recorded(self) -> int:
        """Events taken."""
        return self.outbox.recorded

    @property
    def sent(self) -> int:
        """Distinct events sent."""
        return self.outbox.sent

    @property
    def acknowledged(self) -> int:
        """Distinct events that are durable on the server."""
        return self.outbox.acknowledged

    @property
    def pending(self) -> int:
        """Events not settled yet."""
        return self.outbox.pending

    @property
    def dropped(self) -> int:
        """Events given up here, all kinds."""
        return sum(self.outbox.dropped.values())

    @property
    def refused(self) -> int:
        """Events refused by the server, all statuses."""
        return sum(self.outbox.refused.values())
