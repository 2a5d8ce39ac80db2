"""Evaluations as a whole: what is warned of, and the sentence at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from maitred_server.errors import InvalidRequest
from maitred_server.evaluate.build import build
from maitred_server.evaluate.report import Evaluation, Options, evaluate
from maitred_server.evaluate.table import Table
from maitred_server.evaluate.targets import target


def evaluated(policy: str, options: Options | None = None, **columns: Any) -> Evaluation:
    cells = {name: list(column) for name, column in columns.items()}
    table = Table(cells, range(1, len(cells["action"]) + 1), "row")
    log = build(table)
    return evaluate(log, target(policy, log, table), options or Options(resamples=300), lambda done, of: None)


def chosen(rows: int, shares: tuple[float, ...] = (0.5, 0.5), seed: int = 1, worth: float = 0.5) -> dict[str, Any]:
    """A log of actions `a`, `b` ..., drawn as told; so many of the `a`s and a tenth of the others earn 1."""
    rng = np.random.default_rng(seed)
    action = rng.choice(len(shares), rows, p=shares)
    reward = rng.random(rows) < np.where(action == 0, worth, 0.1)
    return {
        "action": ["abcdefgh"[one] for one in action],
        "probability": np.array(shares)[action],
        "reward": reward.astype(float),
    }


@pytest.mark.parametrize(("policy", "word"), [("always:a", "better"), ("always:b", "worse")])
def test_a_large_difference_is_told(policy: str, word: str) -> None:
    """The sentence begins with the word and holds value, difference, interval and estimator."""
    found = evaluated(policy, **chosen(4_000))
    first = found.estimates[0]
    assert found.verdict.word == word
    assert found.verdict.sentence.startswith(
        f"{word.capitalize()}: `{policy}` would have earned {first.value:.4g} a decision, {first.difference:+.4g} "
    )
    assert found.verdict.sentence.endswith("by DR).")
    assert found.warnings == []
    assert first.value == pytest.approx(0.5 if word == "better" else 0.1, abs=0.05)


def test_little_data_ask_for_more() -> None:
    """A difference that cannot be told comes with how many decisions would tell it; with that many it is told."""
    shares = (0.3, 0.7)
    small = evaluated("uniform", **chosen(300, shares, 5, 0.15))
    assert small.verdict.word == "cannot be told"
    assert f"; about {small.verdict.needed:,} decisions would be needed" in small.verdict.sentence
    large = evaluated("uniform", **chosen(4 * small.verdict.needed, shares, 4, 0.15))
    assert large.verdict.word == "better"


def test_the_same_seed_gives_the_same_figures() -> None:
    """All of them, to the last bit; another seed gives other intervals around the same estimates."""
    log = chosen(300)
    one, two = (evaluated("always:a", **log) for _ in range(2))
    assert one == two
    other = evaluated("always:a", Options(resamples=300, seed=2), **log)
    named = {figure.name: figure for figure in other.estimates}
    assert [figure.value == named[figure.name].value for figure in one.estimates if "DR" not in figure.name][:2] == [
        True,
        True,
    ]
    assert one.estimates[1].bootstrap != named["SNIPS"].bootstrap


def test_more_confidence_is_wider() -> None:
    """99% intervals hold the 80% ones."""
    log = chosen(500)
    wide, narrow = (evaluated("always:a", Options(resamples=500, confidence=level), **log) for level in (0.99, 0.8))
    for one, two in zip(wide.estimates, narrow.estimates, strict=True):
        assert one.normal.low < two.normal.low < two.normal.high < one.normal.high


def test_probabilities_that_are_too_small_are_seen() -> None:
    """Weights with a mean of 2 say that the log lies, and no verdict is given."""
    log = chosen(2_000)
    found = evaluated("uniform", **log | {"probability": log["probability"] / 2})
    assert found.mean_weight == pytest.approx(2)
    assert found.verdict.word == "cannot be told"
    assert "the logged probabilities cannot be right" in found.verdict.sentence
    assert "1 / (probability x candidates) has mean 2" in " ".join(found.warnings)


def test_actions_that_were_never_logged_are_seen() -> None:
    """A policy of which a third is never in the log is not judged by the rest."""
    log = chosen(3_000)
    found = evaluated("uniform", **log, candidates=["a|b|c"] * 3_000)
    assert "33.3% of what the new policy does is never in the log: estimates leave it out" in found.warnings
    assert "weights' mean is 0.6" in found.verdict.sentence
    assert found.verdict.word == "cannot be told"


def test_a_small_effective_sample_is_warned_of_and_a_tiny_one_not_judged() -> None:
    """Under 1,000 there is a warning; under 30, or with hardly a reward to expect, there is no verdict."""
    some = evaluated("always:a", **chosen(1_500))
    assert 30 < some.effective_sample < 1_000
    assert "intervals may be too narrow" in some.warnings[0]
    assert some.verdict.word == "better"
    few = evaluated("always:a", **chosen(1_000, (0.02, 0.98)))
    assert few.effective_sample < 30
    assert few.verdict.word == "cannot be told"
    assert "too few for a verdict" in few.verdict.sentence


def test_no_reward_among_few_is_no_proof_of_worse() -> None:
    """A rare action without any reward: its estimate is 0 without any spread, and still nothing is told."""
    log = chosen(2_000, (0.05, 0.95))
    never = np.where(np.array(log["action"]) == "a", 0.0, np.arange(2_000) % 50 == 0)
    found = evaluated("always:a", **log | {"reward": never})
    snips = next(one for one in found.estimates if one.name == "SNIPS")
    assert (snips.value, snips.error) == (0, 0)
    assert found.verdict.word == "cannot be told"


def test_clipping_is_stated() -> None:
    """The clip, how many weights are over it, and how much of all weight that takes away."""
    log = chosen(1_000, (0.1, 0.9))
    found = evaluated("always:a", Options(clip=4, resamples=100), **log)
    assert found.clip == 4
    assert found.clipped == log["action"].count("a")
    assert found.clipped_weight == pytest.approx(0.6)
    assert evaluated("always:a", **log).clip == pytest.approx(1_000**0.5)


def test_slates_are_judged_by_the_cascade() -> None:
    """Two slots a decision: the first slot's reward is not drowned in the second slot's weights."""
    log = chosen(6_000)
    found = evaluated(
        "column:new", **log, decision=np.arange(6_000) // 2, new=np.where(np.array(log["action"]) == "a", 0.8, 0.2)
    )
    names = {one.name: one for one in found.estimates}
    assert (found.slots, found.decisions, found.estimates[0].name) == (2, 3_000, "cascade SNIPS")
    assert names["cascade IPS"].error < names["IPS"].error


def test_one_subject_is_no_sample() -> None:
    """Without a second subject nothing can be said about chance."""
    with pytest.raises(InvalidRequest, match="at least two subjects"):
        evaluated("uniform", **chosen(10), subject=["ann"] * 10)


def test_probabilities_too_small_to_reckon_with_are_refused() -> None:
    """Six slots of 1e-12 make a weight that no number holds well; this is said, and nothing is NaN."""
    log: dict[str, Any] = {
        "action": ["a", "b"] * 6,
        "probability": [1e-12] * 12,
        "reward": [0.0] * 12,
        "decision": ["d"] * 6 + ["e"] * 6,
    }
    with pytest.raises(InvalidRequest, match="too small to reckon with"):
        evaluated("column:new", **log, new=[1.0] * 12)
