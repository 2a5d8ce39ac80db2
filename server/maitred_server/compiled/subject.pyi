from collections.abc import Mapping
from typing import Any

from maitred_server.model import Kind, SubjectKey, Value
from maitred_server.store.buckets import Buckets
from maitred_server.store.counters import Rows

class Fields:
    def __init__(
        self,
        layout: int,
        header: int,
        kinds: Mapping[int, Kind],
        no_rows: Rows,
        no_ring: Rows,
        no_buckets: Buckets,
    ) -> None: ...
    def read(self, subject: SubjectKey, stored: bytes) -> tuple[Any, ...]: ...

class Types:
    def __init__(self, types: Mapping[str, str], purposes: Mapping[str, str]) -> None: ...
    def typed(self, raw: Mapping[str, Value]) -> dict[str, object]: ...
    def traits(self, stored: bytes, purposes: frozenset[str], only: int) -> dict[str, object] | None: ...
