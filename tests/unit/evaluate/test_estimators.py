"""Estimators against brute force: over every log of one decision that can come about, weighted by how likely it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations, product

import numpy as np
import pytest
from maitred_server.evaluate.estimators.base import Case, Estimator, Predictions, logged_mean
from maitred_server.evaluate.estimators.choice import estimators
from maitred_server.evaluate.estimators.direct import direct
from maitred_server.evaluate.estimators.doubly_robust import clipped_doubly_robust, doubly_robust
from maitred_server.evaluate.estimators.ips import clipped_ips, ips
from maitred_server.evaluate.estimators.slates import cascade_ips, independent_ips
from maitred_server.evaluate.estimators.snips import cascade_snips, snips
from maitred_server.evaluate.log import LoggedDecision, LoggedSlot, gather
from maitred_server.evaluate.weights import effective_size, weigh

LOGGING = {"a": 5.0, "b": 3.0, "c": 2.0}
NEW = {"a": 1.0, "b": 2.0, "c": 6.0}
Page = tuple[str, ...]
Earn = Callable[[Page], tuple[float, ...]]  # reward of each slot of a page


def share(liking: dict[str, float], action: str, before: Page) -> float:
    """The probability of an action among those that are left, as likely as it is liked."""
    left = {name: weight for name, weight in liking.items() if name not in before}
    return left[action] / sum(left.values())


def chance(liking: dict[str, float], page: Page) -> float:
    return float(np.prod([share(liking, action, page[:rank]) for rank, action in enumerate(page)]))


def case_of(pages: list[Page], earn: Earn, clip: float = np.inf, guess: dict[str, float] | None = None) -> Case:
    """A log of these pages; `guess`: what a model says that an action earns, in whatever slot."""
    log, target = gather((LoggedDecision(str(n), list(slots(page, earn))) for n, page in enumerate(pages)), "new")
    assert log.candidates is not None
    assert target.whole is not None
    predictions = None
    if guess is not None:
        of_action = np.array([guess[name] for name in log.actions])
        expected = np.add.reduceat(of_action[log.candidates.action] * target.whole, log.candidates.starts[:-1])
        predictions = Predictions(of_action[log.action], expected)
    return Case(log, weigh(log, target), predictions, clip)


def slots(page: Page, earn: Earn) -> Iterator[LoggedSlot]:
    for rank, (action, reward) in enumerate(zip(page, earn(page), strict=True)):
        left = [name for name in LOGGING if name not in page[:rank]]
        new = [share(NEW, name, page[:rank]) for name in left]
        yield LoggedSlot(rank + 1, action, share(LOGGING, action, page[:rank]), reward, left, new)


def expectation(
    make: Callable[[Case], Estimator], earn: Earn, size: int, guess: dict[str, float] | None = None
) -> float:
    pages = list(permutations(LOGGING, size))
    return sum(chance(LOGGING, page) * make(case_of([page], earn, guess=guess)).estimate for page in pages)


def truth(earn: Earn, size: int) -> float:
    return sum(chance(NEW, page) * sum(earn(page)) for page in permutations(NEW, size))


def any_page(page: Page) -> tuple[float, ...]:
    """What is filled later changes what a slot earns."""
    worth = {"a": 0.3, "b": 0.1, "c": 0.7}
    return tuple(worth[action] * (2.0 if "b" in page else 1.0) - 0.1 * rank for rank, action in enumerate(page))


def cascade(page: Page) -> tuple[float, ...]:
    """Only what was filled before changes what a slot earns."""
    worth = {"a": 0.3, "b": 0.1, "c": 0.7}
    return tuple(worth[action] * (0.5 if "c" in page[:rank] else 1.0) for rank, action in enumerate(page))


GUESS = {"a": 0.9, "b": -0.4, "c": 0.2}


def robust(case: Case) -> Estimator:
    assert case.predictions is not None
    return doubly_robust(case, case.predictions)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_ips_is_unbiased_whatever_slots_do_to_each_other(size: int) -> None:
    """Over all logs, the mean of IPS is the new policy's value."""
    assert expectation(ips, any_page, size) == pytest.approx(truth(any_page, size), rel=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_cascade_ips_is_unbiased_in_a_cascade(size: int) -> None:
    """Over all logs, its mean is the value when slots earn the same whatever follows."""
    assert expectation(cascade_ips, cascade, size) == pytest.approx(truth(cascade, size), rel=1e-12)


def test_cascade_ips_is_biased_outside_of_a_cascade() -> None:
    """What it assumes is needed: with other rewards its mean is not the value."""
    assert expectation(cascade_ips, any_page, 2) != pytest.approx(truth(any_page, 2), rel=1e-3)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("guess", [GUESS, dict.fromkeys(GUESS, 0.0)])
def test_doubly_robust_is_unbiased_with_any_model(size: int, guess: dict[str, float]) -> None:
    """However wrong the model, the mean over all logs is the value."""
    assert expectation(robust, cascade, size, guess) == pytest.approx(truth(cascade, size), rel=1e-12)


def test_doubly_robust_with_a_model_of_nothing_is_ips() -> None:
    """A model that says 0 leaves the weighted rewards."""
    case = case_of([("a", "b"), ("c", "a")], cascade, guess=dict.fromkeys(GUESS, 0.0))
    assert robust(case).estimate == pytest.approx(cascade_ips(case).estimate, rel=1e-12)


def test_the_direct_method_with_the_right_model_is_the_truth() -> None:
    """In one slot, with the true rewards as the model, every log gives the value."""
    worth = {action: any_page((action,))[0] for action in LOGGING}
    for action in LOGGING:
        case = case_of([(action,)], any_page, guess=worth)
        assert case.predictions is not None
        assert direct(case, case.predictions).estimate == pytest.approx(truth(any_page, 1), rel=1e-12)


def test_independent_ips_is_unbiased_for_independent_slots() -> None:
    """Slots that are drawn and that earn by themselves: weighting each by its own is enough."""
    total, true = 0.0, 0.0
    worth = [{"a": 0.3, "b": 0.5}, {"a": 1.0, "b": 0.2}]
    old, new = [{"a": 0.5, "b": 0.5}, {"a": 0.2, "b": 0.8}], [{"a": 0.9, "b": 0.1}, {"a": 0.6, "b": 0.4}]
    for page in product("ab", repeat=2):
        filled = [
            LoggedSlot(rank, action, old[rank][action], worth[rank][action], "ab", list(new[rank].values()))
            for rank, action in enumerate(page)
        ]
        log, target = gather([LoggedDecision("s", filled)], "new")
        case = Case(log, weigh(log, target), None, np.inf)
        total += float(np.prod(log.probability)) * independent_ips(case).estimate
        true += float(np.prod(target.logged)) * sum(worth[rank][action] for rank, action in enumerate(page))
    assert total == pytest.approx(true, rel=1e-12)


def test_snips_divides_by_the_weights() -> None:
    """Two decisions, by hand: weights (1/9)/(1/2) and (6/9)/(1/5), rewards .3 and .7."""
    case = case_of([("a",), ("c",)], cascade)
    first, second = (1 / 9) / 0.5, (6 / 9) / 0.2
    assert snips(case).estimate == pytest.approx((first * 0.3 + second * 0.7) / (first + second), rel=1e-12)
    assert cascade_snips(case).estimate == pytest.approx(snips(case).estimate, rel=1e-12)
    assert ips(case).estimate == pytest.approx((first * 0.3 + second * 0.7) / 2, rel=1e-12)


@pytest.mark.parametrize("make", [snips, cascade_snips])
def test_normalising_moves_with_a_constant(make: Callable[[Case], Estimator]) -> None:
    """One more for every slot is as much more for the estimate as there are slots; so it is not with IPS."""
    pages: list[Page] = [("a", "b"), ("c", "a"), ("b", "c")]
    case = case_of(pages, cascade)
    more = case_of(pages, lambda page: tuple(reward + 1 for reward in cascade(page)))
    assert make(more).estimate - make(case).estimate == pytest.approx(2, rel=1e-12)
    assert ips(more).estimate - ips(case).estimate != pytest.approx(2, rel=1e-2)


def test_pages_of_different_lengths_are_averaged_over_all_decisions() -> None:
    """A second slot that half of the decisions have counts half: with weights of 1, the mean of what they earned."""
    log, target = gather(
        [
            LoggedDecision(
                "s", [LoggedSlot(1, "a", 0.5, 1.0, "ab", (0.5, 0.5)), LoggedSlot(2, "b", 0.5, 3.0, "ab", (0.5, 0.5))]
            ),
            LoggedDecision("t", [LoggedSlot(1, "b", 0.5, 2.0, "ab", (0.5, 0.5))]),
        ],
        "same",
    )
    case = Case(log, weigh(log, target), None, np.inf)
    assert [one.estimate for one in estimators(case)] == pytest.approx([3.0] * 6)
    assert logged_mean(log).estimate == 3.0


def test_clipping_bounds_the_weights() -> None:
    """At a clip of 1 the weight of 3.33 is 1; the clipped doubly robust leaves the rest to the model."""
    case = case_of([("c",)], cascade, clip=1.0, guess=GUESS)
    assert case.predictions is not None
    assert clipped_ips(case).estimate == pytest.approx(0.7)
    expected = (1 * 0.9 + 2 * -0.4 + 6 * 0.2) / 9
    assert clipped_doubly_robust(case, case.predictions).estimate == pytest.approx(expected + 0.7 - 0.2)


def test_the_estimators_are_chosen_by_the_log_alone() -> None:
    """Doubly robust leads when there is a model, else self-normalised; slates get the forms for slates."""
    names = [[one.name for one in estimators(case_of(*given))] for given in _logs()]
    assert [found[0] for found in names] == ["SNIPS", "DR", "cascade SNIPS", "cascade DR"]
    assert [len(found) for found in names] == [3, 6, 6, 9]


def _logs() -> Iterator[tuple[list[Page], Earn, float, dict[str, float] | None]]:
    pages: tuple[list[Page], list[Page]] = ([("a",), ("b",)], [("a", "b"), ("b", "c")])
    for some in pages:
        yield some, cascade, np.inf, None
        yield some, cascade, np.inf, GUESS


def test_the_effective_sample_of_equal_weights_is_their_number() -> None:
    """Kish: n for equal weights, 1 for one that outweighs all, 0 for none."""
    assert effective_size(np.full(7, 0.3)) == pytest.approx(7)
    assert effective_size(np.array([0.0, 5.0, 0.0])) == 1
    assert effective_size(np.zeros(3)) == 0
