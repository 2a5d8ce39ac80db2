"""For tests of code that uses the SDK: the real clients over a transport that needs no server.

>>> from maitred import Client
>>> from maitred.testing import FakeTransport
>>> fake = FakeTransport.serving({"till-welcome": [{"item": "BANANAS", "content": {"text": "Fresh today"}}]})
>>> with Client(transport=fake) as maitred:
...     decision = maitred.decide("till-welcome", subject="household-900")
...     decision.expose()
>>> decision[0].content
{'text': 'Fresh today'}
>>> [(shown.subject, shown.placement, shown.slots) for shown in fake.exposures]
[('household-900', 'till-welcome', (0,))]
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from . import _fake_watch, _told
from ._calls import CODES, DECIDE, DECIDE_BATCH
from ._channel import Receiver, Stream
from ._delivery import RECORD
from ._rights import END_SESSION, ERASE, EXPORT
from ._told import Allowed, Asked, Happened, Learned, Merged, Objected, Said, Shown
from ._watch import WATCH
from ._words import Objections, in_force
from .errors import CallFailed
from .types import Choice
from .v1 import decision_pb2, feedback_pb2, profile_pb2, types_pb2

__all__ = ["Allowed", "Asked", "FakeTransport", "Happened", "Learned", "Merged", "Objected", "Said", "Shown"]

# What a placement serves: items, choices, or mappings of item, variant, content and other fields of a choice.
Slate: TypeAlias = Sequence[str | Choice | Mapping[str, Any]]


class FakeTransport:
    """Serves scripted slates, keeps what it was told, and fails or hangs on demand. Thread-safe."""

    def __init__(self, slates: Mapping[str, Slate], ttl_ms: int, stale_ms: int) -> None:
        self._slates = {name: [_choice(one) for one in slate] for name, slate in slates.items()}
        self._ttl_ms = ttl_ms
        self._stale_ms = stale_ms
        self._lock = threading.RLock()
        self._failure: CallFailed | None = None
        self._hanging = False
        self._healed = threading.Event()
        self._lose = 0
        self._held_up: list[_FakeStream] = []
        self._decided: dict[str, decision_pb2.PlacementDecision] = {}
        self._seen: set[tuple[str, int, int]] = set()
        self.asked: list[Asked] = []
        """Every placement asked for, in order."""
        self.exposures: list[Shown] = []
        self.outcomes: list[Happened] = []
        self.events: list[Happened] = []
        self.traits: list[Learned] = []
        self.consents: list[Said] = []
        self.intensities: list[Allowed] = []
        self.merges: list[Merged] = []
        self.objections: list[Objected] = []
        """What subjects said is not for them; from then on it is not served to them."""
        self.ended: list[str] = []
        """Every session that was ended, in order."""
        self.exports: dict[str, Mapping[str, Any]] = {}
        """What `export` answers, by subject; for others it is NOT_FOUND."""
        self.erased: list[str] = []
        """Every subject that was erased, in order."""
        self._watches = _fake_watch.FakeWatches(lambda: self._failure or self._hanging)
        self.streams = 0
        """How many feedback streams were opened."""
        self.received = 0
        """How many feedback events came in, repeated ones too."""

    @classmethod
    def serving(cls, slates: Mapping[str, Slate], *, ttl_ms: int = 0, stale_ms: int = 0) -> FakeTransport:
        """A transport that serves these slates by placement; another placement is NOT_FOUND."""
        return cls(slates, ttl_ms, stale_ms)

    def serve(self, placement: str, slate: Slate) -> None:
        """From now on serve this in a placement."""
        with self._lock:
            self._slates[placement] = [_choice(one) for one in slate]

    @property
    def watches(self) -> int:
        """How many `Watch` streams were opened."""
        return self._watches.opened

    def announce(
        self,
        *,
        everything: bool = False,
        items: Sequence[str] = (),
        groups: Sequence[str] = (),
        subjects: Sequence[str] = (),
    ) -> None:
        """Tell all clients what must go from their caches: `everything` as after a publish, or answers with some items
        or groups, or for some subjects (by id).
        """
        self._watches.announce(everything, items, groups, subjects)

    def break_watches(self, code: str = "UNAVAILABLE") -> None:
        """End all open `Watch` streams; clients open them again."""
        self._watches.end(CallFailed(code))

    def fail(self, code: str = "UNAVAILABLE", message: str = "") -> None:
        """From now on every call and stream ends with this gRPC status, but for `Watch` streams that are open."""
        if code not in CODES[1:]:
            raise ValueError(f"code must be one of {', '.join(CODES[1:])}")
        self._failure = CallFailed(code, message)

    def hang(self) -> None:
        """From now on nothing is answered: calls end at their deadlines."""
        self._healed.clear()
        self._hanging = True

    def heal(self) -> None:
        """Answer again. Calls that hang are answered now; streams that hang break, so that feedback is sent again."""
        self._failure = None
        self._hanging = False
        self._healed.set()
        with self._lock:
            held_up, self._held_up = self._held_up, []
        for stream in held_up:
            stream.close()

    def lose_acknowledgements(self, batches: int) -> None:
        """Take in so many batches of feedback and break the stream before each acknowledgement."""
        self._lose = batches

    # --- transport

    def unary(self, method: str, request: bytes, timeout: float) -> bytes:
        if self._hanging and not self._healed.wait(timeout):
            raise CallFailed("DEADLINE_EXCEEDED", "told to hang")
        if self._failure is not None:
            raise self._failure
        return self._answers[method](self, request)

    def unary_later(self, method: str, request: bytes, timeout: float, receiver: Receiver) -> None:
        def call() -> None:
            try:
                answer: bytes | CallFailed = self.unary(method, request, timeout)
            except CallFailed as failure:
                answer = failure
            receiver(answer)

        threading.Thread(target=call, name="maitred-fake", daemon=True).start()

    def stream(self, method: str, receiver: Receiver) -> Stream:
        if method == WATCH:
            return self._watches.open(receiver)
        self.streams += 1
        return _FakeStream(self, receiver)

    def after_fork(self) -> FakeTransport:
        return self

    def close(self) -> None:
        """A fake can be used by the next client."""

    # --- answers

    def _decide(self, request: bytes) -> bytes:
        return self._response(decision_pb2.DecideRequest.FromString(request)).SerializeToString()

    def _decide_batch(self, request: bytes) -> bytes:
        results = [self._result(one) for one in decision_pb2.DecideBatchRequest.FromString(request).requests]
        return decision_pb2.DecideBatchResponse(results=results).SerializeToString()

    def _export(self, request: bytes) -> bytes:
        subject = profile_pb2.ExportSubjectRequest.FromString(request).subject.id
        if subject not in self.exports:
            raise CallFailed("NOT_FOUND", "nothing is kept of this subject")
        return profile_pb2.ExportSubjectResponse(json=json.dumps(self.exports[subject]).encode()).SerializeToString()

    def _erase(self, request: bytes) -> bytes:
        subject = profile_pb2.DeleteProfileRequest.FromString(request).subject.id
        self.erased.append(subject)
        now = time.time_ns() // 1_000_000
        known = self.exports.pop(subject, None) is not None
        erasure = profile_pb2.Erasure(erasure_id=secrets.token_hex(16), erased_at_ms=now)
        return profile_pb2.DeleteProfileResponse(deleted=known, erasure=erasure).SerializeToString()

    def _end(self, request: bytes) -> bytes:
        self.ended.append(profile_pb2.EndSessionRequest.FromString(request).subject.id)
        return profile_pb2.EndSessionResponse(ended=True).SerializeToString()

    def _result(self, request: decision_pb2.DecideRequest) -> decision_pb2.DecideResult:
        try:
            return decision_pb2.DecideResult(response=self._response(request))
        except CallFailed as failure:
            error = decision_pb2.CallError(code=CODES.index(failure.code), message=failure.message)
            return decision_pb2.DecideResult(error=error)

    def _response(self, request: decision_pb2.DecideRequest) -> decision_pb2.DecideResponse:
        with self._lock:
            self.asked += [_told.asked(request, wanted) for wanted in request.placements]
            return decision_pb2.DecideResponse(
                decisions=[self._decision(wanted, self._refused(request)) for wanted in request.placements],
                receipt=b"receipt of a fake",
                versions=types_pb2.SnapshotVersions(catalogue=self._watches.catalogue),
                subject_tag=_fake_watch.tag(request.subject.id),
                arms=[
                    decision_pb2.ArmAssignment(layer=layer, arm=arm, overridden=True)
                    for layer, arm in request.overrides.items()
                ],
            )

    def _refused(self, request: decision_pb2.DecideRequest) -> Objections:
        """What the subject does not want to see, also by what it has just said."""
        pending = [one for one in request.pending.events if one.WhichOneof("kind") == "not_for_me"]
        said = [one for one in self.objections if one.subject == request.subject.id]
        return in_force((one.item, one.group, one.withdrawn) for one in [*said, *map(_told.objected, pending)])

    def _decision(self, wanted: decision_pb2.PlacementRequest, refused: Objections) -> decision_pb2.PlacementDecision:
        served = self._slates.get(wanted.placement)
        if served is None:
            raise CallFailed("NOT_FOUND", f"no placement {wanted.placement!r} is served")
        slate = [choice for choice in served if not refused.hit(choice)]
        decision = decision_pb2.PlacementDecision(
            decision_id=f"{len(self._decided) + 1:032x}",
            placement=wanted.placement,
            slate=[_wire_choice(slot, choice) for slot, choice in enumerate(slate[: wanted.slots or None])],
            reason=types_pb2.REASON_RULE,
            policy="fake",
            ttl_ms=self._ttl_ms,
            stale_ms=self._stale_ms,
        )
        self._decided[decision.decision_id] = decision
        return decision

    def _record(self, request: bytes) -> bytes:
        result = self._take(feedback_pb2.RecordRequest.FromString(request).batch)
        return feedback_pb2.RecordResponse(result=result).SerializeToString()

    _answers: Mapping[str, Callable[[FakeTransport, bytes], bytes]] = {
        DECIDE: _decide,
        DECIDE_BATCH: _decide_batch,
        RECORD: _record,
        EXPORT: _export,
        ERASE: _erase,
        END_SESSION: _end,
    }

    def _acknowledge(self, request: bytes) -> bytes | CallFailed | None:
        """What a stream answers to a batch; None: nothing."""
        if self._failure is not None or self._hanging:
            return None if self._hanging else self._failure
        batch = feedback_pb2.StreamRequest.FromString(request).batch
        response = feedback_pb2.StreamResponse(client=batch.client, epoch=batch.epoch, result=self._take(batch))
        response.acknowledged_through = max((event.sequence for event in batch.events), default=0)
        if self._lose:
            self._lose -= 1
            return CallFailed("UNAVAILABLE", "told to lose an acknowledgement")
        return response.SerializeToString()

    def _take(self, batch: feedback_pb2.FeedbackBatch) -> feedback_pb2.BatchResult:
        result = feedback_pb2.BatchResult()
        with self._lock:
            for event in batch.events:
                self.received += 1
                identity = (batch.client, batch.epoch, event.sequence)
                if identity in self._seen:
                    result.duplicates += 1
                else:
                    self._seen.add(identity)
                    self._keep(event)
                    result.accepted += 1
        return result

    def _keep(self, event: feedback_pb2.FeedbackEvent) -> None:
        kind = event.WhichOneof("kind")
        if kind == "exposure":
            self.exposures.append(self._shown(event))
        elif kind == "outcome":
            self.outcomes.append(_told.outcome(event))
        elif kind == "event":
            self.events.append(_told.event(event))
        elif kind == "consents":
            self.consents += [_told.said(event.subject.id, one) for one in event.consents.consents]
            if event.consents.intensity:
                self.intensities.append(_told.allowed(event.subject.id, event.consents))
        elif kind == "not_for_me":
            self.objections.append(_told.objected(event))
        elif kind == "merge":
            self.merges.append(Merged(event.subject.id, event.merge.other.id))
        else:
            self.traits += [_told.learned(event.subject.id, one) for one in event.traits.traits]

    def _shown(self, event: feedback_pb2.FeedbackEvent) -> Shown:
        told = event.exposure
        decision = self._decided.get(told.decision_id, decision_pb2.PlacementDecision())
        slots = tuple(told.slots) or tuple(choice.slot for choice in decision.slate)
        return Shown(event.subject.id, decision.placement, told.decision_id, slots, told.showing_number)


class _FakeStream:
    def __init__(self, fake: FakeTransport, receiver: Receiver) -> None:
        self._fake = fake
        self._receiver = receiver

    def send(self, message: bytes) -> None:
        answer = self._fake._acknowledge(message)
        if answer is None:
            self._fake._held_up.append(self)
        else:
            self._receiver(answer)

    def close(self) -> None:
        self._receiver(CallFailed("CANCELLED"))


def _choice(given: str | Choice | Mapping[str, Any]) -> Choice:
    if isinstance(given, Choice):
        return given
    if isinstance(given, str):
        return Choice.of(given)
    own = {key: value for key, value in given.items() if key in ("item", "content", "variant")}
    rest: dict[str, Any] = {key: value for key, value in given.items() if key not in own}
    return replace(Choice.of(**own), **{**rest, "groups": tuple(rest.get("groups", ()))})


def _wire_choice(slot: int, choice: Choice) -> decision_pb2.Choice:
    return decision_pb2.Choice(
        slot=slot,
        item=choice.item,
        variant=choice.variant,
        content=choice.raw,
        content_type=choice.content_type,
        reason=types_pb2.REASON_RULE,
        predicted_propensity=choice.predicted_propensity,
        action_probability=choice.action_probability or 1.0,
        priority=choice.priority,
        remaining_showings=choice.remaining_showings,
        reason_text=choice.reason_text,
        stretch=choice.stretch,
        groups=choice.groups,
    )
