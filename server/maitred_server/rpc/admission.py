"""From a batch of wire events to journal entries: each is checked on its own, and a wrong one costs only itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import structlog
from maitred.v1 import feedback_pb2, types_pb2

from maitred_server.decide.receipt import Receipt, SealedDecision, SealedSlot, Sealer
from maitred_server.decide.world import World
from maitred_server.errors import Expired, InvalidRequest, MaitredError, NotAllowed
from maitred_server.model import (
    Body,
    Consents,
    Entry,
    Event,
    EventId,
    Exposure,
    Foreign,
    Merge,
    Outcome,
    Record,
    Sequenced,
    Shown,
    SubjectKey,
    Traits,
)
from maitred_server.rpc import convert
from maitred_server.rpc.access import IMPORT, Caller
from maitred_server.rpc.people import Addressed, People
from maitred_server.rpc.status import INTERNAL, code_of
from maitred_server.store.keys import client_key

MAX_EVENTS = 500
CLIENT_BYTES = 64
DAY_MS = 86_400_000
_ALWAYS = 1 << 63  # of events that are replayed and have no receipt: their times say nothing of erasures

log = structlog.get_logger()


class Refusal(NamedTuple):
    """Why one event is refused for good."""

    position: int
    sequence: int
    code: int
    field: str
    message: str


class Admitted(NamedTuple):
    """What of a batch may be journalled, and what may not. `indices`: the place in the batch of each entry."""

    entries: list[Entry]
    indices: list[int]
    refused: list[Refusal]


class Limits(NamedTuple):
    """How old and how new things may be, milliseconds. `replay_clock`: the events' own times are the clock."""

    receipt_ms: int
    replay_clock: bool
    future_ms: int = DAY_MS


class Admission:
    """Checks feedback. Knows receipts, ids and times; writes nothing."""

    def __init__(
        self,
        people: People,
        sealer: Sealer,
        world_of: Callable[[str], World | None],
        clock: Callable[[], int],
        limits: Limits,
        leads_to: Callable[[SubjectKey], SubjectKey | None],
    ) -> None:
        """`leads_to`: the canonical key of the subject that is known under a key; None: nothing is known."""
        self._people = people
        self._sealer = sealer
        self._world_of = world_of
        self.clock = clock
        self._limits = limits
        self._leads_to = leads_to

    def client(self, batch: feedback_pb2.FeedbackBatch, caller: Caller) -> bytes:
        """The key of the batch's client; b"" when it names none. Raises InvalidRequest."""
        if len(batch.client.encode()) > CLIENT_BYTES:
            raise InvalidRequest(f"batch.client is longer than {CLIENT_BYTES} bytes", "batch.client")
        return client_key(caller.brand, batch.client) if batch.client else b""

    def admit(self, batch: feedback_pb2.FeedbackBatch, caller: Caller, came_at: int | None = None) -> Admitted:
        """Sort a batch into entries and refusals. Raises InvalidRequest when the batch itself is wrong.

        `came_at`: when it was received, ms; None: now. For any thread.
        """
        if len(batch.events) > MAX_EVENTS:
            raise InvalidRequest(
                f"batch.events has {len(batch.events)}; at most {MAX_EVENTS} are allowed", "batch.events"
            )
        now = self.clock() if came_at is None else came_at
        reading = _Reading(self, caller, self.client(batch, caller), batch.epoch, now)
        admitted = Admitted([], [], [])
        for index, wire in enumerate(batch.events):
            try:
                entry = reading.entry(wire)
            except MaitredError as error:
                admitted.refused.append(Refusal(index, wire.sequence, code_of(error), error.field, error.message))
            except Exception as error:  # noqa: BLE001 - one poison event must not cost its batch
                log.error("event_poison", error=type(error).__name__, sequence=wire.sequence)
                admitted.refused.append(Refusal(index, wire.sequence, INTERNAL.code, "", INTERNAL.message))
            else:
                admitted.entries.append(entry)
                admitted.indices.append(index)
        return admitted


class _Reading:
    """One batch being read; remembers the receipts that it opened."""

    def __init__(self, admission: Admission, caller: Caller, client: bytes, epoch: int, now: int) -> None:
        self._people = admission._people
        self._sealer = admission._sealer
        self._limits = admission._limits
        self._leads_to = admission._leads_to
        self._now = now
        self._earliest = max(1, now - self._limits.receipt_ms)
        self._latest = min(now + self._limits.future_ms, convert.MAX_TIME_MS - 1)
        self._caller = caller
        self._client = client
        self._epoch = epoch
        self._numbers = bool(client) and epoch <= 2**63
        world = admission._world_of(caller.brand)
        self._groups_of = world.catalogue.groups_of if world else _no_groups
        self._receipts: dict[bytes, Receipt] = {}
        self._people_met: dict[tuple[int, str], Addressed] = {}
        self._since_always = _ALWAYS if self._limits.replay_clock else None
        self._since = self._since_always

    def entry(self, wire: feedback_pb2.FeedbackEvent) -> Entry:
        """One event. Raises MaitredError with the field from the event."""
        event_id = self._event_id(wire)
        who = self._who(wire.subject)
        occurred_at = self._occurred_at(wire.occurred_at_ms)
        self._since = self._since_always
        subject, body = self._body(wire, who, occurred_at)
        source, touchpoint, purpose = wire.source, wire.touchpoint, wire.purpose
        record = Record(
            subject,
            who.kind_of(subject),
            self._now,
            occurred_at,
            body,
            convert.name(source, "source", required=False) if source else "",
            convert.name(touchpoint, "touchpoint", required=False) if touchpoint else "",
            convert.purpose(purpose, "purpose") if purpose else "service",
        )
        return Entry(record, event_id, self._since)

    def _who(self, wire: types_pb2.Subject) -> Addressed:
        """The keys of a subject; a batch often tells several things of one."""
        asked = (wire.kind, wire.id)
        who = self._people_met.get(asked)
        if who is None or wire.aliases:
            who = self._people.addressed(wire, self._caller.brand)
            if not who.aliases:
                self._people_met[asked] = who
        return who

    def _event_id(self, wire: feedback_pb2.FeedbackEvent) -> EventId:
        sequence = wire.sequence
        if 0 < sequence <= 2**63 and self._numbers and not wire.foreign_id:
            return Sequenced(self._client, self._epoch, sequence)
        if wire.foreign_id:
            uuid = convert.foreign_id(wire.foreign_id, "foreign_id")
            self._check_age(int.from_bytes(uuid.bytes[:6], "big"), "foreign_id")
            return Foreign(self._caller.brand, uuid.bytes)
        if sequence == 0:
            raise InvalidRequest("sequence is missing: number events from 1, or give a foreign_id", "sequence")
        if not self._client:
            raise InvalidRequest("batch.client is missing: it says who numbers these events", "batch.client")
        raise InvalidRequest("sequence and epoch must be below 2^63", "sequence")

    def _occurred_at(self, time_ms: int) -> int:
        if time_ms == 0:
            return self._now
        if self._earliest <= time_ms <= self._latest:
            return time_ms
        if not 0 < time_ms < convert.MAX_TIME_MS:
            raise InvalidRequest("occurred_at_ms must be milliseconds since 1970", "occurred_at_ms")
        self._check_age(time_ms, "occurred_at_ms")
        return time_ms

    def _check_age(self, time_ms: int, field: str) -> None:
        if self._limits.replay_clock:
            return
        if time_ms > self._now + self._limits.future_ms:
            raise InvalidRequest(f"{field} is more than a day in the future; is the client's clock right?", field)
        if time_ms < self._now - self._limits.receipt_ms and IMPORT not in self._caller.roles:
            days = self._limits.receipt_ms / DAY_MS
            raise InvalidRequest(f"{field} is more than {days:g} days ago; older events need the role `import`", field)

    def _body(self, wire: feedback_pb2.FeedbackEvent, who: Addressed, at: int) -> tuple[SubjectKey, Body]:
        kind = wire.WhichOneof("kind")
        if kind == "event":
            return who.resolved(self._is_known) if who.aliases else who.subject, self._event(wire.event)
        if kind == "exposure":
            return self._exposure(wire.exposure, who, at)
        if kind == "outcome":
            return self._outcome(wire.outcome, who, at)
        if kind == "traits":
            return who.resolved(self._is_known), Traits(convert.traits(wire.traits.traits, at, "traits.traits"))
        if kind == "consents":
            said = convert.consents(wire.consents.consents, wire.consents.intensity, at, "consents.consents")
            return who.resolved(self._is_known), Consents(said)
        if kind == "merge":
            merging = self._people.merging(wire.subject, wire.merge.other, self._caller.brand, "merge.other")
            return merging.subject, Merge(merging.other)
        if kind == "not_for_me":
            return who.resolved(self._is_known), convert.objection(wire.not_for_me, "not_for_me")
        raise InvalidRequest(
            "kind is missing: set exposure, outcome, event, traits, consents, merge or not_for_me", "kind"
        )

    def _is_known(self, key: SubjectKey) -> bool:
        return self._leads_to(key) is not None

    def _exposure(self, wire: feedback_pb2.Exposure, who: Addressed, at: int) -> tuple[SubjectKey, Body]:
        if not wire.receipt:
            raise InvalidRequest("exposure.receipt is missing: hand back the receipt of the answer", "exposure.receipt")
        receipt = self._open(wire.receipt, who, at, "exposure.receipt")
        decision = _decision(receipt, wire.decision_id, "exposure.decision_id")
        shown = tuple(self._shown(slot) for slot in _slots(decision, wire.slots))
        return self._under(receipt, who), Exposure(
            decision_id=decision.decision_id,
            placement=decision.placement,
            showing=wire.showing_number or 1,
            shown=shown,
            policy=decision.policy,
            reason=decision.reason,
            arms=receipt.arms,
            catalogue=receipt.catalogue,
            snapshot=receipt.snapshot,
            decided_at=receipt.decided_at,
            seed=receipt.seed,
            profile_sequence=receipt.profile_sequence,
            dimensions=receipt.dimensions,
            segments=receipt.segments,
            merged=receipt.merged,
            overridden=receipt.overridden,
            context=receipt.context,
            item_states=receipt.item_states,
            channel=decision.channel,
            space=decision.space,
            pending=receipt.pending,
        )

    def _shown(self, slot: SealedSlot) -> Shown:
        groups = self._groups_of(slot.item)
        return Shown(
            slot.slot,
            slot.item,
            slot.variant,
            groups,
            slot.probability,
            slot.propensity,
            slot.priority,
            slot.reason,
            slot.stretch,
            slot.features,
        )

    def _outcome(self, wire: feedback_pb2.Outcome, who: Addressed, at: int) -> tuple[SubjectKey, Body]:
        item = convert.name(wire.item, "outcome.item")
        variant = convert.name(wire.variant, "outcome.variant", required=False)
        subject, placement, channel = who.resolved(self._is_known), "", ""
        if wire.receipt:
            receipt = self._open(wire.receipt, who, at, "outcome.receipt")
            decision = _decision(receipt, wire.decision_id, "outcome.decision_id")
            if not any(slot.item == item for slot in decision.slots):
                raise InvalidRequest("outcome.item was not among the decision's choices", "outcome.item")
            subject, placement, channel = self._under(receipt, who), decision.placement, decision.channel
        return subject, Outcome(
            type=convert.name(wire.type, "outcome.type"),
            value=convert.finite(wire.value, "outcome.value"),
            item=item,
            variant=variant,
            groups=self._groups_of(item),
            decision_id=convert.name(wire.decision_id, "outcome.decision_id"),
            placement=placement,
            channel=channel,
        )

    def _event(self, wire: feedback_pb2.Event) -> Event:
        item, variant, attributes = wire.item, wire.variant, wire.attributes
        return Event(
            convert.name(wire.type, "event.type"),
            convert.name(item, "event.item") if item else "",
            convert.name(variant, "event.variant") if variant else "",
            self._groups_of(item) if item else (),
            convert.finite(wire.value, "event.value"),
            wire.quantity or 1,
            convert.values(attributes, convert.MAX_ATTRIBUTES, "event.attributes") if attributes else {},
        )

    def _open(self, token: bytes, who: Addressed, at: int, field: str) -> Receipt:
        receipt = self._receipts.get(token)
        if receipt is None:
            try:
                receipt = self._receipts[token] = self._sealer.open(token)
            except NotAllowed as error:
                raise NotAllowed(error.message, field) from None
        if not (who.is_subject(receipt.asked_for) or who.is_subject(receipt.subject) or self._is_one(receipt, who)):
            raise NotAllowed("the receipt is of another subject", field)
        now = at if self._limits.replay_clock else self._now
        if now - receipt.decided_at > self._limits.receipt_ms:
            raise Expired(f"the receipt is older than {self._limits.receipt_ms / DAY_MS:g} days", field)
        self._since = receipt.profile_sequence
        return receipt

    def _is_one(self, receipt: Receipt, who: Addressed) -> bool:
        """Whether the subject of a receipt was merged with this one, before or since."""
        subject = self._leads_to(who.subject)
        return subject is not None and subject in (receipt.subject, self._leads_to(receipt.subject))

    def _under(self, receipt: Receipt, who: Addressed) -> SubjectKey:
        """The key under which feedback with a receipt comes: the one that it was asked for, where it is given again."""
        given = (key for key in (receipt.asked_for, receipt.subject) if who.is_subject(key))
        return next(given, who.subject)


def _no_groups(item: str) -> tuple[str, ...]:
    return ()


def _decision(receipt: Receipt, decision_id: str, field: str) -> SealedDecision:
    decision = receipt.decision(decision_id)
    if decision is None:
        raise InvalidRequest("the receipt holds no decision of this id", field)
    return decision


def _slots(decision: SealedDecision, wanted: Iterable[int]) -> list[SealedSlot]:
    numbers = list(wanted)
    if not numbers:
        return list(decision.slots)
    by_number = {slot.slot: slot for slot in decision.slots}
    if len(set(numbers)) < len(numbers) or not by_number.keys() >= set(numbers):
        raise InvalidRequest(
            f"exposure.slots must be distinct slots of the decision: 0 to {len(decision.slots) - 1}", "exposure.slots"
        )
    return [by_number[number] for number in numbers]
