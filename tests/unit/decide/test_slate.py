from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.server import PLAYBOOK
from maitred_server.decide.ask import Ask
from maitred_server.decide.filling import draw
from maitred_server.decide.pipeline import Pipeline
from maitred_server.decide.receipt import Sealer
from maitred_server.decide.scoring import closed_where
from maitred_server.decide.world import World
from maitred_server.model import Entry, Event, Kind, Reason, Record, Sequenced
from maitred_server.playbook import loader
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.policy.base import CLOSED, Scores
from maitred_server.store import MemoryStore

SUBJECT = b"\x04shop" + bytes(16)
NOW = 1_700_000_000_000


def world(folder: Path, **changes: bytes) -> World:
    files = {**PLAYBOOK, **{name.replace("_", "."): data for name, data in changes.items()}}
    build(loader.load(files, imported=[]), [], folder)
    return World(Catalogue.open(folder), None)


def pipeline(published: World, store: MemoryStore | None = None, entropy: Any = None) -> Pipeline:
    sealer = Sealer((b"key1", bytes(32)), lambda key_id: bytes(32))
    more = {"entropy": entropy} if entropy else {}
    return Pipeline(store or MemoryStore(), lambda brand: published, sealer, lambda: NOW, **more)


def ask(*placements: tuple[str, int]) -> Ask:
    return Ask("shop", SUBJECT, Kind.PERSON, {Kind.PERSON: SUBJECT}, placements)


def test_draws_are_uniform_and_independent_of_each_other() -> None:
    """Over 40,000 seeds and steps draws fill [0, 1) evenly, and neighbouring ones do not correlate."""
    draws = np.array([[draw(seed * 0x1234567, step) for step in range(2)] for seed in range(20_000)])
    assert draws.min() >= 0
    assert draws.max() < 1
    counts = np.histogram(draws, bins=20, range=(0, 1))[0]
    assert ((counts - 2_000) ** 2 / 2_000).sum() < 43.8  # chi-square, 19 degrees of freedom, p = .001
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.03


def test_an_answer_can_be_had_again_from_its_seed(tmp_path: Path) -> None:
    """With the same entropy the same request gives the same slate and probabilities."""
    published = world(tmp_path)
    answers = [
        pipeline(published, entropy=lambda size: b"\x07" * size).decide(ask(("lottery", 5))).decisions for _ in range(2)
    ]
    assert answers[0] == answers[1]


def test_conditional_probabilities_hold_over_a_page(tmp_path: Path) -> None:
    """Two uniform placements: each slot's item, given the slots before, is as frequent as its reported probability."""
    published = world(
        tmp_path,
        placements_yaml=b"""
placements:
  - {name: a, slots: 1, candidates: all, policy: uniform}
  - {name: b, slots: 2, candidates: {groups: [fruit, dairy]}, policy: uniform}
""",
    )
    deciding = pipeline(published)
    seen: Counter[tuple[str, ...]] = Counter()
    product: dict[tuple[str, ...], float] = {}
    for _ in range(6_000):
        choices = [one for decision in deciding.decide(ask(("a", 0), ("b", 0))).decisions for one in decision.slate]
        page = tuple(one.item for one in choices)
        seen[page] += 1
        product[page] = float(np.prod([one.probability for one in choices]))
    assert sum(product.values()) == pytest.approx(1.0)  # every page came, and the products are its distribution
    expected = np.array([product[page] * 6_000 for page in product])
    observed = np.array([seen[page] for page in product])
    chi_square = ((observed - expected) ** 2 / expected).sum()
    freedom = len(product) - 1
    assert chi_square < freedom + 4 * (2 * freedom) ** 0.5


def test_the_fallback_serves_when_nothing_is_open(tmp_path: Path) -> None:
    """A fixed placement whose order the page already shows serves its fallback, and says so."""
    published = world(
        tmp_path,
        placements_yaml=b"""
placements:
  - {name: a, slots: 1, candidates: all, policy: fixed, order: [MILK]}
  - {name: b, slots: 1, candidates: all, policy: fixed, order: [MILK], fallback: [MILK, SOAP]}
""",
    )
    decisions = pipeline(published).decide(ask(("a", 0), ("b", 0))).decisions
    assert [(one.item, one.reason) for one in decisions[1].slate] == [("SOAP", Reason.FALLBACK)]
    assert decisions[1].reason is Reason.FALLBACK


@pytest.mark.parametrize("automation", ["fixed", "logging_only", "apprentice"])
def test_less_than_online_serves_the_baseline(tmp_path: Path, automation: str) -> None:
    """A placement that is not `online` serves its baseline, and says so."""
    line = f"  - {{name: a, slots: 1, candidates: all, policy: uniform, baseline: popular, automation: {automation}}}"
    published = world(tmp_path, placements_yaml=b"placements:\n" + line.encode() + b"\n")
    (decision,) = pipeline(published).decide(ask(("a", 0))).decisions
    assert (decision.policy, decision.reason) == ("popular", Reason.BASELINE)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_score_that_is_no_number_never_wins(bad: float) -> None:
    """NaN and infinity close their row: NaN would win every argmax."""
    scores = Scores(np.array([0.5, bad, 0.1]), None, (Reason.LEARNED,))
    priority = closed_where(scores.priority, None)
    assert priority.tolist() == [0.5, CLOSED, 0.1]


def test_deciding_writes_nothing(tmp_path: Path) -> None:
    """A thousand decisions leave the store as it was, pending feedback and all."""
    store = MemoryStore()
    store.submit([Entry(Record(SUBJECT, Kind.PERSON, NOW, NOW, Event("purchase", "MILK")))]).result()
    before = (store.last_sequence(), store.usage(), store.audit())
    deciding = pipeline(world(tmp_path), store)
    pending = Entry(Record(SUBJECT, Kind.PERSON, NOW, NOW, Event("purchase", "SOAP")), Sequenced(b"c", 1, 1))
    for _ in range(1_000):
        deciding.decide(ask(("home", 3))._replace(pending=[pending]))
    assert (store.last_sequence(), store.usage(), store.audit()) == before
