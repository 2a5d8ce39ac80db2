"""One call of each kind before load begins: what cannot work is told at once, in the server's words."""

from __future__ import annotations

import numpy as np
from maitred.v1 import decision_pb2, feedback_pb2

from maitred_server.errors import MaitredError
from maitred_server.load import wire as wires
from maitred_server.load.asked import Asked, Place, Wire
from maitred_server.load.questions import questions


def probe(asked: Asked, wire: Wire) -> str:
    """The version of the catalogue in force. Raises MaitredError."""
    question = next(questions(asked, Place(0, 1), np.random.default_rng(asked.seed)))
    if asked.batch == 1:
        answer = decision_pb2.DecideResponse.FromString(wires.probe(wire, wires.DECIDE, question.request))
    else:
        answer = _first(wires.probe(wire, wires.DECIDE_BATCH, question.request))
    if asked.mix.feedback:
        batch = feedback_pb2.FeedbackBatch(client="load-probe", epoch=1)
        wires.probe(wire, wires.RECORD, feedback_pb2.RecordRequest(batch=batch).SerializeToString())
    return answer.versions.catalogue


def _first(answer: bytes) -> decision_pb2.DecideResponse:
    for result in decision_pb2.DecideBatchResponse.FromString(answer).results:
        if result.HasField("error"):
            raise MaitredError(f"the server answers {wires.status_name(result.error.code)}: {result.error.message}")
    return decision_pb2.DecideBatchResponse.FromString(answer).results[0].response
