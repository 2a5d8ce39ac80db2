"""Clients that decide, show and dismiss all at the same time, and compare each decision with a plain list."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from maitred.v1 import decision_pb2, feedback_pb2, types_pb2
from maitred_server.model import Item
from maitred_server.playbook import loader
from maitred_server.playbook.control import ContactPolicy

from maitred_tools.bench.plainly import Happened, Place, Thing, forbidding

SUBJECTS = 16  # at a time
DECISIONS_OF_ONE = 150  # after which another subject takes its place
DISMISSED = 0.05
CALL_S = 60.0

ITEMS = [Item(f"item-{number:02}", (f"group-{number % 6}",)) for number in range(30)]
PAGES = (("home",), ("banner",), ("home", "banner"), ("till", "banner", "home"))
PLAYBOOK = {
    "playbook.yaml": b"name: caps\n",
    "placements.yaml": b"""
placements:
  - {name: home, slots: 3, policy: uniform, channel: web}
  - {name: banner, slots: 1, policy: uniform, channel: web}
  - {name: till, slots: 2, policy: uniform, channel: shop, candidates: {groups: [group-0, group-1, group-2]}}
""",
    "contact_policies.yaml": b"""
contact_policies:
  - {name: four of an item in 3 s, counts: exposure, most: 4, window: 3s}
  - {name: rest after eight of an item, counts: exposure, most: 8, window: 5m, suppress_for: 4s}
  - {name: rest after a no, counts: outcome.dismiss, most: 1, window: 1s, suppress_for: 5s}
  - {name: 30 of a group, counts: exposure, most: 30, window: 1d, per: group}
  - {name: 40 at home, counts: exposure, most: 40, window: 1d, per: placement, for: {placements: [home]}}
  - {name: 60 on the web, counts: exposure, most: 60, window: 1d, per: channel, for: {channels: [web]}}
  - {name: 50 of two groups, counts: exposure, most: 50, window: 1d, per: all, for: {groups: [group-0, group-1]}}
""",
    "groups.yaml": ("groups:\n" + "".join(f"  - id: group-{number}\n" for number in range(6))).encode(),
    "items.jsonl": "\n".join(json.dumps({"id": one.id, "groups": list(one.groups)}) for one in ITEMS).encode(),
}
GROUPS = {item.id: item.groups for item in ITEMS}
CHANNELS = {"home": "web", "banner": "web", "till": "shop"}


@dataclass
class Tally:
    """What all clients did. `broken`: choices that an acknowledgement of before had forbidden, by policy."""

    decisions: int = 0
    choices: int = 0
    empty: int = 0  # placements that had nothing left to show
    told: int = 0  # showings and dismissals that were acknowledged
    refused: int = 0
    broken: Counter[str] = field(default_factory=Counter)


class Clients:
    """As many at a time as are asked for, over some connections."""

    def __init__(self, calls: Sequence[tuple[Any, Any]], decisions: int, done: Callable[[], None]) -> None:
        """`calls`: decide and record of each connection. `done`: told of each decision."""
        self.tally = Tally()
        self._calls, self._left, self._done = calls, decisions, done
        self._policies = loader.load(PLAYBOOK, imported=[]).control.contact_policies
        self._known: dict[str, list[Happened]] = {}  # by subject, in the order of the acknowledgements
        self._asked: Counter[str] = Counter()
        self._pool = [f"subject-{number}" for number in range(SUBJECTS)]

    async def run(self, concurrent: int) -> Tally:
        """Until all decisions are made."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(concurrent):
                tasks.create_task(self._client(number))
        return self.tally

    async def _client(self, number: int) -> None:
        chance, sequence = random.Random(number), 0  # noqa: S311 - not for secrets
        decide, record = self._calls[number % len(self._calls)]
        while self._left > 0:
            self._left -= 1
            subject = self._subject(chance)
            known = self._known.setdefault(subject, [])
            acknowledged = len(known)  # before the decision is begun
            request = _request(subject, chance.choice(PAGES))
            answer = decision_pb2.DecideResponse.FromString(await decide(request, timeout=CALL_S))
            self._check(answer, known[:acknowledged])
            happened = list(_happened(answer, chance))
            if happened:
                batch = _batch(subject, f"client-{number}", sequence, answer, happened)
                sequence += len(happened)
                result = feedback_pb2.RecordResponse.FromString(await record(batch, timeout=CALL_S)).result
                known += happened
                self.tally.told += result.accepted
                self.tally.refused += len(result.refused)
            self._done()

    def _subject(self, chance: random.Random) -> str:
        at = chance.randrange(len(self._pool))
        subject = self._pool[at]
        self._asked[subject] += 1
        if self._asked[subject] == DECISIONS_OF_ONE:
            self._pool[at] = f"subject-{len(self._asked)}-{at}"
        return subject

    def _check(self, answer: decision_pb2.DecideResponse, known: Sequence[Happened]) -> None:
        """What was acknowledged, and what the page shows before it, forbids no choice."""
        self.tally.decisions += 1
        before = list(known)
        for decision in answer.decisions:
            shown = _showing(decision, answer.decided_at_ms)
            self.tally.choices += len(shown.things)
            self.tally.empty += not shown.things
            for slot, thing in enumerate(shown.things):
                place = Place(thing, shown.placement, shown.channel)
                slate = [shown._replace(things=shown.things[:slot])] if slot else []
                policies = [one for one in self._policies if not slot or of_slots(one)]
                self.tally.broken.update(forbidding(policies, place, [*before, *slate], answer.decided_at_ms))
            before += [shown] * bool(shown.things)


def of_slots(policy: ContactPolicy) -> bool:
    """Whether each slot of a slate counts for a policy, not the slate as a whole."""
    return policy.per in ("item", "group") or (policy.per == "all" and bool(policy.scope.items or policy.scope.groups))


def _request(subject: str, placements: Sequence[str]) -> bytes:
    asked = [decision_pb2.PlacementRequest(placement=name) for name in placements]
    return decision_pb2.DecideRequest(subject=types_pb2.Subject(id=subject), placements=asked).SerializeToString()


def _showing(decision: decision_pb2.PlacementDecision, at: int) -> Happened:
    things = tuple(Thing(choice.item, GROUPS[choice.item]) for choice in decision.slate)
    return Happened(at, "exposure", things, decision.placement, CHANNELS[decision.placement])


def _happened(answer: decision_pb2.DecideResponse, chance: random.Random) -> Iterator[Happened]:
    """All of the page is shown at once, and some of it is dismissed."""
    now = max(time.time_ns() // 1_000_000, answer.decided_at_ms)
    for decision in answer.decisions:
        shown = _showing(decision, now)
        if shown.things:
            yield shown
        for thing in shown.things:
            if chance.random() < DISMISSED:
                yield shown._replace(type="outcome.dismiss", things=(thing,))


def _batch(
    subject: str, client: str, sequence: int, answer: decision_pb2.DecideResponse, happened: Sequence[Happened]
) -> bytes:
    ids = {decision.placement: decision.decision_id for decision in answer.decisions}
    events = [
        _event(ids[one.placement], answer.receipt, one, subject=types_pb2.Subject(id=subject), sequence=number)
        for number, one in enumerate(happened, sequence + 1)
    ]
    batch = feedback_pb2.FeedbackBatch(client=client, epoch=1, events=events)
    return feedback_pb2.RecordRequest(batch=batch).SerializeToString()


def _event(decision_id: str, receipt: bytes, one: Happened, **more: Any) -> feedback_pb2.FeedbackEvent:
    if one.type == "exposure":
        shown = feedback_pb2.Exposure(decision_id=decision_id, receipt=receipt)
        return feedback_pb2.FeedbackEvent(exposure=shown, occurred_at_ms=one.at, **more)
    item = one.things[0].item
    outcome = feedback_pb2.Outcome(type="dismiss", item=item, decision_id=decision_id, receipt=receipt)
    return feedback_pb2.FeedbackEvent(outcome=outcome, occurred_at_ms=one.at, **more)
