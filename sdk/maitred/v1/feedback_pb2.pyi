from maitred.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FeedbackBatch(_message.Message):
    __slots__ = ("client", "epoch", "events")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    client: str
    epoch: int
    events: _containers.RepeatedCompositeFieldContainer[FeedbackEvent]
    def __init__(self, client: _Optional[str] = ..., epoch: _Optional[int] = ..., events: _Optional[_Iterable[_Union[FeedbackEvent, _Mapping]]] = ...) -> None: ...

class FeedbackEvent(_message.Message):
    __slots__ = ("sequence", "foreign_id", "subject", "occurred_at_ms", "touchpoint", "source", "purpose", "exposure", "outcome", "event", "traits", "consents", "merge", "not_for_me")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    FOREIGN_ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    TOUCHPOINT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    EXPOSURE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    TRAITS_FIELD_NUMBER: _ClassVar[int]
    CONSENTS_FIELD_NUMBER: _ClassVar[int]
    MERGE_FIELD_NUMBER: _ClassVar[int]
    NOT_FOR_ME_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    foreign_id: str
    subject: _types_pb2.Subject
    occurred_at_ms: int
    touchpoint: str
    source: str
    purpose: str
    exposure: Exposure
    outcome: Outcome
    event: Event
    traits: TraitsPut
    consents: ConsentsPut
    merge: Merge
    not_for_me: NotForMe
    def __init__(self, sequence: _Optional[int] = ..., foreign_id: _Optional[str] = ..., subject: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ..., occurred_at_ms: _Optional[int] = ..., touchpoint: _Optional[str] = ..., source: _Optional[str] = ..., purpose: _Optional[str] = ..., exposure: _Optional[_Union[Exposure, _Mapping]] = ..., outcome: _Optional[_Union[Outcome, _Mapping]] = ..., event: _Optional[_Union[Event, _Mapping]] = ..., traits: _Optional[_Union[TraitsPut, _Mapping]] = ..., consents: _Optional[_Union[ConsentsPut, _Mapping]] = ..., merge: _Optional[_Union[Merge, _Mapping]] = ..., not_for_me: _Optional[_Union[NotForMe, _Mapping]] = ...) -> None: ...

class Exposure(_message.Message):
    __slots__ = ("decision_id", "slots", "showing_number", "receipt")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SHOWING_NUMBER_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    slots: _containers.RepeatedScalarFieldContainer[int]
    showing_number: int
    receipt: bytes
    def __init__(self, decision_id: _Optional[str] = ..., slots: _Optional[_Iterable[int]] = ..., showing_number: _Optional[int] = ..., receipt: _Optional[bytes] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("type", "value", "item", "variant", "decision_id", "receipt")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    type: str
    value: float
    item: str
    variant: str
    decision_id: str
    receipt: bytes
    def __init__(self, type: _Optional[str] = ..., value: _Optional[float] = ..., item: _Optional[str] = ..., variant: _Optional[str] = ..., decision_id: _Optional[str] = ..., receipt: _Optional[bytes] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("type", "item", "variant", "value", "quantity", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _types_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_types_pb2.Value, _Mapping]] = ...) -> None: ...
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    type: str
    item: str
    variant: str
    value: float
    quantity: int
    attributes: _containers.MessageMap[str, _types_pb2.Value]
    def __init__(self, type: _Optional[str] = ..., item: _Optional[str] = ..., variant: _Optional[str] = ..., value: _Optional[float] = ..., quantity: _Optional[int] = ..., attributes: _Optional[_Mapping[str, _types_pb2.Value]] = ...) -> None: ...

class TraitsPut(_message.Message):
    __slots__ = ("traits",)
    TRAITS_FIELD_NUMBER: _ClassVar[int]
    traits: _containers.RepeatedCompositeFieldContainer[_types_pb2.Trait]
    def __init__(self, traits: _Optional[_Iterable[_Union[_types_pb2.Trait, _Mapping]]] = ...) -> None: ...

class ConsentsPut(_message.Message):
    __slots__ = ("consents", "intensity")
    CONSENTS_FIELD_NUMBER: _ClassVar[int]
    INTENSITY_FIELD_NUMBER: _ClassVar[int]
    consents: _containers.RepeatedCompositeFieldContainer[_types_pb2.Consent]
    intensity: _types_pb2.Intensity
    def __init__(self, consents: _Optional[_Iterable[_Union[_types_pb2.Consent, _Mapping]]] = ..., intensity: _Optional[_Union[_types_pb2.Intensity, str]] = ...) -> None: ...

class NotForMe(_message.Message):
    __slots__ = ("item", "group", "reason", "withdrawn", "decision_id")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    item: str
    group: str
    reason: str
    withdrawn: bool
    decision_id: str
    def __init__(self, item: _Optional[str] = ..., group: _Optional[str] = ..., reason: _Optional[str] = ..., withdrawn: bool = ..., decision_id: _Optional[str] = ...) -> None: ...

class Merge(_message.Message):
    __slots__ = ("other",)
    OTHER_FIELD_NUMBER: _ClassVar[int]
    other: _types_pb2.Subject
    def __init__(self, other: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ...) -> None: ...

class RecordRequest(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: FeedbackBatch
    def __init__(self, batch: _Optional[_Union[FeedbackBatch, _Mapping]] = ...) -> None: ...

class RecordResponse(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: BatchResult
    def __init__(self, result: _Optional[_Union[BatchResult, _Mapping]] = ...) -> None: ...

class StreamRequest(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: FeedbackBatch
    def __init__(self, batch: _Optional[_Union[FeedbackBatch, _Mapping]] = ...) -> None: ...

class StreamResponse(_message.Message):
    __slots__ = ("client", "epoch", "acknowledged_through", "result")
    CLIENT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_THROUGH_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    client: str
    epoch: int
    acknowledged_through: int
    result: BatchResult
    def __init__(self, client: _Optional[str] = ..., epoch: _Optional[int] = ..., acknowledged_through: _Optional[int] = ..., result: _Optional[_Union[BatchResult, _Mapping]] = ...) -> None: ...

class BatchResult(_message.Message):
    __slots__ = ("accepted", "duplicates", "refused", "journal_sequence")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    duplicates: int
    refused: _containers.RepeatedCompositeFieldContainer[RefusedEvent]
    journal_sequence: int
    def __init__(self, accepted: _Optional[int] = ..., duplicates: _Optional[int] = ..., refused: _Optional[_Iterable[_Union[RefusedEvent, _Mapping]]] = ..., journal_sequence: _Optional[int] = ...) -> None: ...

class RefusedEvent(_message.Message):
    __slots__ = ("index", "sequence", "code", "field", "message")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    index: int
    sequence: int
    code: int
    field: str
    message: str
    def __init__(self, index: _Optional[int] = ..., sequence: _Optional[int] = ..., code: _Optional[int] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
