from maitred.v1 import feedback_pb2 as _feedback_pb2
from maitred.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetProfileRequest(_message.Message):
    __slots__ = ("subject", "recent")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    RECENT_FIELD_NUMBER: _ClassVar[int]
    subject: _types_pb2.Subject
    recent: int
    def __init__(self, subject: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ..., recent: _Optional[int] = ...) -> None: ...

class GetProfileResponse(_message.Message):
    __slots__ = ("kind", "traits", "counters", "recent", "journal_sequence", "first_seen_ms", "last_seen_ms")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TRAITS_FIELD_NUMBER: _ClassVar[int]
    COUNTERS_FIELD_NUMBER: _ClassVar[int]
    RECENT_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEEN_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_MS_FIELD_NUMBER: _ClassVar[int]
    kind: _types_pb2.SubjectKind
    traits: _containers.RepeatedCompositeFieldContainer[_types_pb2.Trait]
    counters: _containers.RepeatedCompositeFieldContainer[Counter]
    recent: _containers.RepeatedCompositeFieldContainer[RecentEvent]
    journal_sequence: int
    first_seen_ms: int
    last_seen_ms: int
    def __init__(self, kind: _Optional[_Union[_types_pb2.SubjectKind, str]] = ..., traits: _Optional[_Iterable[_Union[_types_pb2.Trait, _Mapping]]] = ..., counters: _Optional[_Iterable[_Union[Counter, _Mapping]]] = ..., recent: _Optional[_Iterable[_Union[RecentEvent, _Mapping]]] = ..., journal_sequence: _Optional[int] = ..., first_seen_ms: _Optional[int] = ..., last_seen_ms: _Optional[int] = ...) -> None: ...

class Counter(_message.Message):
    __slots__ = ("type", "item", "variant", "group", "count", "value", "first_ms", "last_ms")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    FIRST_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_MS_FIELD_NUMBER: _ClassVar[int]
    type: str
    item: str
    variant: str
    group: str
    count: int
    value: float
    first_ms: int
    last_ms: int
    def __init__(self, type: _Optional[str] = ..., item: _Optional[str] = ..., variant: _Optional[str] = ..., group: _Optional[str] = ..., count: _Optional[int] = ..., value: _Optional[float] = ..., first_ms: _Optional[int] = ..., last_ms: _Optional[int] = ...) -> None: ...

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
    __slots__ = ("deleted", "journal_sequence")
    DELETED_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    deleted: bool
    journal_sequence: int
    def __init__(self, deleted: bool = ..., journal_sequence: _Optional[int] = ...) -> None: ...
