"""The bandit benchmark's own sums, on problems small enough to know the answer."""

from __future__ import annotations

from statistics import mean

import numpy as np
import pytest
from maitred_tools.learn import report
from maitred_tools.learn.contestants import CONTESTANTS
from maitred_tools.learn.data import Problem, classes, codes, full, one_hot
from maitred_tools.learn.drift import ENTRANTS, RATES, Drifted, Recovery, drift, problem, recovery
from maitred_tools.learn.ours import Ours, Setting
from maitred_tools.learn.plan import Plan, best_settings, drifts, headlines
from maitred_tools.learn.play import Played, Task, play_problem
from maitred_tools.learn.upworthy import RULES, Lost, regret, uniform

TASK = Task("two", "ours", 0, 3, 400)


def two_sided(rounds: int) -> Problem:
    """Action 0 is right below a half, action 1 above."""
    feature = np.random.default_rng(1).random(rounds)
    return classes("two", feature[:, None], (feature > 0.5).tolist())


def test_labels_become_rewards() -> None:
    """Each class is an action that brings 1 for its own label and 0 for others; features are put over their range."""
    found = classes("some", np.array([[2.0], [4.0], [3.0]]), ["b", "a", "b"])
    assert found.rewards.tolist() == [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    assert found.contexts.tolist() == [[0.0], [1.0], [0.5]]
    assert codes(["x", "y", "x"]).tolist() == [0, 1, 0]
    assert one_hot(["x", "y", "x"]).tolist() == [[0.0], [1.0], [0.0]]
    assert one_hot(["x", "y", "z"]).tolist() == np.eye(3).tolist()


def test_orders_differ_and_come_again() -> None:
    """An order has the same rounds whenever it is asked for, another one has others."""
    given = two_sided(50)
    assert given.order(1, 10).contexts.tolist() == given.order(1, 10).contexts.tolist()
    assert given.order(1, 10).contexts.tolist() != given.order(2, 10).contexts.tolist()
    assert len(given.order(1, 10).rewards) == 10


def test_ours_learns_which_action_is_right() -> None:
    """Where a line between two actions is all there is to know, ours is right nine times in ten over 400 rounds."""
    played = play_problem(two_sided(400), TASK)
    assert played.known == 400
    assert played.reward > 0.9


def test_every_policy_of_ours_plays() -> None:
    """Thompson's draws and epsilon give actions with probabilities, too."""
    for setting in (Setting("thompson", eagerness=1.0), Setting("epsilon", eagerness=0.1)):
        learner = Ours(1, 3, setting)
        for row in range(30):
            chosen = learner.decide(np.ones(1), np.array([True, True, False]), row / 30)
            assert chosen[0] in {0, 1}
            assert 0.0 < chosen[1] <= 1.0
            learner.learn(np.ones(1), chosen, float(chosen[0]))
        assert learner.decide(np.ones(1), np.ones(3, np.bool_), 0.5)[0] == 1


def test_unknown_outcomes_count_and_teach_nothing() -> None:
    """A round in which nobody knows what the choice brings is left out; the others count by their weights."""
    given = full("gaps", np.ones((4, 1)), np.array([[np.nan], [1.0], [0.0], [np.nan]]))
    given.weights[1] = 3.0
    played = play_problem(given, TASK)
    assert (played.known, played.reward) == (2, 0.75)


def test_the_setting_with_most_reward_is_chosen() -> None:
    """For each data set and contestant; of equals the first."""
    tasks = [Task("a", "ours_tuned", setting, 0, 1) for setting in range(3)]
    found = [Played(reward, 0.0, 0.0, 1) for reward in (0.5, 0.7, 0.7)]
    assert best_settings(tasks, found) == {("a", "ours_tuned"): 1}


def test_intervals_are_students() -> None:
    """Ten values with a mean of 5.5 and a deviation of 3.03 have an interval of 2.262 standard errors."""
    found = report.mean_of([float(one) for one in range(1, 11)])
    assert found.mean == 5.5
    assert found.high - found.mean == pytest.approx(2.262 * 3.02765 / 10**0.5, abs=1e-4)
    assert report.mean_of([2.0]) == (2.0, 2.0, 2.0)


def test_uniform_loses_the_mean_gap() -> None:
    """Showing two arms alike loses half of their gap with each impression."""
    lost = [regret(np.array([0.10, 0.04]), uniform, 1_000, seed) for seed in range(20)]
    assert mean(lost) == pytest.approx(30.0, rel=0.05)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "uniform"])
def test_every_rule_loses_less_than_uniform(rule: str) -> None:
    """Of arms that are far apart, each rule soon prefers the better one."""
    assert regret(np.array([0.5, 0.1]), RULES[rule](), 2_000, 1) < 0.5 * 2_000 * 0.4 / 2


def test_recovery_is_counted_from_the_flip() -> None:
    """Who serves the next best from the 50th round after the flip on has recovered 50 + 80 rounds after it."""
    given = problem(1_000, 1)
    chosen = np.zeros(1_000, np.int64)
    chosen[550:] = int(np.argmax(RATES[1:])) + 1
    found = recovery(chosen, given)
    assert (found.rounds, found.recovered) == (130, True)
    assert recovery(np.zeros(1_000, np.int64), given)[:2] == (500, False)


def test_a_half_life_recovers() -> None:
    """With a half-life of five days of a hundred rounds ours is back at the best item in the end."""
    assert drift(Drifted("ours_half_life", 0, 0, 3_000)).recovered


def test_the_report_names_every_contestant() -> None:
    """Tables have a row for each contestant, and say where ours is behind."""
    plan = Plan(orders=2)
    tasks = [Task("a", who, 0, order, 1) for who in CONTESTANTS for order in range(2)]
    rewards = {who: 0.5 + 0.1 * who.startswith("vw_cover") for who in CONTESTANTS}
    found = report.bandits(tasks, [Played(rewards[task.contestant], 10.0, 20.0, 1) for task in tasks])
    assert found["a"]["ours"]["ahead_of_vw"] == {"mean": -0.1, "low": -0.1, "high": -0.1, "peer": "vw_cover"}
    lost = report.headlines([Lost("uniform", 0, 1), Lost("uniform", 1, 1)], [1.0, 3.0])
    flips = drifts(plan._replace(drift_orders=1))
    told = report.drifts(flips, [Recovery(100 + flip.setting, True, 0.3) for flip in flips])
    whole = {"bandits": found, "headlines": lost, "drift": told, "plan": plan._asdict()}
    assert [row[0] for row in report.reward_rows(whole)] == list(CONTESTANTS)
    assert {row[0] for row in report.drift_rows(whole)} == set(ENTRANTS)
    assert report.headline_rows(whole) == [("uniform", "2.0 (-10.7 to 14.7)")]
    assert report.time_rows(whole)[0] == ("ours", "10 / 20")
    assert len(headlines(plan)) == len(RULES) * plan.headlines
