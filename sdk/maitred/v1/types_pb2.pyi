from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubjectKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUBJECT_KIND_UNSPECIFIED: _ClassVar[SubjectKind]
    SUBJECT_KIND_PERSON: _ClassVar[SubjectKind]
    SUBJECT_KIND_HOUSEHOLD: _ClassVar[SubjectKind]
    SUBJECT_KIND_DEVICE: _ClassVar[SubjectKind]
    SUBJECT_KIND_SESSION: _ClassVar[SubjectKind]

class TraitSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRAIT_SOURCE_UNSPECIFIED: _ClassVar[TraitSource]
    TRAIT_SOURCE_EXPLICIT: _ClassVar[TraitSource]
    TRAIT_SOURCE_INFERRED: _ClassVar[TraitSource]
    TRAIT_SOURCE_CONTEXTUAL: _ClassVar[TraitSource]

class ConsentState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONSENT_STATE_UNSPECIFIED: _ClassVar[ConsentState]
    CONSENT_STATE_GRANTED: _ClassVar[ConsentState]
    CONSENT_STATE_DENIED: _ClassVar[ConsentState]
    CONSENT_STATE_REVOKED: _ClassVar[ConsentState]

class Intensity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INTENSITY_UNSPECIFIED: _ClassVar[Intensity]
    INTENSITY_OFF: _ClassVar[Intensity]
    INTENSITY_CONTEXTUAL: _ClassVar[Intensity]
    INTENSITY_EXPLICIT: _ClassVar[Intensity]
    INTENSITY_FULL: _ClassVar[Intensity]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_RULE: _ClassVar[Reason]
    REASON_LEARNED: _ClassVar[Reason]
    REASON_EXPLORED: _ClassVar[Reason]
    REASON_HOLDOUT: _ClassVar[Reason]
    REASON_BASELINE: _ClassVar[Reason]
    REASON_FALLBACK: _ClassVar[Reason]
    REASON_CACHED: _ClassVar[Reason]
    REASON_STALE: _ClassVar[Reason]
    REASON_ERROR: _ClassVar[Reason]
    REASON_HABIT: _ClassVar[Reason]
    REASON_POPULAR: _ClassVar[Reason]
SUBJECT_KIND_UNSPECIFIED: SubjectKind
SUBJECT_KIND_PERSON: SubjectKind
SUBJECT_KIND_HOUSEHOLD: SubjectKind
SUBJECT_KIND_DEVICE: SubjectKind
SUBJECT_KIND_SESSION: SubjectKind
TRAIT_SOURCE_UNSPECIFIED: TraitSource
TRAIT_SOURCE_EXPLICIT: TraitSource
TRAIT_SOURCE_INFERRED: TraitSource
TRAIT_SOURCE_CONTEXTUAL: TraitSource
CONSENT_STATE_UNSPECIFIED: ConsentState
CONSENT_STATE_GRANTED: ConsentState
CONSENT_STATE_DENIED: ConsentState
CONSENT_STATE_REVOKED: ConsentState
INTENSITY_UNSPECIFIED: Intensity
INTENSITY_OFF: Intensity
INTENSITY_CONTEXTUAL: Intensity
INTENSITY_EXPLICIT: Intensity
INTENSITY_FULL: Intensity
REASON_UNSPECIFIED: Reason
REASON_RULE: Reason
REASON_LEARNED: Reason
REASON_EXPLORED: Reason
REASON_HOLDOUT: Reason
REASON_BASELINE: Reason
REASON_FALLBACK: Reason
REASON_CACHED: Reason
REASON_STALE: Reason
REASON_ERROR: Reason
REASON_HABIT: Reason
REASON_POPULAR: Reason

class Subject(_message.Message):
    __slots__ = ("kind", "id", "aliases")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    kind: SubjectKind
    id: str
    aliases: _containers.RepeatedCompositeFieldContainer[SubjectAlias]
    def __init__(self, kind: _Optional[_Union[SubjectKind, str]] = ..., id: _Optional[str] = ..., aliases: _Optional[_Iterable[_Union[SubjectAlias, _Mapping]]] = ...) -> None: ...

class SubjectAlias(_message.Message):
    __slots__ = ("kind", "id")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    kind: SubjectKind
    id: str
    def __init__(self, kind: _Optional[_Union[SubjectKind, str]] = ..., id: _Optional[str] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("text", "number", "flag", "texts", "time_ms")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FLAG_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    text: str
    number: float
    flag: bool
    texts: TextList
    time_ms: int
    def __init__(self, text: _Optional[str] = ..., number: _Optional[float] = ..., flag: bool = ..., texts: _Optional[_Union[TextList, _Mapping]] = ..., time_ms: _Optional[int] = ...) -> None: ...

class TextList(_message.Message):
    __slots__ = ("texts",)
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, texts: _Optional[_Iterable[str]] = ...) -> None: ...

class Trait(_message.Message):
    __slots__ = ("name", "value", "source", "purpose", "observed_at_ms")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: Value
    source: TraitSource
    purpose: str
    observed_at_ms: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ..., source: _Optional[_Union[TraitSource, str]] = ..., purpose: _Optional[str] = ..., observed_at_ms: _Optional[int] = ...) -> None: ...

class Consent(_message.Message):
    __slots__ = ("purpose", "state", "source", "observed_at_ms")
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    purpose: str
    state: ConsentState
    source: str
    observed_at_ms: int
    def __init__(self, purpose: _Optional[str] = ..., state: _Optional[_Union[ConsentState, str]] = ..., source: _Optional[str] = ..., observed_at_ms: _Optional[int] = ...) -> None: ...

class SnapshotVersions(_message.Message):
    __slots__ = ("catalogue", "policy")
    CATALOGUE_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    catalogue: str
    policy: str
    def __init__(self, catalogue: _Optional[str] = ..., policy: _Optional[str] = ...) -> None: ...
