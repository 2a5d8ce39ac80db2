from maitred.v1 import decision_pb2 as _decision_pb2
from maitred.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PublishRequest(_message.Message):
    __slots__ = ("files", "author", "dry_run", "note")
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    FILES_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    files: _containers.ScalarMap[str, bytes]
    author: str
    dry_run: bool
    note: str
    def __init__(self, files: _Optional[_Mapping[str, bytes]] = ..., author: _Optional[str] = ..., dry_run: bool = ..., note: _Optional[str] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("versions", "items", "actions", "placements", "warnings")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    PLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    versions: _types_pb2.SnapshotVersions
    items: int
    actions: int
    placements: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, versions: _Optional[_Union[_types_pb2.SnapshotVersions, _Mapping]] = ..., items: _Optional[int] = ..., actions: _Optional[int] = ..., placements: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("id", "groups", "attributes", "variants")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _types_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_types_pb2.Value, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    groups: _containers.RepeatedScalarFieldContainer[str]
    attributes: _containers.MessageMap[str, _types_pb2.Value]
    variants: _containers.RepeatedCompositeFieldContainer[ItemVariant]
    def __init__(self, id: _Optional[str] = ..., groups: _Optional[_Iterable[str]] = ..., attributes: _Optional[_Mapping[str, _types_pb2.Value]] = ..., variants: _Optional[_Iterable[_Union[ItemVariant, _Mapping]]] = ...) -> None: ...

class ItemVariant(_message.Message):
    __slots__ = ("name", "content", "content_type", "devices", "locales", "formats", "template", "plain")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    LOCALES_FIELD_NUMBER: _ClassVar[int]
    FORMATS_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    PLAIN_FIELD_NUMBER: _ClassVar[int]
    name: str
    content: bytes
    content_type: str
    devices: _containers.RepeatedScalarFieldContainer[str]
    locales: _containers.RepeatedScalarFieldContainer[str]
    formats: _containers.RepeatedScalarFieldContainer[str]
    template: bool
    plain: bytes
    def __init__(self, name: _Optional[str] = ..., content: _Optional[bytes] = ..., content_type: _Optional[str] = ..., devices: _Optional[_Iterable[str]] = ..., locales: _Optional[_Iterable[str]] = ..., formats: _Optional[_Iterable[str]] = ..., template: bool = ..., plain: _Optional[bytes] = ...) -> None: ...

class ImportItemsRequest(_message.Message):
    __slots__ = ("items", "replace_all")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    REPLACE_ALL_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Item]
    replace_all: bool
    def __init__(self, items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., replace_all: bool = ...) -> None: ...

class ImportItemsResponse(_message.Message):
    __slots__ = ("accepted", "refused")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    refused: _containers.RepeatedCompositeFieldContainer[_decision_pb2.CallError]
    def __init__(self, accepted: _Optional[int] = ..., refused: _Optional[_Iterable[_Union[_decision_pb2.CallError, _Mapping]]] = ...) -> None: ...

class ItemState(_message.Message):
    __slots__ = ("item", "group", "stock", "price", "paused", "kill", "reset")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    STOCK_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    KILL_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    item: str
    group: str
    stock: int
    price: float
    paused: bool
    kill: bool
    reset: bool
    def __init__(self, item: _Optional[str] = ..., group: _Optional[str] = ..., stock: _Optional[int] = ..., price: _Optional[float] = ..., paused: bool = ..., kill: bool = ..., reset: bool = ...) -> None: ...

class SetItemStateRequest(_message.Message):
    __slots__ = ("states",)
    STATES_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedCompositeFieldContainer[ItemState]
    def __init__(self, states: _Optional[_Iterable[_Union[ItemState, _Mapping]]] = ...) -> None: ...

class SetItemStateResponse(_message.Message):
    __slots__ = ("accepted", "refused", "journal_sequence")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    refused: _containers.RepeatedCompositeFieldContainer[_decision_pb2.CallError]
    journal_sequence: int
    def __init__(self, accepted: _Optional[int] = ..., refused: _Optional[_Iterable[_Union[_decision_pb2.CallError, _Mapping]]] = ..., journal_sequence: _Optional[int] = ...) -> None: ...

class GetItemStateRequest(_message.Message):
    __slots__ = ("items", "groups")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedScalarFieldContainer[str]
    groups: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, items: _Optional[_Iterable[str]] = ..., groups: _Optional[_Iterable[str]] = ...) -> None: ...

class GetItemStateResponse(_message.Message):
    __slots__ = ("states",)
    STATES_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedCompositeFieldContainer[ItemState]
    def __init__(self, states: _Optional[_Iterable[_Union[ItemState, _Mapping]]] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("server_version", "versions", "items", "placements", "subjects", "journal_sequence", "learner_lag", "journal_records", "uptime_ms", "workers", "store_bytes", "store_limit_bytes")
    class JournalRecordsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    PLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LEARNER_LAG_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_RECORDS_FIELD_NUMBER: _ClassVar[int]
    UPTIME_MS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    STORE_BYTES_FIELD_NUMBER: _ClassVar[int]
    STORE_LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    server_version: str
    versions: _types_pb2.SnapshotVersions
    items: int
    placements: int
    subjects: int
    journal_sequence: int
    learner_lag: int
    journal_records: _containers.ScalarMap[str, int]
    uptime_ms: int
    workers: int
    store_bytes: int
    store_limit_bytes: int
    def __init__(self, server_version: _Optional[str] = ..., versions: _Optional[_Union[_types_pb2.SnapshotVersions, _Mapping]] = ..., items: _Optional[int] = ..., placements: _Optional[int] = ..., subjects: _Optional[int] = ..., journal_sequence: _Optional[int] = ..., learner_lag: _Optional[int] = ..., journal_records: _Optional[_Mapping[str, int]] = ..., uptime_ms: _Optional[int] = ..., workers: _Optional[int] = ..., store_bytes: _Optional[int] = ..., store_limit_bytes: _Optional[int] = ...) -> None: ...

class DiffPlaybookRequest(_message.Message):
    __slots__ = ("files", "against")
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    FILES_FIELD_NUMBER: _ClassVar[int]
    AGAINST_FIELD_NUMBER: _ClassVar[int]
    files: _containers.ScalarMap[str, bytes]
    against: str
    def __init__(self, files: _Optional[_Mapping[str, bytes]] = ..., against: _Optional[str] = ...) -> None: ...

class DiffPlaybookResponse(_message.Message):
    __slots__ = ("against", "changes")
    AGAINST_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    against: str
    changes: _containers.RepeatedCompositeFieldContainer[PlaybookChange]
    def __init__(self, against: _Optional[str] = ..., changes: _Optional[_Iterable[_Union[PlaybookChange, _Mapping]]] = ...) -> None: ...

class PlaybookChange(_message.Message):
    __slots__ = ("what", "name", "change", "text")
    WHAT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    what: str
    name: str
    change: str
    text: str
    def __init__(self, what: _Optional[str] = ..., name: _Optional[str] = ..., change: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class PreviewPlaybookRequest(_message.Message):
    __slots__ = ("files", "subjects")
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    FILES_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    files: _containers.ScalarMap[str, bytes]
    subjects: _containers.RepeatedCompositeFieldContainer[PreviewSubject]
    def __init__(self, files: _Optional[_Mapping[str, bytes]] = ..., subjects: _Optional[_Iterable[_Union[PreviewSubject, _Mapping]]] = ...) -> None: ...

class PreviewSubject(_message.Message):
    __slots__ = ("subject", "context")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _types_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_types_pb2.Value, _Mapping]] = ...) -> None: ...
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    subject: _types_pb2.Subject
    context: _containers.MessageMap[str, _types_pb2.Value]
    def __init__(self, subject: _Optional[_Union[_types_pb2.Subject, _Mapping]] = ..., context: _Optional[_Mapping[str, _types_pb2.Value]] = ...) -> None: ...

class PreviewPlaybookResponse(_message.Message):
    __slots__ = ("subjects", "changes", "changed")
    class ChangedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    subjects: int
    changes: _containers.RepeatedCompositeFieldContainer[ShareChange]
    changed: _containers.ScalarMap[str, int]
    def __init__(self, subjects: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[ShareChange, _Mapping]]] = ..., changed: _Optional[_Mapping[str, int]] = ...) -> None: ...

class ShareChange(_message.Message):
    __slots__ = ("placement", "segment", "item", "before", "after", "subjects")
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    placement: str
    segment: str
    item: str
    before: float
    after: float
    subjects: int
    def __init__(self, placement: _Optional[str] = ..., segment: _Optional[str] = ..., item: _Optional[str] = ..., before: _Optional[float] = ..., after: _Optional[float] = ..., subjects: _Optional[int] = ...) -> None: ...

class ListVersionsRequest(_message.Message):
    __slots__ = ("limit",)
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    limit: int
    def __init__(self, limit: _Optional[int] = ...) -> None: ...

class ListVersionsResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[PublishedVersion]
    def __init__(self, versions: _Optional[_Iterable[_Union[PublishedVersion, _Mapping]]] = ...) -> None: ...

class PublishedVersion(_message.Message):
    __slots__ = ("version", "published_at_ms", "author", "note", "in_force", "rollback_of", "items", "kept")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    ROLLBACK_OF_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    version: str
    published_at_ms: int
    author: str
    note: str
    in_force: bool
    rollback_of: str
    items: int
    kept: bool
    def __init__(self, version: _Optional[str] = ..., published_at_ms: _Optional[int] = ..., author: _Optional[str] = ..., note: _Optional[str] = ..., in_force: bool = ..., rollback_of: _Optional[str] = ..., items: _Optional[int] = ..., kept: bool = ...) -> None: ...

class RollbackRequest(_message.Message):
    __slots__ = ("version", "author", "note")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    version: str
    author: str
    note: str
    def __init__(self, version: _Optional[str] = ..., author: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class RollbackResponse(_message.Message):
    __slots__ = ("versions", "warnings")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    versions: _types_pb2.SnapshotVersions
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, versions: _Optional[_Union[_types_pb2.SnapshotVersions, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...
