"""Learning in this process: a playbook that learns a placement, journal records, and what they should sum to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from maitred_server.learn.fixed import UNIT
from maitred_server.learn.plans import Plan, plan_of
from maitred_server.learn.ridge import Shown as Taught
from maitred_server.learn.ridge import Sums
from maitred_server.model import Exposure, Kind, Outcome, Reason, Record, Shown
from maitred_server.playbook.control import Control, Learning, Response
from maitred_server.store.keys import action_key, brand_prefix, group_key, item_key
from maitred_server.store.published import CATALOGUE, brand_folder

from harness.desk import put_in_force

NOW = 1_700_000_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
FAMILIES = ("habit",)
BOUGHT = Response("purchase", 7 * DAY_MS)
RATED = Response("rated", DAY_MS, default=0.5, full=5.0)
LEARNING = Learning("home", (BOUGHT, RATED), FAMILIES)
ITEMS = {"APPLES": ("fruit",), "PEARS": ("fruit",), "BREAD": ("bakery",)}


def publish(data: Path, *learning: Learning, brand: str = "main") -> None:
    """Put a playbook in force that learns this."""
    put_in_force(brand_folder(data, brand) / CATALOGUE, Control(learning=learning or (LEARNING,)))


def plan(learning: Learning = LEARNING) -> Plan:
    """The plan that the learner makes of it."""
    return plan_of(learning)


def record(body: Exposure | Outcome, subject: int = 1, at: int = NOW, brand: str = "main") -> Record:
    """Of one of the subjects of a brand."""
    return Record(brand_prefix(brand) + bytes([subject]) * 16, Kind.PERSON, at, at, body)


def features(seed: int, of: Plan) -> bytes:
    """Some features, the last of which is 1."""
    found = np.random.default_rng(seed).integers(-UNIT, UNIT, of.space.width).astype("<i2")
    found[-1] = UNIT
    return found.tobytes()


def shown(slot: int, item: str, seed: int, of: Plan) -> Shown:
    return Shown(slot, item, "", ITEMS[item], 0.5, 0.1, 0.1, Reason.LEARNED, features=features(seed, of))


def exposure(decision: str, *slots: Shown, of: Plan, showing: int = 1, decided_at: int = NOW) -> Exposure:
    return Exposure(
        decision,
        of.placement,
        showing,
        slots,
        "inverse_gap",
        Reason.LEARNED,
        (),
        "1",
        "",
        decided_at,
        0,
        0,
        space=of.space.name,
    )


def outcome(decision: str, item: str, kind: str = "purchase", value: float = 1.0) -> Outcome:
    return Outcome(kind, value, item, "", ITEMS[item], decision)


def expected(records: Iterable[Record], of: Plan) -> Sums:
    """The sums of some records, slot by slot, by the simplest means there are; all told in time."""
    rows: dict[tuple[str, int], tuple[Shown, int]] = {}
    best: dict[tuple[str, str, str], int] = {}
    for one in records:
        body = one.body
        if isinstance(body, Exposure) and body.showing == 1 and body.space == of.space.name:
            rows.update({(body.decision_id, slot.slot): (slot, body.decided_at) for slot in body.shown})
        elif isinstance(body, Outcome):
            value = {"purchase": UNIT, "rated": round(min(max(body.value / 5.0, 0.0), 1.0) * UNIT)}[body.type]
            key = (body.decision_id, body.item, body.type)
            best[key] = max(best.get(key, 0), value)
    sums = Sums(of.shape, len(of.responses))
    for (decision, _), (slot, decided_at) in rows.items():
        default = {"purchase": 0, "rated": UNIT // 2}
        responses = [best.get((decision, slot.item, one.type), default[one.type]) for one in of.responses]
        sums.add(taught(slot, responses, decided_at // DAY_MS if of.fades else 0))
    return sums


def taught(slot: Shown, responses: Sequence[int], day: int) -> Taught:
    """One choice, as sums take it."""
    groups = [group_key(name) for name in slot.groups]
    return Taught(
        np.array([day], np.int32),
        np.array([item_key(slot.item)], np.uint64),
        np.array([action_key(slot.item, slot.variant)], np.uint64),
        np.array(groups, np.uint64),
        np.zeros(len(groups), np.int32),
        np.frombuffer(slot.features, "<i2")[None],
        np.array([responses], np.int32),
    )
