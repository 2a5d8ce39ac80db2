from maitred.v1 import feedback_pb2 as _feedback_pb2
from maitred.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetProfileRequest(_message.Message):
    __slots__ = ("subject", "recent", "as_of_sequence", "as_of_ms")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    RECENT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    AS_OF_MS_FIELD_NUMBER: _ClassVar[int]
    subject: _types_pb2.Subject
    recent: int
    as_of_sequence: int
    as_of_ms: int
    def __init__(self, subject: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ..., recent: _Optional[int] = ..., as_of_sequence: _Optional[int] = ..., as_of_ms: _Optional[int] = ...) -> None: ...

class GetProfileResponse(_message.Message):
    __slots__ = ("kind", "traits", "counters", "recent", "journal_sequence", "first_seen_ms", "last_seen_ms", "consents", "merged", "intensity", "objections")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TRAITS_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    RECENT_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_MS_FIELD_NUMBER: _ClassVar[int]
    CONSENTS_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    INTENSITY_FIELD_NUMBER: _ClassVar[int]
    OBJECTIONS_FIELD_NUMBER: _ClassVar[int]
    kind: _types_pb2.SubjectKind
    traits: _containers.RepeatedCompositeFieldContainer[_types_pb2.Trait]
    counters: _containers.RepeatedCompositeFieldContainer[Counter]
    recent: _containers.RepeatedCompositeFieldContainer[RecentEvent]
    journal_sequence: int
    first_seen_ms: int
    last_seen_ms: int
    consents: _containers.RepeatedCompositeFieldContainer[_types_pb2.Consent]
    merged: bool
    intensity: _types_pb2.Intensity
    objections: _containers.RepeatedCompositeFieldContainer[Objection]
    def __init__(self, kind: _Optional[_Union[_types_pb2.SubjectKind, str]] = ..., traits: _Optional[_Iterable[_Union[_types_pb2.Trait, _Mapping]]] = ..., counters: _Optional[_Iterable[_Union[Counter, _Mapping]]] = ..., recent: _Optional[_Iterable[_Union[RecentEvent, _Mapping]]] = ..., journal_sequence: _Optional[int] = ..., first_seen_ms: _Optional[int] = ..., last_seen_ms: _Optional[int] = ..., consents: _Optional[_Iterable[_Union[_types_pb2.Consent, _Mapping]]] = ..., merged: bool = ..., intensity: _Optional[_Union[_types_pb2.Intensity, str]] = ..., objections: _Optional[_Iterable[_Union[Objection, _Mapping]]] = ...) -> None: ...

class Objection(_message.Message):
    __slots__ = ("item", "group", "since_ms")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    SINCE_MS_FIELD_NUMBER: _ClassVar[int]
    item: str
    group: str
    since_ms: int
    def __init__(self, item: _Optional[str] = ..., group: _Optional[str] = ..., since_ms: _Optional[int] = ...) -> None: ...

class Counter(_message.Message):
    __slots__ = ("type", "item", "variant", "group", "count", "value", "first_ms", "last_ms", "placement", "channel")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    FIRST_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_MS_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    type: str
    item: str
    variant: str
    group: str
    count: int
    value: float
    first_ms: int
    last_ms: int
    placement: str
    channel: str
    def __init__(self, type: _Optional[str] = ..., item: _Optional[str] = ..., variant: _Optional[str] = ..., group: _Optional[str] = ..., count: _Optional[int] = ..., value: _Optional[float] = ..., first_ms: _Optional[int] = ..., last_ms: _Optional[int] = ..., placement: _Optional[str] = ..., channel: _Optional[str] = ...) -> None: ...

class RecentEvent(_message.Message):
    __slots__ = ("type", "item", "variant", "occurred_at_ms")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    type: str
    item: str
    variant: str
    occurred_at_ms: int
    def __init__(self, type: _Optional[str] = ..., item: _Optional[str] = ..., variant: _Optional[str] = ..., occurred_at_ms: _Optional[int] = ...) -> None: ...

class PutTraitsRequest(_message.Message):
    __slots__ = ("subject", "traits")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TRAITS_FIELD_NUMBER: _ClassVar[int]
    subject: _types_pb2.Subject
    traits: _containers.RepeatedCompositeFieldContainer[_types_pb2.Trait]
    def __init__(self, subject: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ..., traits: _Optional[_Iterable[_Union[_types_pb2.Trait, _Mapping]]] = ...) -> None: ...

class PutTraitsResponse(_message.Message):
    __slots__ = ("journal_sequence",)
    JOURNAL_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    journal_sequence: int
    def __init__(self, journal_sequence: _Optional[int] = ...) -> None: ...

class DeleteProfileRequest(_message.Message):
    __slots__ = ("subject",)
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    subject: _types_pb2.Subject
    def __init__(self, subject: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ...) -> None: ...

class DeleteProfileResponse(_message.Message):
    __slots__ = ("deleted", "journal_sequence", "erasure")
    DELETED_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ERASURE_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    journal_sequence: int
    erasure: Erasure
    def __init__(self, deleted: bool = ..., journal_sequence: _Optional[int] = ..., erasure: _Optional[_Union[Erasure, _Mapping]] = ...) -> None: ...

class Erasure(_message.Message):
    __slots__ = ("erasure_id", "erased_at_ms", "stores")
    ERASURE_ID_FIELD_NUMBER: _ClassVar[int]
    ERASED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    STORES_FIELD_NUMBER: _ClassVar[int]
    erasure_id: str
    erased_at_ms: int
    stores: _containers.RepeatedCompositeFieldContainer[ErasedStore]
    def __init__(self, erasure_id: _Optional[str] = ..., erased_at_ms: _Optional[int] = ..., stores: _Optional[_Iterable[_Union[ErasedStore, _Mapping]]] = ...) -> None: ...

class ErasedStore(_message.Message):
    __slots__ = ("name", "records", "done_at_ms")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    DONE_AT_MS_FIELD_NUMBER: _ClassVar[int]
    name: str
    records: int
    done_at_ms: int
    def __init__(self, name: _Optional[str] = ..., records: _Optional[int] = ..., done_at_ms: _Optional[int] = ...) -> None: ...

class PutConsentsRequest(_message.Message):
    __slots__ = ("subject", "consents", "intensity")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    CONSENTS_FIELD_NUMBER: _ClassVar[int]
    INTENSITY_FIELD_NUMBER: _ClassVar[int]
    subject: _types_pb2.Subject
    consents: _containers.RepeatedCompositeFieldContainer[_types_pb2.Consent]
    intensity: _types_pb2.Intensity
    def __init__(self, subject: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ..., consents: _Optional[_Iterable[_Union[_types_pb2.Consent, _Mapping]]] = ..., intensity: _Optional[_Union[_types_pb2.Intensity, str]] = ...) -> None: ...

class PutConsentsResponse(_message.Message):
    __slots__ = ("journal_sequence",)
    JOURNAL_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    journal_sequence: int
    def __init__(self, journal_sequence: _Optional[int] = ...) -> None: ...

class MergeSubjectsRequest(_message.Message):
    __slots__ = ("subject", "other")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    subject: _types_pb2.Subject
    other: _types_pb2.Subject
    def __init__(self, subject: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ..., other: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ...) -> None: ...

class MergeSubjectsResponse(_message.Message):
    __slots__ = ("merged", "journal_sequence")
    MERGED_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    merged: bool
    journal_sequence: int
    def __init__(self, merged: bool = ..., journal_sequence: _Optional[int] = ...) -> None: ...

class UnmergeSubjectsRequest(_message.Message):
    __slots__ = ("subject", "other")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    subject: _types_pb2.Subject
    other: _types_pb2.Subject
    def __init__(self, subject: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ..., other: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ...) -> None: ...

class UnmergeSubjectsResponse(_message.Message):
    __slots__ = ("journal_sequence",)
    JOURNAL_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    journal_sequence: int
    def __init__(self, journal_sequence: _Optional[int] = ...) -> None: ...

class ExportSubjectRequest(_message.Message):
    __slots__ = ("subject", "html")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    HTML_FIELD_NUMBER: _ClassVar[int]
    subject: _types_pb2.Subject
    html: bool
    def __init__(self, subject: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ..., html: bool = ...) -> None: ...

class ExportSubjectResponse(_message.Message):
    __slots__ = ("json", "html")
    JSON_FIELD_NUMBER: _ClassVar[int]
    HTML_FIELD_NUMBER: _ClassVar[int]
    json: bytes
    html: bytes
    def __init__(self, json: _Optional[bytes] = ..., html: _Optional[bytes] = ...) -> None: ...

class GetErasureRequest(_message.Message):
    __slots__ = ("erasure_id",)
    ERASURE_ID_FIELD_NUMBER: _ClassVar[int]
    erasure_id: str
    def __init__(self, erasure_id: _Optional[str] = ...) -> None: ...

class GetErasureResponse(_message.Message):
    __slots__ = ("erasure",)
    ERASURE_FIELD_NUMBER: _ClassVar[int]
    erasure: Erasure
    def __init__(self, erasure: _Optional[_Union[Erasure, _Mapping]] = ...) -> None: ...

class EndSessionRequest(_message.Message):
    __slots__ = ("subject",)
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    subject: _types_pb2.Subject
    def __init__(self, subject: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ...) -> None: ...

class EndSessionResponse(_message.Message):
    __slots__ = ("ended",)
    ENDED_FIELD_NUMBER: _ClassVar[int]
    ended: bool
    def __init__(self, ended: bool = ...) -> None: ...
