"""FeedbackService."""

from __future__ import annotations

from collections.abc import Callable

from maitred.v1 import feedback_pb2

from maitred_server.errors import Erased
from maitred_server.rpc import convert
from maitred_server.rpc.access import Caller
from maitred_server.rpc.admission import Admission, Admitted, Refusal
from maitred_server.rpc.durable import Durable, when_asked
from maitred_server.rpc.status import INTERNAL, code_of
from maitred_server.store import FORGOTTEN, AnyStore, Commit
from maitred_server.telemetry import Telemetry

_ERASED = Erased("the subject was erased after this", "subject")


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
        admitted = self._admission.admit(batch, caller)
        sequences = [event.sequence for event in batch.events]

        def finish(commit: Commit) -> bytes:
            result = _batch_result(admitted, commit, sequences)
            self._telemetry.delivered(result.accepted, result.duplicates, len(result.refused))
            return answer(result)

        return Durable(self._store.submit(admitted.entries), finish)


def _batch_result(admitted: Admitted, commit: Commit, sequences: list[int]) -> feedback_pb2.BatchResult:
    accepted = sum(1 for sequence in commit.sequences if sequence > 0)
    duplicates = sum(1 for sequence in commit.sequences if sequence == 0)
    refused = list(admitted.refused)
    for index, sequence in zip(admitted.indices, commit.sequences, strict=True):
        if sequence == FORGOTTEN:
            refused.append(Refusal(index, sequences[index], code_of(_ERASED), _ERASED.field, _ERASED.message))
        elif sequence < 0:
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
