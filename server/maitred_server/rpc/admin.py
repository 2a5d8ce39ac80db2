"""AdminService: items, their live states, the server's status. `rpc.playbooks` has the rest of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from maitred.v1 import admin_pb2, decision_pb2

from maitred_server import model
from maitred_server.decide.worlds import Worlds
from maitred_server.errors import InvalidRequest, MaitredError
from maitred_server.rpc import convert
from maitred_server.rpc.access import Caller
from maitred_server.rpc.durable import Durable, after
from maitred_server.rpc.status import code_of
from maitred_server.store import AnyStore

MAX_ITEMS = MAX_STATES = 10_000
MAX_NAMES = 1_000

W = TypeVar("W")
T = TypeVar("T")


class ServerFacts(NamedTuple):
    """What only the composition root knows."""

    version: str
    started_at: int
    workers: int
    learned_through: Callable[[], int]  # the journal sequence that the learner has read to


class Admin:
    """The calls of AdminService."""

    def __init__(self, store: AnyStore, worlds: Worlds, clock: Callable[[], int], facts: ServerFacts) -> None:
        self._store = store
        self._worlds = worlds
        self._clock = clock
        self._facts = facts

    def import_items(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(admin_pb2.ImportItemsRequest, data)
        if len(wire.items) > MAX_ITEMS:
            raise InvalidRequest(f"items has {len(wire.items)}; at most {MAX_ITEMS} are allowed", "items")
        items, refused = _one_by_one(wire.items, convert.item, "items")
        answer = admin_pb2.ImportItemsResponse(accepted=len(items), refused=refused).SerializeToString()
        return Durable(self._store.submit_items(caller.brand, items, wire.replace_all), lambda _: answer)

    def set_item_state(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(admin_pb2.SetItemStateRequest, data)
        if len(wire.states) > MAX_STATES:
            raise InvalidRequest(f"states has {len(wire.states)}; at most {MAX_STATES} are allowed", "states")
        changes, refused = _one_by_one(wire.states, convert.state_change, "states")

        def answer(version: int) -> bytes:
            return admin_pb2.SetItemStateResponse(
                accepted=len(changes), refused=refused, journal_sequence=version
            ).SerializeToString()

        stored = self._store.submit_item_states(caller.brand, changes, self._clock(), source=caller.name)
        return Durable(after(stored, self._worlds.poll_soon), answer)  # so that this worker's next answer obeys

    def get_item_state(self, data: bytes, caller: Caller) -> bytes:
        wire = convert.parse(admin_pb2.GetItemStateRequest, data)
        if len(wire.items) + len(wire.groups) > MAX_NAMES:
            raise InvalidRequest(f"at most {MAX_NAMES} items and groups are allowed", "items")
        states = self._states(wire, caller.brand)
        return admin_pb2.GetItemStateResponse(states=map(convert.state_to_wire, states)).SerializeToString()

    def _states(self, wire: admin_pb2.GetItemStateRequest, brand: str) -> Iterator[model.LiveState]:
        if not wire.items and not wire.groups:
            yield from islice(self._store.item_states(brand), MAX_STATES)
        for number, item in enumerate(wire.items):
            if (state := self._store.item_state(brand, item=convert.name(item, f"items[{number}]"))) is not None:
                yield state
        for number, group in enumerate(wire.groups):
            if (state := self._store.item_state(brand, group=convert.name(group, f"groups[{number}]"))) is not None:
                yield state

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


def _one_by_one(
    wires: Sequence[W], convert_one: Callable[[W, str], T], field: str
) -> tuple[list[T], list[decision_pb2.CallError]]:
    """What is right, and what is refused, each by its position."""
    taken: list[T] = []
    refused: list[decision_pb2.CallError] = []
    for number, wire in enumerate(wires):
        try:
            taken.append(convert_one(wire, f"{field}[{number}]"))
        except MaitredError as error:
            refused.append(decision_pb2.CallError(code=code_of(error), field=error.field, message=error.message))
    return taken, refused
