"""Answers as the bytes of their messages.

What of a choice is the same each time (item, variant, content, groups) is written once and kept: in protobuf's wire
format the bytes of two parts of a message, one after the other, are the bytes of the whole message.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, cast
from weakref import WeakKeyDictionary, ref

from maitred.v1 import decision_pb2, types_pb2

from maitred_server.decide.answer import Answer, Decision
from maitred_server.decide.choice import Choice
from maitred_server.decide.world import World
from maitred_server.model import Reason
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.rpc.answers import arms_to_wire
from maitred_server.store.keys import TAG_BYTES, subject_tag

try:
    from maitred_server.compiled.responses import Responses
except ImportError:  # nothing was compiled here
    Responses = None  # type: ignore[assignment, misc]

MOST_BYTES: Final = 16 << 20  # of choices that are kept, a catalogue
MOST_SLOTS: Final = 50
_SHORT: Final = 4096  # lengths that are written from a table
_64_BITS: Final = (1 << 64) - 1  # a whole number below 0 is written as its two's complement
_WHOLE, _DOUBLE, _BYTES = 0, 1, 2  # how a field's value is written


def _key(field: int, form: int) -> bytes:
    """What stands before a field's value."""
    return bytes([field << 3 | form])


def _varint(number: int) -> bytes:
    """A whole number from 0 to 2^64 - 1: seven bits a byte, the lowest first."""
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)


_LENGTHS: Final = tuple(_varint(length) for length in range(_SHORT))
_HEADS: Final = tuple(
    tuple(
        decision_pb2.Choice(slot=slot, reason=cast(types_pb2.Reason, reason)).SerializeToString()
        for reason in range(max(Reason) + 1)
    )
    for slot in range(MOST_SLOTS)
)
_PROPENSITY = decision_pb2.Choice.PREDICTED_PROPENSITY_FIELD_NUMBER << 3 | _DOUBLE
_PROBABILITY = decision_pb2.Choice.ACTION_PROBABILITY_FIELD_NUMBER << 3 | _DOUBLE
_PRIORITY = decision_pb2.Choice.PRIORITY_FIELD_NUMBER << 3 | _DOUBLE
_TWO, _THREE = struct.Struct("<BdBd"), struct.Struct("<BdBdBd")
_DECISION_ID = _key(decision_pb2.PlacementDecision.DECISION_ID_FIELD_NUMBER, _BYTES)
_SLATE = _key(decision_pb2.PlacementDecision.SLATE_FIELD_NUMBER, _BYTES)
_DECISIONS = _key(decision_pb2.DecideResponse.DECISIONS_FIELD_NUMBER, _BYTES)
_RECEIPT = _key(decision_pb2.DecideResponse.RECEIPT_FIELD_NUMBER, _BYTES)
_DECIDED_AT = _key(decision_pb2.DecideResponse.DECIDED_AT_MS_FIELD_NUMBER, _WHOLE)
_TAG = _key(decision_pb2.DecideResponse.SUBJECT_TAG_FIELD_NUMBER, _BYTES) + _varint(TAG_BYTES)
_REMAINING = _key(decision_pb2.Choice.REMAINING_SHOWINGS_FIELD_NUMBER, _WHOLE)
_RESULTS = _key(decision_pb2.DecideBatchResponse.RESULTS_FIELD_NUMBER, _BYTES)
_RESPONSE = _key(decision_pb2.DecideResult.RESPONSE_FIELD_NUMBER, _BYTES)


class Encoder:
    """Writes answers. Of one thread."""

    def __init__(self) -> None:
        self._catalogues: WeakKeyDictionary[Catalogue, Published] = WeakKeyDictionary()
        self._last: tuple[Callable[[], World | None], bytes, Published] = (lambda: None, b"", Published())
        self.compiled: Responses | None = None
        if Responses is not None:
            self.compiled = Responses((Answer, Decision, Choice), _placement, _rarer)

    def response(self, answer: Answer) -> bytes:
        """A decision_pb2.DecideResponse."""
        last, shared, published = self._last
        if last() is not answer.world:
            shared, published = self._look(answer.world)
        if answer.arms or answer.overridden:
            shared += _arms(tuple(answer.arms), tuple(answer.overridden))
        if self.compiled is None:
            return _response(answer, shared, published)
        return self.compiled.response(answer, subject_tag(answer.subject), shared, published)

    def _look(self, world: World) -> tuple[bytes, Published]:
        """What a world's answers have in common, remembered until another world answers."""
        versions = _versions(world.catalogue.version, world.snapshot_version)
        published = self._catalogues.setdefault(world.catalogue, Published())
        self._last = ref(world), versions, published
        return versions, published


class Published:
    """By action, the bytes of what never changes in a decision_pb2.Choice. `most`: how many bytes are kept at most."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self.size = 0
        self.known: dict[int, bytes] = {}

    def of(self, action: int, catalogue: Catalogue, own_content: bool) -> bytes:
        """Item, variant, groups, media type and, unless the subject has a content of its own, the content."""
        name = ~action if own_content else action
        found = self.known.get(name)
        return self._keep(name, _written(action, catalogue, own_content)) if found is None else found

    def _keep(self, name: int, written: bytes) -> bytes:
        self.size += len(written)
        if self.size > self._most:
            self.known.clear()
            self.size = len(written)
        self.known[name] = written
        return written


def _response(answer: Answer, shared: bytes, published: Published) -> bytes:
    parts = [_own(answer), shared]
    for one in answer.decisions:
        written = _decision(one, published, answer.world.catalogue)
        parts += (_DECISIONS, _length(written), written)
    return b"".join(parts)


def _own(answer: Answer) -> bytes:
    receipt, moment, tag = answer.receipt, answer.decided_at & _64_BITS, subject_tag(answer.subject)
    return b"".join((_RECEIPT, _length(receipt), receipt, _DECIDED_AT, _varint(moment), _TAG, tag))


def batch(results: Sequence[bytes]) -> bytes:
    """A decision_pb2.DecideBatchResponse. `results`: each the bytes of a decision_pb2.DecideResult."""
    return b"".join(part for one in results for part in (_RESULTS, _length(one), one))


def result(response: bytes) -> bytes:
    """A decision_pb2.DecideResult. `response`: the bytes of its decision_pb2.DecideResponse."""
    return _RESPONSE + _length(response) + response


def _length(data: bytes) -> bytes:
    return _whole(len(data))


def _whole(number: int) -> bytes:
    return _LENGTHS[number] if number < _SHORT else _varint(number)


def _decision(one: Decision, published: Published, catalogue: Catalogue) -> bytes:
    identity = one.decision_id.encode()
    parts = [
        _DECISION_ID + _LENGTHS[len(identity)] + identity,
        _placement(one.placement, int(one.reason), one.policy, one.ttl_ms, one.stale_ms),
    ]
    for choice in sorted(one.slate):
        written = _choice(choice, published.of(choice.action, catalogue, choice.content is not None))
        parts += (_SLATE, _length(written), written)
    return b"".join(parts)


def _choice(choice: Choice, published: bytes) -> bytes:
    propensity, probability, priority = choice.propensity, choice.probability, choice.priority
    if propensity is None:
        numbers = _TWO.pack(_PROBABILITY, probability, _PRIORITY, priority)
    else:
        numbers = _THREE.pack(_PROPENSITY, propensity, _PROBABILITY, probability, _PRIORITY, priority)
    written = _HEADS[choice.slot][choice.reason] + published + numbers
    if choice.reason_text or choice.stretch or choice.content is not None:
        return written + _rarer(choice)
    return written if choice.remaining is None else written + _REMAINING + _whole(choice.remaining)


def _rarer(choice: Choice) -> bytes:
    return decision_pb2.Choice(
        content=choice.content or b"",
        remaining_showings=choice.remaining,
        reason_text=choice.reason_text,
        stretch=choice.stretch,
    ).SerializeToString()


def _written(action: int, catalogue: Catalogue, own_content: bool) -> bytes:
    return decision_pb2.Choice(
        item=catalogue.item(action),
        variant=catalogue.variant(action),
        content=b"" if own_content else catalogue.content(action),
        content_type=catalogue.content_type(action),
        groups=catalogue.item_groups(action),
    ).SerializeToString()


@lru_cache(4096)
def _placement(placement: str, reason: int, policy: str, ttl_ms: int, stale_ms: int) -> bytes:
    return decision_pb2.PlacementDecision(
        placement=placement, reason=cast(types_pb2.Reason, reason), policy=policy, ttl_ms=ttl_ms, stale_ms=stale_ms
    ).SerializeToString()


@lru_cache(256)
def _versions(catalogue: str, policy: str) -> bytes:
    return decision_pb2.DecideResponse(
        versions=types_pb2.SnapshotVersions(catalogue=catalogue, policy=policy)
    ).SerializeToString()


@lru_cache(4096)
def _arms(arms: tuple[tuple[str, str], ...], overridden: tuple[str, ...]) -> bytes:
    return decision_pb2.DecideResponse(arms=arms_to_wire(arms, overridden)).SerializeToString()
