"""What people have a right to, without I/O: to see all that is kept about them, and to be forgotten, also when a visit
ends.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import DecodeError

from ._wire import subject_of, wire_subject
from .errors import CallFailed, InvalidArgument
from .types import ErasedStore, Erasure, Subject
from .v1 import profile_pb2

EXPORT = "/maitred.v1.ProfileService/ExportSubject"
ERASE = "/maitred.v1.ProfileService/DeleteProfile"
END_SESSION = "/maitred.v1.ProfileService/EndSession"
TIMEOUT = 10.0  # seconds: these calls are made for people, not for a page that waits


def export_request(subject: Subject | str) -> bytes:
    """Raises InvalidArgument."""
    return profile_pb2.ExportSubjectRequest(subject=wire_subject(subject_of(subject))).SerializeToString()


def read_export(answer: bytes) -> dict[str, Any]:
    """Raises CallFailed when this is no answer."""
    try:
        exported: dict[str, Any] = json.loads(profile_pb2.ExportSubjectResponse.FromString(answer).json)
    except (DecodeError, ValueError):
        raise CallFailed("INTERNAL", "the answer cannot be read") from None
    return exported


def session_of(subject: Subject | str) -> Subject:
    """A session; a bare id is taken for one. Raises InvalidArgument."""
    known = subject_of(subject)
    if known.kind not in ("", "session"):
        raise InvalidArgument("subject", f"must be a session, not a {known.kind}")
    return Subject(known.id, "session")


def end_session_request(session: Subject) -> bytes:
    return profile_pb2.EndSessionRequest(subject=wire_subject(session)).SerializeToString()


def erase_request(subject: Subject | str) -> bytes:
    """Raises InvalidArgument."""
    return profile_pb2.DeleteProfileRequest(subject=wire_subject(subject_of(subject))).SerializeToString()


def read_erasure(answer: bytes) -> Erasure:
    """Raises CallFailed when this is no answer."""
    try:
        wire = profile_pb2.DeleteProfileResponse.FromString(answer)
    except DecodeError:
        raise CallFailed("INTERNAL", "the answer cannot be read") from None
    stores = tuple(ErasedStore(one.name, one.records, _moment(one.done_at_ms)) for one in wire.erasure.stores)
    erased_at = datetime.fromtimestamp(wire.erasure.erased_at_ms / 1_000, UTC)
    return Erasure(wire.erasure.erasure_id, erased_at, wire.deleted, stores)


def _moment(at_ms: int) -> datetime | None:
    return datetime.fromtimestamp(at_ms / 1_000, UTC) if at_ms else None
