from maitred.v1 import feedback_pb2 as _feedback_pb2
from maitred.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DecideRequest(_message.Message):
    __slots__ = ("subject", "context", "placements", "pending", "at_ms", "overrides")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _types_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_types_pb2.Value, _Mapping]] = ...) -> None: ...
    class OverridesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    PLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    OVERRIDES_FIELD_NUMBER: _ClassVar[int]
    subject: _types_pb2.Subject
    context: _containers.MessageMap[str, _types_pb2.Value]
    placements: _containers.RepeatedCompositeFieldContainer[PlacementRequest]
    pending: _feedback_pb2.FeedbackBatch
    at_ms: int
    overrides: _containers.ScalarMap[str, str]
    def __init__(self, subject: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ..., context: _Optional[_Mapping[str, _types_pb2.Value]] = ..., placements: _Optional[_Iterable[_Union[PlacementRequest, _Mapping]]] = ..., pending: _Optional[_Union[_feedback_pb2.FeedbackBatch, _Mapping]] = ..., at_ms: _Optional[int] = ..., overrides: _Optional[_Mapping[str, str]] = ...) -> None: ...

class PlacementRequest(_message.Message):
    __slots__ = ("placement", "slots")
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    placement: str
    slots: int
    def __init__(self, placement: _Optional[str] = ..., slots: _Optional[int] = ...) -> None: ...

class DecideResponse(_message.Message):
    __slots__ = ("decisions", "receipt", "versions", "arms", "decided_at_ms")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[PlacementDecision]
    receipt: bytes
    versions: _types_pb2.SnapshotVersions
    arms: _containers.RepeatedCompositeFieldContainer[ArmAssignment]
    decided_at_ms: int
    def __init__(self, decisions: _Optional[_Iterable[_Union[PlacementDecision, _Mapping]]] = ..., receipt: _Optional[bytes] = ..., versions: _Optional[_Union[_types_pb2.SnapshotVersions, _Mapping]] = ..., arms: _Optional[_Iterable[_Union[ArmAssignment, _Mapping]]] = ..., decided_at_ms: _Optional[int] = ...) -> None: ...

class ArmAssignment(_message.Message):
    __slots__ = ("layer", "arm", "overridden")
    LAYER_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    OVERRIDDEN_FIELD_NUMBER: _ClassVar[int]
    layer: str
    arm: str
    overridden: bool
    def __init__(self, layer: _Optional[str] = ..., arm: _Optional[str] = ..., overridden: bool = ...) -> None: ...

class PlacementDecision(_message.Message):
    __slots__ = ("decision_id", "placement", "slate", "reason", "policy", "ttl_ms", "stale_ms")
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    SLATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    STALE_MS_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    placement: str
    slate: _containers.RepeatedCompositeFieldContainer[Choice]
    reason: _types_pb2.Reason
    policy: str
    ttl_ms: int
    stale_ms: int
    def __init__(self, decision_id: _Optional[str] = ..., placement: _Optional[str] = ..., slate: _Optional[_Iterable[_Union[Choice, _Mapping]]] = ..., reason: _Optional[_Union[_types_pb2.Reason, str]] = ..., policy: _Optional[str] = ..., ttl_ms: _Optional[int] = ..., stale_ms: _Optional[int] = ...) -> None: ...

class Choice(_message.Message):
    __slots__ = ("slot", "item", "variant", "content", "content_type", "reason", "predicted_propensity", "action_probability", "priority", "remaining_showings")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    ACTION_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    REMAINING_SHOWINGS_FIELD_NUMBER: _ClassVar[int]
    slot: int
    item: str
    variant: str
    content: bytes
    content_type: str
    reason: _types_pb2.Reason
    predicted_propensity: float
    action_probability: float
    priority: float
    remaining_showings: int
    def __init__(self, slot: _Optional[int] = ..., item: _Optional[str] = ..., variant: _Optional[str] = ..., content: _Optional[bytes] = ..., content_type: _Optional[str] = ..., reason: _Optional[_Union[_types_pb2.Reason, str]] = ..., predicted_propensity: _Optional[float] = ..., action_probability: _Optional[float] = ..., priority: _Optional[float] = ..., remaining_showings: _Optional[int] = ...) -> None: ...

class DecideBatchRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[DecideRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[DecideRequest, _Mapping]]] = ...) -> None: ...

class DecideBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[DecideResult]
    def __init__(self, results: _Optional[_Iterable[_Union[DecideResult, _Mapping]]] = ...) -> None: ...

class DecideResult(_message.Message):
    __slots__ = ("response", "error")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    response: DecideResponse
    error: CallError
    def __init__(self, response: _Optional[_Union[DecideResponse, _Mapping]] = ..., error: _Optional[_Union[CallError, _Mapping]] = ...) -> None: ...

class CallError(_message.Message):
    __slots__ = ("code", "field", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    field: str
    message: str
    def __init__(self, code: _Optional[int] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
