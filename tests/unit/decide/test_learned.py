"""Decisions of policies that learn: what they rank by, what is sealed, what is tried, and what may be looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harness.desk import NOW, SUBJECT, Desk, intensity
from harness.shop import decided, purchase, shop
from maitred_server.decide.answer import Decision
from maitred_server.decide.world import World
from maitred_server.model import Entry, Intensity, Kind, Reason, Record
from maitred_server.playbook.control import Control, Learning, ReasonText, Response, SlatePlan, Wording, Worth
from maitred_server.policy.base import Floats
from maitred_server.policy.fitted import Fitted, Stamp
from maitred_server.policy.grid import unpacked
from maitred_server.policy.linear import Deltas, Model
from maitred_server.policy.snapshot import PolicySnapshot
from maitred_server.policy.space import FeatureSpace, feature_space
from maitred_server.store.keys import item_key

DAY = 86_400_000
WEEK = 7 * DAY
BOUGHT = Response("purchase", WEEK)
GREEDY = "{name: home, slots: 3, policy: greedy}"


def learning(*responses: Response, exploration: float = 0.0) -> Control:
    return Control(learning=(Learning("home", responses or (BOUGHT,), exploration=exploration),))


def features(decision: Decision, slot: int = 0) -> dict[str, float]:
    """What a choice was scored by, by name."""
    (chosen,) = (choice for choice in decision.slate if choice.slot == slot)
    return dict(zip(feature_space().names, unpacked(chosen.features).tolist(), strict=True))


def teach(desk: Desk, weights: dict[str, list[float]], of_items: dict[str, float] | None = None) -> None:
    """Put a model in force: wide weights by feature's name, one for each response, and what items add to the 1."""
    space, types = feature_space(), len(next(iter(weights.values())))
    wide = np.zeros((types, space.width))
    for name, values in weights.items():
        wide[:, space.names.index(name)] = values
    before = desk.world.snapshot
    assert before is not None
    fitted = Fitted(space.name, ("purchase", "returned")[:types], model(space, wide, of_items or {}), Stamp(0, 0, 0, 1))
    desk.world = World(desk.world.catalogue, PolicySnapshot("taught", 0, before.columns, 0, {"home": fitted}))


def model(space: FeatureSpace, wide: Floats, of_items: dict[str, float]) -> Model:
    levels = [deltas(len(wide), len(level)) for level in (space.group, space.item, space.variant)]
    rows = sorted((item_key(item), value) for item, value in of_items.items())
    keys, values = np.array([key for key, _ in rows], np.uint64), np.zeros((len(rows), len(wide), len(space.item)))
    values[:, 0, -1] = [value for _, value in rows]
    inverses = np.repeat(np.eye(len(space.item))[None], len(rows), 0)
    levels[1] = Deltas(keys, values, inverses, np.ones(len(rows)))
    group, item, variant = (np.array(level, np.int32) for level in (space.group, space.item, space.variant))
    means, inverse = np.full(len(wide), 0.3), np.eye(space.width) / 1000
    return Model(wide, inverse, 1000.0, means, (group, item, variant), (levels[0], levels[1], levels[2]), (1.0,) * 4)


def deltas(types: int, width: int) -> Deltas:
    return Deltas(np.zeros(0, np.uint64), np.zeros((0, types, width)), np.zeros((0, width, width)), np.zeros(0))


def test_the_first_day_ranks_by_habit_then_by_popularity(tmp_path: Path) -> None:
    """Before anything is learned: what the subject bought most, then what all did, with the share as propensity."""
    bought = {"apples": 30, "pears": 20, "plums": 15, "milk": 12, "cheese": 12, "soap": 11}
    desk = shop(tmp_path, learning(), placements=(GREEDY,), bought=bought)
    assert desk.items() == ["apples", "pears", "plums"]
    visits = [Entry(Record(SUBJECT, Kind.PERSON, at, at, purchase("soap"))) for at in range(NOW - 8 * DAY, NOW, DAY)]
    desk.store.submit(visits).result()
    (decision,) = decided(desk)
    assert [choice.item for choice in decision.slate] == ["soap", "apples", "pears"]
    assert {choice.reason for choice in decision.slate} == {Reason.LEARNED}
    assert decision.slate[0].propensity == features(decision)["share"]


def test_a_model_ranks_by_what_it_predicts(tmp_path: Path) -> None:
    """Weights of the placement and of items add up to the propensity, which is the priority."""
    desk = shop(tmp_path, learning(), placements=(GREEDY,))
    teach(desk, {"1": [0.1], "popular": [-0.1]}, {"milk": 0.5, "pears": 0.3})
    (decision,) = decided(desk)
    assert [choice.item for choice in decision.slate] == ["milk", "pears", "soap"]
    expected = 0.6 - 0.1 * features(decision)["popular"]
    assert decision.slate[0].propensity == pytest.approx(expected)
    assert decision.slate[0].priority == decision.slate[0].propensity


def test_all_responses_are_weighed_by_their_worth(tmp_path: Path) -> None:
    """The score is the sum of predictions times worth; the propensity is the first. What costs more than it brings is
    a last resort, and another worth ranks otherwise without a new model.
    """
    control = learning(BOUGHT, Response("returned", WEEK, worth=-2.0))
    desk = shop(tmp_path, control, placements=(GREEDY,))
    teach(desk, {"1": [0.5, 0.2]}, {"milk": 0.3, "soap": -0.4})
    (decision,) = decided(desk)
    assert decision.slate[0].item == "milk"
    assert (decision.slate[0].propensity, decision.slate[0].priority) == pytest.approx((0.8, 0.4))
    assert "soap" not in [choice.item for choice in decision.slate]  # 0.1 - 2 x 0.2 is below 0


def test_value_comes_after_what_is_learned(tmp_path: Path) -> None:
    """The priority is the score times the item's value."""
    control = Control(learning=learning().learning, slates=(SlatePlan("home", worth=Worth("margin")),))
    desk = shop(tmp_path, control, placements=(GREEDY,))
    teach(desk, {"1": [0.5]})
    (decision,) = decided(desk)
    assert [(one.item, one.priority) for one in decision.slate[:2]] == [("cheese", 5.0), ("milk", 2.0)]


@pytest.mark.parametrize("policy", ["popular", "inverse_gap"])
def test_features_are_sealed_whoever_decides(tmp_path: Path, policy: str) -> None:
    """Wherever something is learned each choice carries its features, as the receipt does, with the space's name."""
    desk = shop(tmp_path, learning(), placements=(f"{{name: home, slots: 3, policy: {policy}}}",))
    answer = desk.answer()
    (decision,), (sealed,) = answer.decisions, desk.receipt(answer).decisions
    assert (decision.space, sealed.space) == (feature_space().name,) * 2
    assert [one.features for one in sealed.slots] == [one.features for one in decision.slate]
    assert features(decision)["popular"] > 0.0
    assert [features(decision, slot)["slot_later"] for slot in range(3)] == [0.0, 1.0, 1.0]


def test_nothing_is_sealed_where_nothing_is_learned(tmp_path: Path) -> None:
    """Without `learning` there are no features, and no space; nor for who wants none of it."""
    (decision,) = decided(shop(tmp_path))
    assert (decision.space, {choice.features for choice in decision.slate}) == ("", {b""})
    desk = shop(tmp_path / "learned", learning(), placements=(GREEDY,))
    (decision,) = decided(desk, pending=[intensity(Intensity.OFF)])
    assert (decision.space, {choice.features for choice in decision.slate}) == ("", {b""})


@pytest.mark.parametrize(
    ("level", "known"), [(Intensity.FULL, 1.0), (Intensity.EXPLICIT, 0.0), (Intensity.CONTEXTUAL, 0.0)]
)
def test_features_are_of_what_may_be_seen(tmp_path: Path, level: Intensity, known: float) -> None:
    """What a subject did is in its features at full intensity only; the popular is there for all."""
    desk = shop(tmp_path, learning(), placements=(GREEDY,))
    (decision,) = decided(desk, pending=[purchase("apples"), intensity(level)])
    found = features(decision)
    assert (found["known"], found["times"] > 0.0) == (known, known == 1.0)
    assert found["popular"] > 0.0


def test_what_is_tried_says_so(tmp_path: Path) -> None:
    """A choice with a better one beside it is EXPLORED, the best is LEARNED; the mixture's probability is reported."""
    desk = shop(tmp_path, learning(exploration=1.0), placements=("{name: home, slots: 1, policy: epsilon}",))
    reasons = {}
    for entropy in range(60):
        desk.pipeline._entropy = lambda size, entropy=entropy: bytes([entropy * 4]) * size  # type: ignore[misc]
        (decision,) = decided(desk)
        (choice,) = decision.slate
        reasons[choice.item] = (choice.reason, round(choice.probability, 6))
    assert reasons.pop("apples") == (Reason.LEARNED, round(0.9 + 0.1 / 6, 6))
    assert set(reasons.values()) == {(Reason.EXPLORED, round(0.1 / 6, 6))}


def test_a_model_of_another_playbook_is_not_used(tmp_path: Path) -> None:
    """A model of another shape than the space is not used: the first day's ranking serves."""
    desk = shop(tmp_path, learning(BOUGHT, Response("returned", WEEK)), placements=(GREEDY,))
    teach(desk, {"1": [0.5]}, {"soap": 0.4})
    (decision,) = decided(desk)
    assert decision.slate[0].item == "apples"


def test_a_learned_choice_names_what_was_done_before(tmp_path: Path) -> None:
    """`because` of a learned choice is the item itself when the subject did it before; else another text is said."""
    texts = (("en", "Again {{ because.name }}?"),), (("en", "For you"),)
    reasons = (ReasonText(Reason.LEARNED, texts[0], ("home",)), ReasonText(Reason.LEARNED, texts[1]))
    control = Control(learning=learning().learning, wording=Wording(reasons=reasons))
    desk = shop(tmp_path, control, placements=(GREEDY,))
    (decision,) = decided(desk, pending=[purchase("apples")])
    assert {one.item: one.reason_text for one in decision.slate} == {
        "apples": "Again apples?",
        "pears": "For you",
        "plums": "For you",
    }
