"""ProfileService, but for what is in `rights`."""

from __future__ import annotations

from collections.abc import Callable

from maitred.v1 import profile_pb2

from maitred_server import model
from maitred_server.decide.worlds import Worlds
from maitred_server.errors import Erased, InvalidRequest, NothingKept, NotMerged
from maitred_server.rpc import convert
from maitred_server.rpc.access import Caller
from maitred_server.rpc.durable import Durable
from maitred_server.rpc.people import People
from maitred_server.rpc.profiles import profile_to_wire
from maitred_server.store import FORGOTTEN, REFUSED, AnyStore, Commit, Profile
from maitred_server.store.aliases import MOST_ALIASES
from maitred_server.store.consents import MOST_PURPOSES
from maitred_server.subjects.history import as_of, as_of_time

MAX_RECENT = 256


class Subjects:
    """What other systems tell about subjects, and what is known of them."""

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
        profile = self._profile(who.resolved(self._is_known), wire)
        if profile is None:
            raise NothingKept("nothing is kept of this subject", "subject")
        return profile_to_wire(
            profile, self._worlds.world(caller.brand), self._store.type_name, wire.recent
        ).SerializeToString()

    def _profile(self, subject: model.SubjectKey, wire: profile_pb2.GetProfileRequest) -> Profile | None:
        if wire.as_of_sequence and wire.as_of_ms:
            raise InvalidRequest("as_of_ms and as_of_sequence must not be given together", "as_of_ms")
        if wire.as_of_sequence:
            return as_of(self._store, subject, wire.as_of_sequence)
        if wire.as_of_ms:
            return as_of_time(self._store, subject, convert.moment(wire.as_of_ms, "as_of_ms"))
        return self._store.profile(subject)

    def _is_known(self, subject: model.SubjectKey) -> bool:
        return self._store.profile(subject) is not None

    def put_traits(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(profile_pb2.PutTraitsRequest, data)
        who = self._people.addressed(wire.subject, caller.brand)
        subject, now = who.resolved(self._is_known), self._clock()
        body = model.Traits(convert.traits(wire.traits, now, "traits"))
        entry = model.Entry(model.Record(subject, who.kind_of(subject), now, now, body, source=caller.name))

        def answer(commit: Commit) -> bytes:
            _check_erased(commit)
            return profile_pb2.PutTraitsResponse(journal_sequence=commit.last_sequence).SerializeToString()

        return Durable(self._store.submit([entry]), answer)

    def put_consents(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(profile_pb2.PutConsentsRequest, data)
        who = self._people.addressed(wire.subject, caller.brand)
        subject, now = who.resolved(self._is_known), self._clock()
        body = model.Consents(convert.consents(wire.consents, wire.intensity, now, "consents"))
        entry = model.Entry(model.Record(subject, who.kind_of(subject), now, now, body, source=caller.name))

        def answer(commit: Commit) -> bytes:
            _check_erased(commit)
            if commit.sequences[0] == REFUSED:
                raise InvalidRequest(f"a subject has at most {MOST_PURPOSES} purposes", "consents")
            return profile_pb2.PutConsentsResponse(journal_sequence=commit.last_sequence).SerializeToString()

        return Durable(self._store.submit([entry]), answer)

    def merge_subjects(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(profile_pb2.MergeSubjectsRequest, data)
        merging, now = self._people.merging(wire.subject, wire.other, caller.brand, "other"), self._clock()
        body = model.Merge(merging.other)
        entry = model.Entry(model.Record(merging.subject, merging.kind, now, now, body, source=caller.name))

        def answer(commit: Commit) -> bytes:
            _check_erased(commit)
            if commit.sequences[0] == REFUSED:
                raise InvalidRequest(f"a subject has at most {MOST_ALIASES} aliases", "other")
            return profile_pb2.MergeSubjectsResponse(
                merged=commit.last_sequence > 0, journal_sequence=commit.last_sequence
            ).SerializeToString()

        return Durable(self._store.submit([entry]), answer)

    def unmerge_subjects(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(profile_pb2.UnmergeSubjectsRequest, data)
        subject = self._people.addressed(wire.subject, caller.brand).subject
        other = self._people.addressed(wire.other, caller.brand, "other").subject

        def answer(sequence: int) -> bytes:
            if not sequence:
                raise NotMerged("these two are not merged", "other")
            return profile_pb2.UnmergeSubjectsResponse(journal_sequence=sequence).SerializeToString()

        return Durable(self._store.unmerge(subject, other, self._clock(), caller.name), answer)

    def end_session(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(profile_pb2.EndSessionRequest, data)
        who = self._people.addressed(wire.subject, caller.brand)
        if who.kind is not model.Kind.SESSION:
            raise InvalidRequest("only a subject of kind SESSION can end", "subject.kind")

        def answer(ended: bool) -> bytes:
            return profile_pb2.EndSessionResponse(ended=ended).SerializeToString()

        return Durable(self._store.end_session(who.subject, self._clock()), answer)


def _check_erased(commit: Commit) -> None:
    """Raises Erased for what was under way while its subject was erased."""
    if FORGOTTEN in commit.sequences:
        raise Erased("the subject was erased while this was under way", "subject")
