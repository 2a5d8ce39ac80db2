"""Requests, answers, cache keys and fallbacks, without I/O: what `Client` and `AsyncClient` share of a decide."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from google.protobuf.message import DecodeError

from . import _check
from ._held import arm_of, held_name, held_once, versions
from ._wire import PENDING_IN_DECIDE, REQUESTS_IN_BATCH, field, subject_of, wire_subject, wire_values
from .errors import CallFailed, InvalidArgument
from .types import Choice, Decision, Exposer, Fallback, FallbackList, Moment, Reason, Request, Subject
from .v1 import decision_pb2

DECIDE = "/maitred.v1.DecisionService/Decide"
DECIDE_BATCH = "/maitred.v1.DecisionService/DecideBatch"

MAX_DECIDE_BYTES = 64 * 1024
MAX_BATCH_BYTES = 1024 * 1024
MAX_BATCH_REQUESTS = 256

# Answers that another try would not change: the caller has to change something. All else is an outage; UNIMPLEMENTED,
# too: it is what a proxy in between answers.
REFUSALS = frozenset(
    {
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE",
    }
)
CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)  # numbered as on the wire
_REASONS = (
    Reason.UNSPECIFIED,
    Reason.RULE,
    Reason.LEARNED,
    Reason.EXPLORED,
    Reason.HOLDOUT,
    Reason.BASELINE,
    Reason.FALLBACK,
    Reason.CACHED,
    Reason.STALE,
    Reason.ERROR,
    Reason.HABIT,
    Reason.POPULAR,
)  # numbered as on the wire

Key: TypeAlias = tuple[Hashable, ...]


def key_of(placement: Hashable, subject: Subject | str, slots: int | None, context: Mapping[str, Any] | None) -> Key:
    """What two requests must share to share an answer. Types count: 1, 1.0 and True are three values.

    Raises TypeError or AttributeError on arguments that `Ask.of` will refuse.
    """
    who = subject if type(subject) is str else (subject.kind, subject.id, subject.aliases)  # type: ignore[union-attr]
    if not context:
        return (who, placement, slots)
    items = sorted(context.items())
    moment = tuple([(k, v.__class__, tuple(v) if isinstance(v, list) else v) for k, v in items])
    return (who, placement, slots, moment)


@dataclass(frozen=True, slots=True)
class Ask:
    """A checked request for one subject: what is asked, where its answer is kept, and what stands in for it."""

    subject: Subject
    given: Subject | str
    placements: tuple[tuple[str, int | None], ...]
    message: decision_pb2.DecideRequest
    fallbacks: Mapping[str, Fallback | None]
    key: Key | None
    """None: the answer is neither kept nor shared."""

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids whose changed profile would change the answer."""
        return (self.subject.id, *(id_of(alias) for alias in self.subject.aliases))

    def encode(self, pending: Callable[[int], bytes]) -> bytes:
        """The request, with as much feedback on its way as `pending(most bytes)` has and the message limit allows."""
        request = self.message.SerializeToString()
        batch = pending(MAX_DECIDE_BYTES - len(request) - 16)
        return request + field(PENDING_IN_DECIDE, batch) if batch else request


def ask_one(
    placement: str,
    subject: Subject | str,
    context: Mapping[str, Any] | None,
    slots: int | None,
    fallback: Fallback | None,
    at: Moment | None,
    overrides: Mapping[str, str] | None = None,
) -> Ask:
    """A request for one placement. Raises InvalidArgument."""
    wanted = (_wanted(placement, slots),)
    return _ask(wanted, subject, context, at, overrides, {placement: prepare(fallback)}, lambda: placement, slots)


def ask_page(
    placements: Sequence[str] | Mapping[str, int | None],
    subject: Subject | str,
    context: Mapping[str, Any] | None,
    fallback: Mapping[str, Fallback] | Callable[[str], FallbackList] | None,
    at: Moment | None,
    overrides: Mapping[str, str] | None = None,
) -> Ask:
    """A request for several placements, decided together. Raises InvalidArgument."""
    wanted = page_of(placements)
    fallbacks = {name: prepare(_fallback_for(name, fallback)) for name, _ in wanted}
    return _ask(wanted, subject, context, at, overrides, fallbacks, lambda: wanted, None)


def ask_request(request: object) -> Ask:
    """The request of one member of `decide_many`. Raises InvalidArgument."""
    if not isinstance(request, Request):
        raise InvalidArgument("requests", f"must hold Request values, not {type(request).__name__}")
    return ask_one(
        request.placement,
        request.subject,
        request.context,
        request.slots,
        request.fallback,
        request.at,
        request.overrides,
    )


def _ask(
    wanted: tuple[tuple[str, int | None], ...],
    subject: Subject | str,
    context: Mapping[str, Any] | None,
    at: Moment | None,
    overrides: Mapping[str, str] | None,
    fallbacks: Mapping[str, Fallback | None],
    place: Callable[[], Hashable],
    slots: int | None,
) -> Ask:
    who = subject_of(subject)
    message = decision_pb2.DecideRequest(
        subject=wire_subject(who),
        context=wire_values("context", context, _check.MAX_CONTEXT_KEYS) if context is not None else {},
        placements=[decision_pb2.PlacementRequest(placement=name, slots=count or 0) for name, count in wanted],
        at_ms=0 if at is None else _check.moment("at", at),
        overrides=_check.overrides(overrides) if overrides is not None else {},
    )
    if message.ByteSize() > MAX_DECIDE_BYTES:
        raise InvalidArgument("context", f"makes the request bigger than {MAX_DECIDE_BYTES} bytes")
    key = key_of(place(), subject, slots, context) if at is None and not overrides else None
    return Ask(who, subject, wanted, message, fallbacks, key)


def page_of(placements: object) -> tuple[tuple[str, int | None], ...]:
    """Placements of a page with the slots wanted of each. Raises InvalidArgument."""
    if isinstance(placements, Mapping):
        pairs = list(placements.items())
    else:
        pairs = [(name, None) for name in _check.sequence("placements", placements, _check.MAX_PLACEMENTS)]
    if not 1 <= len(pairs) <= _check.MAX_PLACEMENTS:
        raise InvalidArgument("placements", f"must be 1 to {_check.MAX_PLACEMENTS}")
    wanted = tuple(_wanted(name, slots) for name, slots in pairs)
    if len({name for name, _ in wanted}) < len(wanted):
        raise InvalidArgument("placements", "must not name a placement twice")
    return wanted


def _wanted(placement: object, slots: object) -> tuple[str, int | None]:
    name = _check.name("placement", placement)
    return name, None if slots is None else _check.whole("slots", slots, 1, _check.MAX_SLOTS)


def id_of(subject: Subject | str) -> str:
    """A subject's id, however it was given."""
    return subject if isinstance(subject, str) else subject.id


def batches(requests: Sequence[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """Encoded requests as DecideBatch messages within the wire's limits: (first, end, message)."""
    start, size = 0, 0
    for position, request in enumerate(requests):
        if position - start == MAX_BATCH_REQUESTS or size + len(request) + 8 > MAX_BATCH_BYTES:
            yield start, position, _batch(requests[start:position])
            start, size = position, 0
        size += len(request) + 8
    if requests:
        yield start, len(requests), _batch(requests[start:])


def _batch(requests: Sequence[bytes]) -> bytes:
    return b"".join([field(REQUESTS_IN_BATCH, request) for request in requests])


# --- answers


class Answer(NamedTuple):
    """What the server decided, with how long it may be served again."""

    decisions: tuple[Decision, ...]
    ttl_ms: int
    stale_ms: int
    tag: bytes = b""
    """Names the subject in what the server says must go."""
    catalogue: str = ""


def read_answer(data: bytes | CallFailed, ask: Ask, client: Exposer) -> Answer:
    """The answer to `ask`. Raises CallFailed when it is none."""
    if isinstance(data, CallFailed):
        raise data
    try:
        return answer_of(decision_pb2.DecideResponse.FromString(data), ask, client)
    except DecodeError:
        raise CallFailed("INTERNAL", "the answer cannot be read") from None


def read_batch(data: bytes | CallFailed, asks: Sequence[Ask], client: Exposer) -> list[Answer | CallFailed]:
    """The answers to `asks`, each its own. Raises CallFailed when there are none."""
    if isinstance(data, CallFailed):
        raise data
    try:
        results = decision_pb2.DecideBatchResponse.FromString(data).results
    except DecodeError:
        raise CallFailed("INTERNAL", "the answer cannot be read") from None
    if len(results) != len(asks):
        raise CallFailed("INTERNAL", "the answer is not one for each request")
    return [_read_result(result, ask, client) for result, ask in zip(results, asks, strict=True)]


def _read_result(result: decision_pb2.DecideResult, ask: Ask, client: Exposer) -> Answer | CallFailed:
    if not result.HasField("response"):
        code = result.error.code
        return CallFailed(CODES[code] if 0 < code < len(CODES) else "UNKNOWN", result.error.message)
    try:
        return answer_of(result.response, ask, client)
    except CallFailed as failure:
        return failure


def answer_of(response: decision_pb2.DecideResponse, ask: Ask, client: Exposer) -> Answer:
    """The decisions in a response. Raises CallFailed when it does not fit the request."""
    parts = response.decisions
    if [part.placement for part in parts] != [name for name, _ in ask.placements]:
        raise CallFailed("INTERNAL", "the answer is not about the placements that were asked")
    shared = Decision(
        placement="",
        choices=(),
        reason=Reason.UNSPECIFIED,
        arms=tuple([arm_of(arm.layer, arm.arm) for arm in response.arms if arm.arm]),
        overridden=tuple([arm.layer for arm in response.arms if arm.overridden]),
        versions=versions(response.versions.catalogue, response.versions.policy),
        decided_at_ms=response.decided_at_ms,
        subject=ask.given,
        receipt=response.receipt,
        client=client,
    )
    decisions = tuple([_decision(part, name, shared) for part, (name, _) in zip(parts, ask.placements, strict=True)])
    ttl_ms, stale_ms = min(part.ttl_ms for part in parts), min(part.stale_ms for part in parts)
    return Answer(decisions, ttl_ms, stale_ms, response.subject_tag, shared.versions.catalogue)


def _decision(part: decision_pb2.PlacementDecision, placement: str, shared: Decision) -> Decision:
    return Decision(
        placement=placement,
        choices=tuple([_choice(choice) for choice in part.slate]),
        reason=_reason(part.reason),
        id=part.decision_id,
        policy=held_name(part.policy),
        arms=shared.arms,
        overridden=shared.overridden,
        versions=shared.versions,
        decided_at_ms=shared.decided_at_ms,
        subject=shared.subject,
        receipt=shared.receipt,
        client=shared.client,
    )


def _choice(choice: decision_pb2.Choice) -> Choice:
    return Choice(
        item=held_name(choice.item),
        variant=held_name(choice.variant),
        slot=choice.slot,
        raw=held_once(choice.content),
        content_type=held_name(choice.content_type),
        reason=_reason(choice.reason),
        predicted_propensity=choice.predicted_propensity if choice.HasField("predicted_propensity") else None,
        action_probability=choice.action_probability,
        priority=choice.priority,
        remaining_showings=choice.remaining_showings if choice.HasField("remaining_showings") else None,
        reason_text=choice.reason_text,
        stretch=choice.stretch,
        groups=tuple(map(held_name, choice.groups)),
    )


def _reason(number: int) -> Reason:
    return _REASONS[number] if number < len(_REASONS) else Reason.UNSPECIFIED


def by_placement(decisions: Sequence[Decision]) -> dict[str, Decision]:
    """The decisions of a page, as its caller gets them."""
    return {decision.placement: decision for decision in decisions}


def served_again(decision: Decision, reason: Reason, failure: CallFailed | None = None) -> Decision:
    """A kept decision as it is handed out again: same showings, another reason."""
    error, message = (failure.code, failure.message) if failure else ("", "")
    return replace(decision, reason=reason, error=error, error_message=message)


# --- fallbacks


def prepare(fallback: object) -> Fallback | None:
    """A fallback that is sure to work when it is needed. Raises InvalidArgument."""
    return fallback if fallback is None or callable(fallback) else _own_choices(fallback)


def _fallback_for(placement: str, fallback: object) -> object:
    if fallback is None or callable(fallback):
        return fallback
    if not isinstance(fallback, Mapping):
        raise InvalidArgument("fallback", "must be a mapping by placement or a function, for a page")
    return fallback.get(placement)


def fall_back(ask: Ask, failure: CallFailed, client: Exposer) -> tuple[Decision, ...]:
    """The caller's own choices, for want of an answer. Raises what the caller's function raises."""
    return tuple(
        Decision(
            placement=name,
            choices=_chosen(name, slots, ask.fallbacks.get(name)),
            reason=Reason.ERROR,
            error=failure.code,
            error_message=failure.message,
            subject=ask.given,
            client=client,
        )
        for name, slots in ask.placements
    )


def _chosen(placement: str, slots: int | None, fallback: Fallback | None) -> tuple[Choice, ...]:
    if fallback is None:
        return ()
    return _own_choices(fallback(placement) if callable(fallback) else fallback)[:slots]


def _own_choices(given: object) -> tuple[Choice, ...]:
    listed = _check.sequence("fallback", given, _check.MAX_SLOTS)
    return tuple(replace(_own_choice(one), slot=slot, reason=Reason.ERROR) for slot, one in enumerate(listed))


def _own_choice(given: object) -> Choice:
    if isinstance(given, Choice):
        return given
    if isinstance(given, str):
        return Choice.of(given)
    if not isinstance(given, Mapping) or not {"item"} <= given.keys() <= {"item", "content", "variant"}:
        raise InvalidArgument("fallback", "must hold items, choices, or mappings of item, content and variant")
    return Choice.of(**given)
