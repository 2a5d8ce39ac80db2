"""AdminService."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from maitred.v1 import admin_pb2, decision_pb2

from maitred_server import model
from maitred_server.decide.worlds import Worlds
from maitred_server.errors import InvalidRequest, MaitredError
from maitred_server.rpc import convert
from maitred_server.rpc.access import Caller
from maitred_server.rpc.durable import Durable
from maitred_server.rpc.status import code_of
from maitred_server.store import AnyStore

MAX_ITEMS = 10_000


class Published(NamedTuple):
    """What a publish put in force (or would have)."""

    version: str
    items: int
    actions: int
    placements: int
    warnings: tuple[str, ...]


class Publisher(Protocol):
    """Builds and publishes playbooks, off the path of decisions."""

    def publish(self, brand: str, files: dict[str, bytes], author: str, dry_run: bool) -> Future[Published]: ...


class ServerFacts(NamedTuple):
    """What only the composition root knows."""

    version: str
    started_at: int
    workers: int
    learned_through: Callable[[], int]  # the journal sequence that the learner has read to


class Admin:
    """The calls of AdminService."""

    def __init__(
        self, store: AnyStore, publisher: Publisher, worlds: Worlds, clock: Callable[[], int], facts: ServerFacts
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._worlds = worlds
        self._clock = clock
        self._facts = facts

    def publish(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(admin_pb2.PublishRequest, data)
        if not wire.files:
            raise InvalidRequest("files is missing: the files of a playbook folder by their path", "files")

        def answer(published: Published) -> bytes:
            self._worlds.poll()  # so that this worker's next answer is already from it
            return admin_pb2.PublishResponse(
                versions={"catalogue": published.version},
                items=published.items,
                actions=published.actions,
                placements=published.placements,
                warnings=published.warnings,
            ).SerializeToString()

        return Durable(self._publisher.publish(caller.brand, dict(wire.files), wire.author, wire.dry_run), answer)

    def import_items(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(admin_pb2.ImportItemsRequest, data)
        if len(wire.items) > MAX_ITEMS:
            raise InvalidRequest(f"items has {len(wire.items)}; at most {MAX_ITEMS} are allowed", "items")
        items: list[model.Item] = []
        refused: list[decision_pb2.CallError] = []
        for number, item in enumerate(wire.items):
            try:
                items.append(convert.item(item, f"items[{number}]"))
            except MaitredError as error:
                refused.append(decision_pb2.CallError(code=code_of(error), field=error.field, message=error.message))
        answer = admin_pb2.ImportItemsResponse(accepted=len(items), refused=refused).SerializeToString()
        return Durable(self._store.submit_items(caller.brand, items, wire.replace_all), lambda _: answer)

    def get_status(self, data: bytes, caller: Caller) -> bytes:
        convert.parse(admin_pb2.GetStatusRequest, data)
        usage = self._store.usage()
        status = admin_pb2.GetStatusResponse(
            server_version=self._facts.version,
            subjects=usage.subjects,
            journal_sequence=usage.last_sequence,
            learner_lag=max(0, usage.last_sequence - self._facts.learned_through()),
            journal_records={kind: number for kind, number in usage.records.items() if number},
            uptime_ms=self._clock() - self._facts.started_at,
            workers=self._facts.workers,
            store_bytes=usage.bytes,
            store_limit_bytes=usage.limit,
        )
        if (world := self._worlds.world(caller.brand)) is not None:
            status.versions.catalogue = world.catalogue.version
            status.versions.policy = world.snapshot_version
            status.items = world.catalogue.item_count
            status.placements = len(world.catalogue.placements)
        return status.SerializeToString()
