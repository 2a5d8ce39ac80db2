"""FeedbackService."""

from __future__ import annotations

from collections.abc import Callable

from maitred.v1 import feedback_pb2

from maitred_server.errors import Erased, InvalidRequest, MaitredError
from maitred_server.model import Consents, Entry, Merge, Objection
from maitred_server.rpc import convert
from maitred_server.rpc.access import Caller
from maitred_server.rpc.admission import Admission, Admitted, Refusal
from maitred_server.rpc.durable import Durable, when_asked
from maitred_server.rpc.status import INTERNAL, code_of
from maitred_server.store import FORGOTTEN, AnyStore, Commit
from maitred_server.store.aliases import MOST_ALIASES
from maitred_server.store.consents import MOST_OBJECTIONS, MOST_PURPOSES
from maitred_server.telemetry import Telemetry

_ERASED = Erased("the subject was erased after this", "subject")
# The one reason for which the store does not take these.
_NO_ROOM: dict[type, MaitredError] = {
    Consents: InvalidRequest(f"a subject has at most {MOST_PURPOSES} purposes", "consents.consents"),
    Objection: InvalidRequest(
        f"a subject has at most {MOST_OBJECTIONS} items and groups that are not for it; object to groups, "
        "or take some back first",
        "not_for_me",
    ),
    Merge: InvalidRequest(f"a subject has at most {MOST_ALIASES} aliases", "merge.other"),
}


class Feedback:
    """The calls of FeedbackService."""

    def __init__(self, store: AnyStore, admission: Admission, telemetry: Telemetry) -> None:
        self._store = store
        self._admission = admission
        self._telemetry = telemetry

    def record(self, data: bytes, caller: Caller) -> Durable:
        batch = convert.parse(feedback_pb2.RecordRequest, data).batch
        return self._deliver(
            batch, caller, lambda result: feedback_pb2.RecordResponse(result=result).SerializeToString()
        )

    def stream(self, data: bytes, caller: Caller) -> Durable:
        """One message of a stream."""
        batch = convert.parse(feedback_pb2.StreamRequest, data).batch
        if not batch.events:
            return when_asked(lambda: self._greeting(batch, caller))
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
        came_at = self._admission.clock()
        admitted: list[Admitted] = []

        def admit() -> list[Entry]:
            """On the writer's thread: two threads that compute would only take turns, and this one has decisions."""
            admitted.append(self._admission.admit(batch, caller, came_at))
            return admitted[-1].entries

        def finish(commit: Commit) -> bytes:
            result = _batch_result(admitted[-1], commit, [event.sequence for event in batch.events])
            self._telemetry.delivered(result.accepted, result.duplicates, len(result.refused))
            return answer(result)

        return Durable(self._store.submit_made(len(batch.events), admit), finish)


def _batch_result(admitted: Admitted, commit: Commit, sequences: list[int]) -> feedback_pb2.BatchResult:
    accepted = sum(1 for sequence in commit.sequences if sequence > 0)
    duplicates = sum(1 for sequence in commit.sequences if sequence == 0)
    refused = list(admitted.refused)
    for index, sequence, entry in zip(admitted.indices, commit.sequences, admitted.entries, strict=True):
        if sequence < 0:
            refused.append(Refusal(index, sequences[index], *_why(sequence, entry)))
    return feedback_pb2.BatchResult(
        accepted=accepted,
        duplicates=duplicates,
        refused=[_refused_to_wire(refusal) for refusal in sorted(refused)],
        journal_sequence=commit.last_sequence if accepted else 0,
    )


def _why(sequence: int, entry: Entry) -> tuple[int, str, str]:
    """Code, field and message of an event that the store did not take."""
    error = _ERASED if sequence == FORGOTTEN else _NO_ROOM.get(type(entry.record.body))
    return (INTERNAL.code, "", INTERNAL.message) if error is None else (code_of(error), error.field, error.message)


def _refused_to_wire(refusal: Refusal) -> feedback_pb2.RefusedEvent:
    position, sequence, code, field, message = refusal
    return feedback_pb2.RefusedEvent(index=position, sequence=sequence, code=code, field=field, message=message)
