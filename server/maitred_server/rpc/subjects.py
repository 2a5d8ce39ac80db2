"""ProfileService."""

from __future__ import annotations

from collections.abc import Callable

from maitred.v1 import profile_pb2

from maitred_server import model
from maitred_server.decide.worlds import Worlds
from maitred_server.errors import InvalidRequest, NothingKept
from maitred_server.rpc import convert
from maitred_server.rpc.access import Caller
from maitred_server.rpc.durable import Durable
from maitred_server.rpc.people import People
from maitred_server.rpc.profiles import profile_to_wire
from maitred_server.store import AnyStore, Commit, Deleted

MAX_RECENT = 256


class Subjects:
    """The calls of ProfileService."""

    def __init__(self, store: AnyStore, people: People, worlds: Worlds, clock: Callable[[], int]) -> None:
        self._store = store
        self._people = people
        self._worlds = worlds
        self._clock = clock

    def get_profile(self, data: bytes, caller: Caller) -> bytes:
        wire = convert.parse(profile_pb2.GetProfileRequest, data)
        if wire.recent > MAX_RECENT:
            raise InvalidRequest(f"recent must be at most {MAX_RECENT}", "recent")
        who = self._people.addressed(wire.subject, caller.brand)
        profile = self._store.profile(who.resolved(self._is_known))
        if profile is None:
            raise NothingKept("nothing is kept of this subject", "subject")
        return profile_to_wire(
            profile, self._worlds.world(caller.brand), self._store.type_name, wire.recent
        ).SerializeToString()

    def _is_known(self, subject: model.SubjectKey) -> bool:
        return self._store.profile(subject) is not None

    def put_traits(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(profile_pb2.PutTraitsRequest, data)
        who = self._people.addressed(wire.subject, caller.brand)
        subject, now = who.resolved(self._is_known), self._clock()
        body = model.Traits(convert.traits(wire.traits, now, "traits"))
        entry = model.Entry(model.Record(subject, who.kind_of(subject), now, now, body, source=caller.name))

        def answer(commit: Commit) -> bytes:
            return profile_pb2.PutTraitsResponse(journal_sequence=commit.last_sequence).SerializeToString()

        return Durable(self._store.submit([entry]), answer)

    def delete_profile(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(profile_pb2.DeleteProfileRequest, data)
        who = self._people.addressed(wire.subject, caller.brand)

        def answer(deleted: Deleted) -> bytes:
            return profile_pb2.DeleteProfileResponse(
                deleted=deleted.existed, journal_sequence=deleted.sequence
            ).SerializeToString()

        return Durable(self._store.delete(who.resolved(self._is_known), self._clock()), answer)
