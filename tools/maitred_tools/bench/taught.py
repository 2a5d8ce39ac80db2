"""What a data directory has besides profiles: models of the learned placements, and showings that caps count.

Models are the learner's own: decisions at random are asked for over the wire, shown, and now and then followed by a
purchase, whose chance falls from item to item.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc
from maitred.v1 import decision_pb2, feedback_pb2
from maitred_server.errors import MaitredError
from maitred_server.learn.publish import policy_folder
from maitred_server.model import Entry, Exposure, Kind, Reason, Record, Shown
from maitred_server.policy.fitted import Fitted
from maitred_server.policy.snapshot import open_snapshot
from maitred_server.store import Store
from maitred_server.store.published import current
from maitred_server.store.secrets import KeyDirectory
from maitred_server.subjects.identity import Pseudonyms

from maitred_tools.bench import places, seed
from maitred_tools.load import DECIDE

RECORD: Final = "/maitred.v1.FeedbackService/Record"
DECISIONS: Final = {10: 40, 100: 100, 1_000: 400, 10_000: 200}  # that teach, by candidates
MOST_SLOTS: Final = 50
MODELS_S: Final = 120.0
AGAIN_S: Final = 30.0  # for models of what was taught before
SHOWINGS: Final = 3  # of the last 20 days, to each subject that will ask
AT_ONCE: Final = 1_000

Done = Callable[[int], None]


class Facts(NamedTuple):
    """A model in force. Of groups and items: how many have weights of their own."""

    width: int
    exposures: float
    groups: int
    items: int


def prepared(data: Path, asking: Sequence[int], done: Done = lambda count: None) -> dict[int, Facts]:
    """Teach what is not learned yet, and show something to those who will ask; then the models by candidates.

    `asking`: numbers of subjects. `done` is told of every decision that was taught with. Raises MaitredError,
    TimeoutError.
    """
    shown = data / "shown"
    if not shown.exists():
        _show(data, asking)
        shown.touch()
    with seed.server(data) as server:
        seed.publish(server.target, places.playbook(policy="uniform"))
        seed.learned(server.target)
        taught = data / "taught"
        if not taught.exists() or len(_awaited(data, AGAIN_S)) < len(places.SIZES):
            _teach(server.target, places.SIZES, asking, done)
            seed.learned(server.target)
            taught.touch()
        return _all(_awaited(data))


def in_force(data: Path, name: str) -> None:
    """Put `plain` or `everything` in force in a data directory that no server is using."""
    with seed.server(data) as server:
        seed.publish(server.target, places.playbook(name))
        seed.learned(server.target)
        _all(_awaited(data))
        server.settle()


def models(data: Path) -> dict[int, Facts]:
    """The models in force, by candidates."""
    folder = policy_folder(data, seed.BRAND)
    version = current(folder)
    if not version:
        return {}
    fitted = open_snapshot(folder, version).models
    return {size: _facts(fitted[name]) for size in places.SIZES if (name := places.placement(size)) in fitted}


def _facts(fitted: Fitted) -> Facts:
    groups, items, _ = (len(level.keys) for level in fitted.model.levels)
    return Facts(fitted.model.wide.shape[1], fitted.exposures, groups, items)


def _awaited(data: Path, most_s: float = MODELS_S) -> dict[int, Facts]:
    until = time.monotonic() + most_s
    while len(found := models(data)) < len(places.SIZES) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def _all(found: dict[int, Facts]) -> dict[int, Facts]:
    if len(found) < len(places.SIZES):
        raise TimeoutError("the learner made no models in time")
    return found


def _teach(target: str, sizes: Iterable[int], asking: Sequence[int], done: Done) -> None:
    chance = random.Random(5)  # noqa: S311
    repeated = [size for size in sizes for _ in range(DECISIONS[size])]
    with grpc.insecure_channel(target) as channel:
        decide: Any = channel.unary_unary(DECIDE)
        record: Any = channel.unary_unary(RECORD)
        for number, size in enumerate(repeated):
            who = asking[number % len(asking)]
            request = seed.request(who, [places.placement(size)], min(size, MOST_SLOTS))
            answer = decision_pb2.DecideResponse.FromString(decide(request.SerializeToString(), timeout=10.0))
            events = list(_events(request, answer, chance))
            batch = feedback_pb2.FeedbackBatch(client="teacher", epoch=time.time_ns(), events=events)
            told = feedback_pb2.RecordResponse.FromString(
                record(feedback_pb2.RecordRequest(batch=batch).SerializeToString(), timeout=10.0)
            )
            if told.result.refused:
                raise MaitredError(f"feedback is refused: {told.result.refused[0].message}")
            done(1)


def _events(
    request: decision_pb2.DecideRequest, answer: decision_pb2.DecideResponse, chance: random.Random
) -> Iterator[feedback_pb2.FeedbackEvent]:
    (decision,) = answer.decisions
    said, receipt, slots = decision.decision_id, answer.receipt, [choice.slot for choice in decision.slate]
    shown = feedback_pb2.Exposure(decision_id=said, receipt=receipt, slots=slots, showing_number=1)
    yield feedback_pb2.FeedbackEvent(sequence=1, subject=request.subject, exposure=shown)
    bought = [choice for choice in decision.slate if chance.random() < _liked(choice.item)]
    for number, choice in enumerate(bought, start=2):
        outcome = feedback_pb2.Outcome(
            type=seed.PURCHASE, value=1.0, item=choice.item, decision_id=said, receipt=receipt
        )
        yield feedback_pb2.FeedbackEvent(sequence=number, subject=request.subject, outcome=outcome)


def _liked(item: str) -> float:
    number = int(item.rpartition("-")[2])
    return 0.02 + 0.3 / (1.0 + number / 50.0)


def _show(data: Path, asking: Sequence[int]) -> None:
    """What contact policies count, of the last weeks, for those who will ask."""
    chance = random.Random(9)  # noqa: S311
    pseudonyms = Pseudonyms(KeyDirectory(data / "keys").pseudonym_key())
    keys = [pseudonyms.subject_key(seed.BRAND, Kind.PERSON, seed.subject(number)) for number in set(asking)]
    now = time.time_ns() // 1_000_000
    with Store.open(data) as store:
        for at in range(0, len(keys), AT_ONCE):
            part = [
                store.submit([_showing(key, now, number, chance) for number in range(SHOWINGS)])
                for key in keys[at : at + AT_ONCE]
            ]
            for future in part:
                future.result()


def _showing(key: bytes, now: int, number: int, chance: random.Random) -> Entry:
    at = now - chance.randrange(20 * seed.DAY_MS)
    shown = tuple(_shown(slot, chance.randrange(seed.ITEMS)) for slot in range(seed.SLOTS))
    decision = f"{chance.getrandbits(64):016x}{number:02}"
    body = Exposure(decision, seed.PLACEMENT, 1, shown, "habit", Reason.LEARNED, (), "1", "", at, 0, 0)
    return Entry(Record(key, Kind.PERSON, at, at, body))


def _shown(slot: int, number: int) -> Shown:
    return Shown(slot, seed.item(number), "", (seed.group(number),), 0.5, 0.1, 0.1, Reason.LEARNED)
