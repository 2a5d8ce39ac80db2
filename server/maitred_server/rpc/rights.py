"""The calls of ProfileService that people have a right to: to see all that is kept about them, and to be forgotten."""

from __future__ import annotations

import string
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from maitred.v1 import profile_pb2

from maitred_server.decide.world import World
from maitred_server.decide.worlds import Worlds
from maitred_server.errors import InvalidRequest, NothingKept
from maitred_server.model import Kind, SubjectKey
from maitred_server.rpc import convert
from maitred_server.rpc.access import Caller
from maitred_server.rpc.durable import Durable
from maitred_server.rpc.people import Addressed, People
from maitred_server.rpc.profiles import Names
from maitred_server.store import AnyStore, Deleted, Erasure, Found, Profile
from maitred_server.subjects import export, export_page
from maitred_server.subjects.assignment import Situation, assign, own_unit

ID_DIGITS = 32


class Exported(NamedTuple):
    """All that is kept about a subject; `html` is b"" unless asked for."""

    json: bytes
    html: bytes


class Rights:
    """What subjects may ask for. An export is made on a thread of its own: of a long history it takes a while."""

    def __init__(self, store: AnyStore, people: People, worlds: Worlds, clock: Callable[[], int]) -> None:
        self._store = store
        self._people = people
        self._worlds = worlds
        self._clock = clock
        self._exporting = ThreadPoolExecutor(1, thread_name_prefix="export")

    def delete_profile(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(profile_pb2.DeleteProfileRequest, data)
        who = self._people.addressed(wire.subject, caller.brand)

        def answer(deleted: Deleted) -> bytes:
            return profile_pb2.DeleteProfileResponse(
                deleted=deleted.existed, journal_sequence=deleted.sequence, erasure=_to_wire(deleted.erasure)
            ).SerializeToString()

        return Durable(self._store.delete(who.resolved(self._is_known), self._clock()), answer)

    def get_erasure(self, data: bytes, caller: Caller) -> bytes:
        erasure_id = convert.parse(profile_pb2.GetErasureRequest, data).erasure_id
        if len(erasure_id) != ID_DIGITS or not set(erasure_id) <= set(string.hexdigits.lower()):
            raise InvalidRequest(f"erasure_id must be {ID_DIGITS} lower-case hexadecimal digits", "erasure_id")
        erasure = self._store.erasure(erasure_id)
        if erasure is None:
            raise NothingKept("there is no erasure of this id", "erasure_id")
        return profile_pb2.GetErasureResponse(erasure=_to_wire(erasure)).SerializeToString()

    def export_subject(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(profile_pb2.ExportSubjectRequest, data)
        who = self._people.addressed(wire.subject, caller.brand)

        def answer(exported: Exported) -> bytes:
            return profile_pb2.ExportSubjectResponse(json=exported.json, html=exported.html).SerializeToString()

        return Durable(self._exporting.submit(self._exported, who, caller.brand, wire.html), answer)

    def _exported(self, who: Addressed, brand: str, html: bool) -> Exported:
        subject, world = who.resolved(self._is_known), self._worlds.world(brand)
        found = self._store.find(subject)
        arms = _arms(world, who, found) if world and found else ()

        def naming(profile: Profile) -> export.Naming:
            return _naming(Names(world, self._store.type_name, profile.counters().keys))

        exported = export.export(self._store, subject, arms, naming, self._clock())
        return Exported(export.as_json(exported), export_page.page(exported) if html else b"")

    def _is_known(self, subject: SubjectKey) -> bool:
        return self._store.profile(subject) is not None


def _arms(world: World, who: Addressed, found: Found) -> tuple[tuple[str, str], ...]:
    """The arms that the subject is in without any context."""
    own, kind = own_unit(found.subject, found.profile), found.profile.kind
    units: dict[Kind | None, SubjectKey] = {**who.units(), kind: own, None: own}
    traits = world.sight.see(found.profile, kind, {}).said(world.asked_traits)
    return assign(world.layers, Situation(units, kind, {}, traits)).arms


def _naming(names: Names) -> export.Naming:
    def about(key: int) -> export.About:
        return export.About(*names.key(key))

    return export.Naming(names.type, about)


def _to_wire(erasure: Erasure) -> profile_pb2.Erasure:
    stores = [
        profile_pb2.ErasedStore(name=one.name, records=one.records, done_at_ms=one.done_at) for one in erasure.stores
    ]
    return profile_pb2.Erasure(erasure_id=erasure.erasure_id, erased_at_ms=erasure.erased_at, stores=stores)
