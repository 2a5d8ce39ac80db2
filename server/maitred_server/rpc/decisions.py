"""DecisionService."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from maitred.v1 import decision_pb2

from maitred_server import model
from maitred_server.decide.ask import Ask
from maitred_server.decide.pipeline import Pipeline
from maitred_server.errors import InvalidRequest, MaitredError, WrongMode
from maitred_server.rpc import convert, encoded
from maitred_server.rpc.access import OVERRIDE, Caller
from maitred_server.rpc.admission import Admission
from maitred_server.rpc.people import People
from maitred_server.rpc.status import code_of
from maitred_server.telemetry import Telemetry

try:
    from maitred_server.compiled.requests import Requests
except ImportError:  # nothing was compiled here: protobuf's classes read every request
    Requests = None  # type: ignore[assignment, misc]

MAX_PLACEMENTS, MAX_SLOTS, MAX_REQUESTS, MAX_PENDING = 16, 50, 256, 64


class Decisions:
    """The calls of DecisionService."""

    def __init__(
        self, pipeline: Pipeline, admission: Admission, people: People, telemetry: Telemetry, *, replay_clock: bool
    ) -> None:
        self._pipeline = pipeline
        self._admission = admission
        self._people = people
        self._telemetry = telemetry
        self._replay_clock = replay_clock
        self._encoder = encoded.Encoder()
        self._requests: Requests | None = None
        if Requests is not None:
            self._requests = Requests(Ask, people.pseudonyms, people.default_kind)

    def decide(self, data: bytes, caller: Caller) -> bytes:
        ask = self._requests.one(data, caller.brand) if self._requests else None
        return self._decide(ask or self.ask(convert.parse(decision_pb2.DecideRequest, data), caller))

    def decide_batch(self, data: bytes, caller: Caller) -> bytes:
        asks = self._requests.batch(data, caller.brand) if self._requests else None
        return encoded.batch([self._result(one, caller) for one in asks or _requests(data)])

    def _result(self, asked: Ask | decision_pb2.DecideRequest, caller: Caller) -> bytes:
        try:
            return encoded.result(self._decide(asked if isinstance(asked, Ask) else self.ask(asked, caller)))
        except MaitredError as error:
            self._telemetry.refused(code_of(error))
            return decision_pb2.DecideResult(
                error=decision_pb2.CallError(code=code_of(error), field=error.field, message=error.message)
            ).SerializeToString()

    def _decide(self, ask: Ask) -> bytes:
        timer = self._telemetry.timer()
        answer = self._pipeline.decide(ask)
        response = self._encoder.response(answer)
        self._telemetry.decided(answer.decisions, timer, answer.caps_unknown)
        return response

    def ask(self, wire: decision_pb2.DecideRequest, caller: Caller) -> Ask:
        """What the pipeline is asked. Raises InvalidRequest, NotAllowed, WrongMode."""
        who = self._people.addressed(wire.subject, caller.brand)
        at_ms, overrides = wire.at_ms, wire.overrides
        return Ask(
            caller.brand,
            who.subject,
            who.kind,
            who.units(),
            _placements(wire.placements),
            who.looked_up,
            convert.values(wire.context, convert.MAX_CONTEXT, "context"),
            self._pending(wire, caller, who.is_subject) if wire.HasField("pending") else (),
            self._at(at_ms) if at_ms else None,
            _overrides(wire, caller) if overrides else {},
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

    def _at(self, at_ms: int) -> int:
        if not self._replay_clock:
            raise WrongMode("at_ms is accepted only by a server that runs with a replay clock", "at_ms")
        return convert.moment(at_ms, "at_ms")


def _requests(data: bytes) -> Sequence[decision_pb2.DecideRequest]:
    wire = convert.parse(decision_pb2.DecideBatchRequest, data)
    if not 1 <= len(wire.requests) <= MAX_REQUESTS:
        raise InvalidRequest(f"requests must hold 1 to {MAX_REQUESTS}", "requests")
    return wire.requests


def _overrides(wire: decision_pb2.DecideRequest, caller: Caller) -> dict[str, str]:
    caller.require_right(OVERRIDE, "overrides")
    return convert.overrides(wire.overrides)


def _placements(wire: Sequence[decision_pb2.PlacementRequest]) -> list[tuple[str, int]]:
    if not 1 <= len(wire) <= MAX_PLACEMENTS:
        raise InvalidRequest(f"placements must hold 1 to {MAX_PLACEMENTS}", "placements")
    found = [_placement(wire[number], number) for number in range(len(wire))]  # quicker than an iterator of theirs
    if len(found) > 1 and len({name for name, _ in found}) < len(found):
        raise InvalidRequest("placements must not repeat", "placements")
    return found


def _placement(wire: decision_pb2.PlacementRequest, number: int) -> tuple[str, int]:
    name, slots = wire.placement, wire.slots
    if not convert.is_short_name(name):
        convert.name(name, f"placements[{number}].placement")
    if slots > MAX_SLOTS:
        raise InvalidRequest(f"placements[{number}].slots must be at most {MAX_SLOTS}", f"placements[{number}].slots")
    return name, slots
