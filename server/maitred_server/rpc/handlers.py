"""Every call: request bytes and caller in, answer bytes out, or a MaitredError. There is no transport in here.

A handler that must wait for the disk answers with a `Durable`: the front waits for its future, without holding a
thread, and
then asks it for the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol, TypeVar

from google.protobuf.message import Message
from maitred.v1 import admin_pb2, decision_pb2, feedback_pb2, profile_pb2

from maitred_server import model
from maitred_server.decide.ask import Ask
from maitred_server.decide.pipeline import Pipeline
from maitred_server.decide.worlds import Worlds
from maitred_server.errors import InvalidRequest, MaitredError, NothingKept, TooLarge, WrongMode
from maitred_server.rpc import convert
from maitred_server.rpc.access import Caller
from maitred_server.rpc.admission import Admission, Admitted, Refusal
from maitred_server.rpc.people import People
from maitred_server.rpc.profiles import profile_to_wire
from maitred_server.rpc.status import INTERNAL, code_of
from maitred_server.store import AnyStore, Commit, Deleted
from maitred_server.telemetry import Telemetry

M = TypeVar("M", bound=Message)

KIB, MIB = 1024, 1024 * 1024
MAX_PLACEMENTS, MAX_SLOTS, MAX_REQUESTS, MAX_PENDING, MAX_ITEMS = 16, 50, 256, 64, 10_000
MAX_RECENT = 256


class Durable(NamedTuple):
    """An answer that waits for the disk."""

    future: Future[Any]
    answer: Callable[[Any], bytes]


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
    replay_clock: bool


class Handlers:
    """All calls of one worker."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: AnyStore,
        admission: Admission,
        people: People,
        publisher: Publisher,
        worlds: Worlds,
        clock: Callable[[], int],
        facts: ServerFacts,
        telemetry: Telemetry,
    ) -> None:
        self._pipeline = pipeline
        self._store = store
        self._admission = admission
        self._people = people
        self._publisher = publisher
        self._worlds = worlds
        self._clock = clock
        self._facts = facts
        self._telemetry = telemetry

    # DecisionService

    def decide(self, data: bytes, caller: Caller) -> bytes:
        return self._decide(convert.parse(decision_pb2.DecideRequest, data), caller).SerializeToString()

    def decide_batch(self, data: bytes, caller: Caller) -> bytes:
        wire = convert.parse(decision_pb2.DecideBatchRequest, data)
        if not 1 <= len(wire.requests) <= MAX_REQUESTS:
            raise InvalidRequest(f"requests must hold 1 to {MAX_REQUESTS}", "requests")
        return decision_pb2.DecideBatchResponse(
            results=[self._result(request, caller) for request in wire.requests]
        ).SerializeToString()

    def _result(self, wire: decision_pb2.DecideRequest, caller: Caller) -> decision_pb2.DecideResult:
        try:
            return decision_pb2.DecideResult(response=self._decide(wire, caller))
        except MaitredError as error:
            self._telemetry.refused(code_of(error))
            return decision_pb2.DecideResult(
                error=decision_pb2.CallError(code=code_of(error), field=error.field, message=error.message)
            )

    def _decide(self, wire: decision_pb2.DecideRequest, caller: Caller) -> decision_pb2.DecideResponse:
        timer = self._telemetry.timer()
        answer = self._pipeline.decide(self._ask(wire, caller))
        response = convert.answer_to_wire(answer)
        self._telemetry.decided(answer.decisions, timer)
        return response

    def _ask(self, wire: decision_pb2.DecideRequest, caller: Caller) -> Ask:
        who = self._people.addressed(wire.subject, caller.brand)
        return Ask(
            brand=caller.brand,
            subject=who.subject,
            kind=who.kind,
            units=who.units(),
            placements=_placements(wire.placements),
            aliases=who.aliases,
            context=convert.values(wire.context, convert.MAX_CONTEXT, "context"),
            pending=self._pending(wire, caller, who.is_subject) if wire.HasField("pending") else (),
            at=self._at(wire.at_ms),
        )

    def _pending(
        self, wire: decision_pb2.DecideRequest, caller: Caller, is_subject: Callable[[bytes], bool]
    ) -> Sequence[model.Entry]:
        """What a refused event would have changed stays unused here; its own delivery says why it was refused."""
        if len(wire.pending.events) > MAX_PENDING:
            raise InvalidRequest(
                f"pending has {len(wire.pending.events)} events; at most {MAX_PENDING}", "pending.events"
            )
        entries = self._admission.admit(wire.pending, caller).entries
        return [entry for entry in entries if is_subject(entry.record.subject)]

    def _at(self, at_ms: int) -> int | None:
        if at_ms == 0:
            return None
        if not self._facts.replay_clock:
            raise WrongMode("at_ms is accepted only by a server that runs with a replay clock", "at_ms")
        return convert.moment(at_ms, "at_ms")

    # FeedbackService

    def record(self, data: bytes, caller: Caller) -> Durable:
        batch = convert.parse(feedback_pb2.RecordRequest, data).batch
        return self._deliver(
            batch, caller, lambda result: feedback_pb2.RecordResponse(result=result).SerializeToString()
        )

    def stream(self, data: bytes, caller: Caller) -> Durable:
        """One message of a stream."""
        batch = convert.parse(feedback_pb2.StreamRequest, data).batch
        _size(len(data), MIB)
        if not batch.events:
            return _when_asked(lambda: self._greeting(batch, caller))
        through = max(event.sequence for event in batch.events)

        def acknowledgement(result: feedback_pb2.BatchResult) -> bytes:
            return feedback_pb2.StreamResponse(
                client=batch.client, epoch=batch.epoch, acknowledged_through=through, result=result
            ).SerializeToString()

        return self._deliver(batch, caller, acknowledgement)

    def _greeting(self, batch: feedback_pb2.FeedbackBatch, caller: Caller) -> bytes:
        known = self._store.acknowledged_through(self._admission.client(batch, caller), batch.epoch)
        return feedback_pb2.StreamResponse(
            client=batch.client, epoch=batch.epoch, acknowledged_through=known
        ).SerializeToString()

    def _deliver(
        self, batch: feedback_pb2.FeedbackBatch, caller: Caller, answer: Callable[[feedback_pb2.BatchResult], bytes]
    ) -> Durable:
        admitted = self._admission.admit(batch, caller)
        sequences = [event.sequence for event in batch.events]

        def finish(commit: Commit) -> bytes:
            result = _batch_result(admitted, commit, sequences)
            self._telemetry.delivered(result.accepted, result.duplicates, len(result.refused))
            return answer(result)

        return Durable(self._store.submit(admitted.entries), finish)

    # ProfileService

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

    # AdminService

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
            learner_lag=usage.last_sequence,
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
            if world.snapshot is not None:
                status.learner_lag = max(0, usage.last_sequence - world.snapshot.cursor)
        return status.SerializeToString()


class Method(NamedTuple):
    """One call: how it is handled, and how large its message may be.

    `streams`: called for every message of a stream.
    """

    handle: Callable[[Handlers, bytes, Caller], bytes | Durable]
    limit: int
    streams: bool = False


METHODS: dict[str, Method] = {
    "DecisionService/Decide": Method(Handlers.decide, 64 * KIB),
    "DecisionService/DecideBatch": Method(Handlers.decide_batch, MIB),
    "FeedbackService/Record": Method(Handlers.record, MIB),
    "FeedbackService/Stream": Method(Handlers.stream, MIB, streams=True),
    "ProfileService/GetProfile": Method(Handlers.get_profile, 64 * KIB),
    "ProfileService/PutTraits": Method(Handlers.put_traits, MIB),
    "ProfileService/RecordEvents": Method(Handlers.record, MIB),
    "ProfileService/DeleteProfile": Method(Handlers.delete_profile, 64 * KIB),
    "AdminService/Publish": Method(Handlers.publish, 16 * MIB),
    "AdminService/ImportItems": Method(Handlers.import_items, 8 * MIB),
    "AdminService/GetStatus": Method(Handlers.get_status, 64 * KIB),
}


def call(handlers: Handlers, name: str, data: bytes, caller: Caller) -> bytes | Durable:
    """Make a call by its name ("Service/Method"). Raises MaitredError; nothing else that a caller could cause."""
    caller.require(name)
    method = METHODS[name]
    _size(len(data), method.limit)
    return method.handle(handlers, data, caller)


def _size(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(f"the message has {size} bytes; at most {limit} are allowed for this call")


def _placements(wire: Sequence[decision_pb2.PlacementRequest]) -> list[tuple[str, int]]:
    if not 1 <= len(wire) <= MAX_PLACEMENTS:
        raise InvalidRequest(f"placements must hold 1 to {MAX_PLACEMENTS}", "placements")
    found = []
    for number, placement in enumerate(wire):
        name = convert.name(placement.placement, f"placements[{number}].placement")
        if placement.slots > MAX_SLOTS:
            raise InvalidRequest(
                f"placements[{number}].slots must be at most {MAX_SLOTS}", f"placements[{number}].slots"
            )
        found.append((name, placement.slots))
    if len({name for name, _ in found}) < len(found):
        raise InvalidRequest("placements must not repeat", "placements")
    return found


def _batch_result(admitted: Admitted, commit: Commit, sequences: list[int]) -> feedback_pb2.BatchResult:
    accepted = sum(1 for sequence in commit.sequences if sequence > 0)
    duplicates = sum(1 for sequence in commit.sequences if sequence == 0)
    refused = list(admitted.refused)
    for index, sequence in zip(admitted.indices, commit.sequences, strict=True):
        if sequence < 0:
            refused.append(Refusal(index, sequences[index], INTERNAL.code, "", INTERNAL.message))
    return feedback_pb2.BatchResult(
        accepted=accepted,
        duplicates=duplicates,
        refused=[_refused_to_wire(refusal) for refusal in sorted(refused)],
        journal_sequence=commit.last_sequence if accepted else 0,
    )


def _refused_to_wire(refusal: Refusal) -> feedback_pb2.RefusedEvent:
    position, sequence, code, field, message = refusal
    return feedback_pb2.RefusedEvent(index=position, sequence=sequence, code=code, field=field, message=message)


def _when_asked(answer: Callable[[], bytes]) -> Durable:
    """Waits for nothing, and is computed when its turn has come: after the batches before it are durable."""
    done: Future[None] = Future()
    done.set_result(None)
    return Durable(done, lambda _: answer())
