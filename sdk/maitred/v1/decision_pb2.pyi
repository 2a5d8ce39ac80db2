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
    __slots__ = ("decisions", "receipt", "versions", "arms", "decided_at_ms", "subject_tag")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_TAG_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[PlacementDecision]
    receipt: bytes
    versions: _types_pb2.SnapshotVersions
    arms: _containers.RepeatedCompositeFieldContainer[ArmAssignment]
    decided_at_ms: int
    subject_tag: bytes
    def __init__(self, decisions: _Optional[_Iterable[_Union[PlacementDecision, _Mapping]]] = ..., receipt: _Optional[bytes] = ..., versions: _Optional[_Union[_types_pb2.SnapshotVersions, _Mapping]] = ..., arms: _Optional[_Iterable[_Union[ArmAssignment, _Mapping]]] = ..., decided_at_ms: _Optional[int] = ..., subject_tag: _Optional[bytes] = ...) -> None: ...

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
    __slots__ = ("slot", "item", "variant", "content", "content_type", "reason", "predicted_propensity", "action_probability", "priority", "remaining_showings", "reason_text", "stretch", "groups")
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
    REASON_TEXT_FIELD_NUMBER: _ClassVar[int]
    STRETCH_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
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
    reason_text: str
    stretch: bool
    groups: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, slot: _Optional[int] = ..., item: _Optional[str] = ..., variant: _Optional[str] = ..., content: _Optional[bytes] = ..., content_type: _Optional[str] = ..., reason: _Optional[_Union[_types_pb2.Reason, str]] = ..., predicted_propensity: _Optional[float] = ..., action_probability: _Optional[float] = ..., priority: _Optional[float] = ..., remaining_showings: _Optional[int] = ..., reason_text: _Optional[str] = ..., stretch: bool = ..., groups: _Optional[_Iterable[str]] = ...) -> None: ...

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

class ExplainRequest(_message.Message):
    __slots__ = ("request", "past", "placement", "items", "limit")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PAST_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    request: DecideRequest
    past: PastDecision
    placement: str
    items: _containers.RepeatedScalarFieldContainer[str]
    limit: int
    def __init__(self, request: _Optional[_Union[DecideRequest, _Mapping]] = ..., past: _Optional[_Union[PastDecision, _Mapping]] = ..., placement: _Optional[str] = ..., items: _Optional[_Iterable[str]] = ..., limit: _Optional[int] = ...) -> None: ...

class PastDecision(_message.Message):
    __slots__ = ("receipt", "decision_id")
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    receipt: bytes
    decision_id: str
    def __init__(self, receipt: _Optional[bytes] = ..., decision_id: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("decided_at_ms", "versions", "intensity", "seen", "unseen", "segments", "arms", "placements", "repeated", "notes")
    class SeenEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _types_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_types_pb2.Value, _Mapping]] = ...) -> None: ...
    DECIDED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    INTENSITY_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    UNSEEN_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    PLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    decided_at_ms: int
    versions: _types_pb2.SnapshotVersions
    intensity: _types_pb2.Intensity
    seen: _containers.MessageMap[str, _types_pb2.Value]
    unseen: _containers.RepeatedScalarFieldContainer[str]
    segments: _containers.RepeatedScalarFieldContainer[str]
    arms: _containers.RepeatedCompositeFieldContainer[ArmAssignment]
    placements: _containers.RepeatedCompositeFieldContainer[PlacementExplanation]
    repeated: bool
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, decided_at_ms: _Optional[int] = ..., versions: _Optional[_Union[_types_pb2.SnapshotVersions, _Mapping]] = ..., intensity: _Optional[_Union[_types_pb2.Intensity, str]] = ..., seen: _Optional[_Mapping[str, _types_pb2.Value]] = ..., unseen: _Optional[_Iterable[str]] = ..., segments: _Optional[_Iterable[str]] = ..., arms: _Optional[_Iterable[_Union[ArmAssignment, _Mapping]]] = ..., placements: _Optional[_Iterable[_Union[PlacementExplanation, _Mapping]]] = ..., repeated: bool = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class PlacementExplanation(_message.Message):
    __slots__ = ("placement", "policy", "reason", "funnel", "candidates", "slate")
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FUNNEL_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    SLATE_FIELD_NUMBER: _ClassVar[int]
    placement: str
    policy: str
    reason: _types_pb2.Reason
    funnel: _containers.RepeatedCompositeFieldContainer[FunnelStage]
    candidates: _containers.RepeatedCompositeFieldContainer[CandidateExplanation]
    slate: _containers.RepeatedCompositeFieldContainer[Choice]
    def __init__(self, placement: _Optional[str] = ..., policy: _Optional[str] = ..., reason: _Optional[_Union[_types_pb2.Reason, str]] = ..., funnel: _Optional[_Iterable[_Union[FunnelStage, _Mapping]]] = ..., candidates: _Optional[_Iterable[_Union[CandidateExplanation, _Mapping]]] = ..., slate: _Optional[_Iterable[_Union[Choice, _Mapping]]] = ...) -> None: ...

class FunnelStage(_message.Message):
    __slots__ = ("name", "left")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    name: str
    left: int
    def __init__(self, name: _Optional[str] = ..., left: _Optional[int] = ...) -> None: ...

class CandidateExplanation(_message.Message):
    __slots__ = ("item", "variant", "slot", "fell_at", "why", "factors", "action_probability")
    class FactorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ITEM_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    FELL_AT_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    FACTORS_FIELD_NUMBER: _ClassVar[int]
    ACTION_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    item: str
    variant: str
    slot: int
    fell_at: str
    why: _containers.RepeatedScalarFieldContainer[str]
    factors: _containers.ScalarMap[str, float]
    action_probability: float
    def __init__(self, item: _Optional[str] = ..., variant: _Optional[str] = ..., slot: _Optional[int] = ..., fell_at: _Optional[str] = ..., why: _Optional[_Iterable[str]] = ..., factors: _Optional[_Mapping[str, float]] = ..., action_probability: _Optional[float] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("since", "catalogue")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_FIELD_NUMBER: _ClassVar[int]
    since: int
    catalogue: str
    def __init__(self, since: _Optional[int] = ..., catalogue: _Optional[str] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("position", "everything", "catalogue", "items", "groups", "subjects")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    EVERYTHING_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    position: int
    everything: bool
    catalogue: str
    items: _containers.RepeatedScalarFieldContainer[str]
    groups: _containers.RepeatedScalarFieldContainer[str]
    subjects: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, position: _Optional[int] = ..., everything: bool = ..., catalogue: _Optional[str] = ..., items: _Optional[_Iterable[str]] = ..., groups: _Optional[_Iterable[str]] = ..., subjects: _Optional[_Iterable[bytes]] = ...) -> None: ...
