"""Rows of a file in the one form that all formats and mappings lead to, and what they tell."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec

from maitred_server.model import Body, Kind

RawTime: TypeAlias = int | str | None  # ms since the epoch, or ISO 8601
Plain: TypeAlias = bool | float | str | list[str]


class ValuePart(msgspec.Struct, forbid_unknown_fields=True):
    """An attribute or trait in its long form: `value`, or a moment as `time`; of traits also where it came from."""

    value: Plain | msgspec.UnsetType | None = msgspec.UNSET
    time: int | str | msgspec.UnsetType = msgspec.UNSET
    source: str = ""
    purpose: str = ""
    observed_at: RawTime = None


class ConsentPart(msgspec.Struct, forbid_unknown_fields=True):
    """A consent in its long form."""

    state: str
    source: str = ""
    observed_at: RawTime = None


class EventRow(msgspec.Struct, forbid_unknown_fields=True):
    """One event. Texts that are "" are missing."""

    subject: str = ""
    kind: str = ""
    event_id: str = ""
    type: str = ""
    item: str = ""
    variant: str = ""
    value: float = 0.0
    quantity: int = 1
    time: RawTime = None
    attributes: dict[str, Plain | ValuePart] = {}
    source: str = ""
    touchpoint: str = ""
    purpose: str = ""


class ProfileRow(msgspec.Struct, forbid_unknown_fields=True):
    """Traits and consents of one subject. A trait that is None is removed."""

    subject: str = ""
    kind: str = ""
    time: RawTime = None
    traits: dict[str, Plain | ValuePart | None] = {}
    consents: dict[str, str | ConsentPart] = {}
    source: str = ""
    touchpoint: str = ""
    purpose: str = ""


Row: TypeAlias = EventRow | ProfileRow


class Defaults(NamedTuple):
    """What holds for rows that do not say it themselves."""

    kind: Kind = Kind.PERSON
    source: str = "import"
    touchpoint: str = ""
    purpose: str = "service"


class Told(NamedTuple):
    """One thing that a row tells about a subject. `own_id`: the id that the source gave it, "" when none."""

    kind: Kind
    subject: str
    occurred_at: int
    body: Body
    source: str
    touchpoint: str
    purpose: str
    own_id: str = ""


class Reject(NamedTuple):
    """A row that is not imported. Holds personal data: `text` is the row as it stood."""

    line: int
    field: str
    reason: str
    text: str
