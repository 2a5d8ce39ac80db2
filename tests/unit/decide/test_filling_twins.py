"""What was compiled of the way from scores to slate against the Python code that it stands for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from maitred_server.decide import arbitration, filling, own, scoring
from maitred_server.decide.choice import Choice
from maitred_server.model import Reason
from maitred_server.policy import POLICIES, Policy, habit
from maitred_server.policy.base import CLOSED, Floats, Positions, Scores
from maitred_server.policy.drawing import Drawn
from maitred_server.policy.epsilon import Epsilon
from maitred_server.policy.exploring import Budgeted
from maitred_server.policy.greedy import Best
from maitred_server.policy.inverse_gap import InverseGap
from maitred_server.policy.thompson import Thompson
from maitred_server.store.counters import ROW, Rows
from maitred_server.store.keys import type_code, type_mask

MOST = 300
numbers = some.floats(-2, 2) | some.floats(0, 1) | some.sampled_from([0.0, -0.0, 0.5, CLOSED, 1e-300, 1e300])
few = some.lists(numbers, min_size=1, max_size=24)
many = some.builds(  # more than are added up at once
    lambda seed, size, closed: np.where(
        np.random.default_rng(seed).random(size) < closed, CLOSED, np.random.default_rng(seed + 1).random(size)
    ).tolist(),
    some.integers(0, 1 << 30),
    some.integers(1, MOST),
    some.sampled_from([0.0, 0.3, 0.9]),
)
priorities = few | many
shares = some.floats(0, 1) | some.sampled_from([0.0, 1.0])
seeds = some.integers(0, (1 << 64) - 1)


class Panel(Drawn):
    """`Thompson` for however many candidates: a policy without a recipe."""

    name = "panel"

    def others(self, priority: Floats, best: int, unit: float = 1.0) -> tuple[Floats, float]:
        return Thompson(np.full(len(priority), 0.2), 7).others(priority, best, unit)


inner = some.one_of(
    some.builds(InverseGap, some.floats(0.01, 1e4)),
    some.builds(Epsilon, some.floats(0, 1)),
    some.just(Best()),
    some.just(Panel()),
)
policies: some.SearchStrategy[Policy] = some.sampled_from(
    [POLICIES[name] for name in ("uniform", "habit")]
) | some.builds(Budgeted, inner, shares, some.sampled_from([0.0, 0.1, 3.0]))


@pytest.fixture(scope="module", name="slate")
def compiled_slate() -> ModuleType:
    """The compiled module."""
    module: ModuleType = pytest.importorskip("maitred_server.compiled.slate", reason="nothing was compiled here")
    return module


@pytest.fixture(scope="module", name="mine")
def compiled_own() -> ModuleType:
    """The compiled module."""
    module: ModuleType = pytest.importorskip("maitred_server.compiled.own", reason="nothing was compiled here")
    return module


@given(policy=policies, values=priorities, draw=some.floats(0, 1, exclude_max=True))
def test_a_choice_is_the_policys(slate: ModuleType, policy: Policy, values: list[float], draw: float) -> None:
    """Row and probability are those that the policy chooses by itself, to the last bit."""
    priority = np.array(values)
    assert slate.choose(policy, priority, draw) == policy.choose(priority, draw)


@given(
    policy=policies, values=priorities, draws=some.lists(some.floats(0, 1, exclude_max=True), min_size=1, max_size=9)
)
def test_choices_have_the_probability_of_their_distribution(
    slate: ModuleType, policy: Policy, values: list[float], draws: list[float]
) -> None:
    """What is reported with a row is its share of the distribution that is drawn from."""
    priority = np.array(values)
    for draw in draws:
        found = slate.choose(policy, priority, draw)
        if found is not None:
            assert found[1] == pytest.approx(policy.probabilities(priority)[found[0]], rel=1e-12, abs=1e-15)


@given(
    policy=policies,
    values=priorities,
    slots=some.integers(0, 5),
    seed=seeds,
    step=some.integers(0, 60),
    guarded=some.booleans(),
    widths=some.lists(some.integers(1, 3), min_size=MOST, max_size=MOST),
)
@example(POLICIES["habit"], [CLOSED], 3, 7, 0, True, [1] * MOST)
def test_slots_are_filled_alike(
    slate: ModuleType,
    policy: Policy,
    values: list[float],
    slots: int,
    seed: int,
    step: int,
    guarded: bool,
    widths: list[int],
) -> None:
    """The same rows, with the same probabilities, from the same draws; and the same rows are closed after it."""
    first, end = items(len(values), widths)
    one, other = np.array(values), np.array(values)
    found = slate.fill(one, policy, slots, seed, step, first, end, guarded)
    assert found == filling.fill(other, policy, slots, seed, step, first, end, guarded)
    assert one.tolist() == other.tolist()


def items(rows: int, widths: Sequence[int]) -> tuple[Positions, Positions]:
    """The first row of each row's item, and the one after its last."""
    index = np.arange(len(widths)).repeat(widths)[:rows]
    first, end = index.searchsorted(index), index.searchsorted(index, side="right")
    return first.astype(np.int32), end.astype(np.int32)


filled = some.tuples(
    some.integers(0, 9),
    some.integers(0, 5),
    some.floats(0, 1),
    some.floats(-1, 1) | some.just(CLOSED),
    some.booleans(),
    some.booleans(),
    some.booleans(),
)


@given(
    some.lists(filled, max_size=6),
    some.sampled_from([(Reason.LEARNED,), (Reason.POPULAR, Reason.HABIT)]),
    some.sampled_from([None, Reason.HOLDOUT]),
    some.booleans(),
    some.booleans(),
)
def test_choices_are_told_alike(
    slate: ModuleType,
    said: list[filling.Filled],
    reasons: tuple[Reason, ...],
    served: Reason | None,
    predicts: bool,
    learns: bool,
) -> None:
    """Names, reason, numbers and features of each choice are the same, of the same types."""
    propensity = np.arange(6.0) / 8 if predicts else None
    scores = Scores(np.zeros(6), propensity, reasons, frozenset({2, 3} if len(reasons) > 1 else ()))
    actions = np.array([3, 5, 8, 9, 14, 20], np.int32)
    features = [bytes([at]) for at in range(len(said))] if learns else None
    met = [bool(at % 2) for at in range(len(said))] if learns else None
    given = (Choice, said, actions, lambda action: (f"item {action}", "one"), served, scores, features, met)
    found, expected = slate.choices(*given), filling.choices(*given)
    assert (found, [list(map(type, one)) for one in found]) == (expected, [list(map(type, one)) for one in expected])


@given(some.lists(some.none() | some.integers(1, 9), max_size=5))
def test_what_remains_is_noted_alike(slate: ModuleType, left: list[int | None]) -> None:
    """All other fields of the choices are as they were."""
    before = [
        Choice(at, 2, "a", "b", Reason.HABIT, 0.5, 0.25, 3.0, True, None, "why", b"c", b"f", True, 7)
        for at in range(len(left))
    ]
    found, expected = slate.with_remaining(before, left), filling.with_remaining(before, left)
    assert (found, list(map(type, found))) == (expected, list(map(type, expected)))
    for module in (slate, filling):
        with pytest.raises(ValueError, match="longer"):
            module.with_remaining(before, [*left, None])


@given(few.map(lambda one: [*one, np.nan, np.inf]) | few, some.booleans(), seeds)
def test_what_is_closed_is_the_same(slate: ModuleType, values: list[float], every: bool, seed: int) -> None:
    """By a filter, and of what is no number."""
    priority = np.array(values)
    rows = None if every else np.random.default_rng(seed).random(len(values)) < 0.5
    assert slate.close(priority, rows).tolist() == scoring._close(priority, rows).tolist()
    assert priority.tolist() == pytest.approx(values, nan_ok=True)


@given(few)
def test_weights_are_the_same(slate: ModuleType, values: list[float]) -> None:
    """Products are equal, also of what overflows."""
    found, by = np.array(values), np.array(values[::-1])
    np.testing.assert_array_equal(slate.weighed(found, by), arbitration._weighed(found, by))


@given(
    some.lists(some.integers(0, 30), max_size=40),
    some.integers(0, 30),
    some.lists(some.integers(1, 3), max_size=20),
    seeds,
)
def test_what_was_met_is_the_same(
    mine: ModuleType, counted: list[int], others: int, widths: list[int], seed: int
) -> None:
    """Of counters of several types those of the candidates are found, with each variant; and habit ranks by them."""
    keys = np.arange(1, len(widths) + 1, dtype=np.uint64).repeat(widths) * np.uint64(0x9E3779B97F4A7C15)
    index = own.OwnIndex.lay("purchase", keys)
    rows = counters(keys, counted, others, seed)
    args = (rows, index.code, index.ids, index.begins, index.counts)
    found, expected = mine.of_rows(*args), own._of_rows(*args)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert [one.tolist() for one in found] == [one.tolist() for one in expected]
        scaled = np.random.default_rng(seed).random(len(keys))
        (ranked, met), (plainly, those) = mine.added(scaled, *found), habit._added(scaled, *found)
        assert (ranked.tolist(), met) == (plainly.tolist(), those)


def counters(keys: np.typing.NDArray[np.uint64], counted: list[int], others: int, seed: int) -> Rows:
    """Of some of the items, of other items, and of the same ones with another type."""
    chance = np.random.default_rng(seed)
    of_items = chance.permutation(np.unique(keys))[: len(counted)]
    unknown = chance.integers(1, 1 << 63, others).astype(np.uint64)
    made = [
        (key ^ np.uint64(type_mask(type_code(name))), type_code(name))
        for name, those in (("purchase", of_items), ("view", of_items), ("purchase", unknown))
        for key in those
    ]
    rows = np.zeros(len(made), ROW)
    rows["id"], rows["type"] = ([one[at] for one in made] for at in (0, 1))
    rows["count"] = chance.integers(1, 100, len(made))
    return rows[rows["id"].argsort()]


def test_misshapen_arrays_are_refused(slate: ModuleType, mine: ModuleType) -> None:
    """Nothing is read beyond an array's end, whatever is handed in."""
    priority, rows = np.zeros(4), np.arange(4, dtype=np.int32)
    policy = POLICIES["habit"]
    refused: tuple[Callable[[], object], ...] = (
        lambda: slate.choose(policy, np.zeros((2, 2)), 0.5),
        lambda: slate.choose(policy, np.zeros(4, np.float32), 0.5),
        lambda: slate.choose(policy, np.zeros(8)[::2], 0.5),
        lambda: slate.fill(priority, policy, 2, 7, 0, rows[:3], rows, False),
        lambda: slate.fill(priority, policy, 2, 7, 0, rows, rows.astype(np.int64), False),
        lambda: slate.close(priority, np.ones(3, np.bool_)),
        lambda: slate.weighed(priority, np.zeros(3)),
        lambda: slate.choices(Choice, [(0, 4, 1.0, 0.0, False, False, False)], rows, str, None, NOTHING, None, None),
        lambda: slate.choices(Choice, [(0, 1, 1.0, 0.0, False, False, False)], rows, NAMES, None, NOTHING, [], None),
        lambda: slate.choices(Choice, [(0, 1, 1.0, 0.0, False, False, False)], rows, NAMES, None, NOTHING, None, []),
        lambda: slate.choices(list, [(0, 1, 1.0, 0.0, False, False, False)], rows, NAMES, None, NOTHING, None, None),
        lambda: slate.with_remaining([[1] * 15], [2]),
        lambda: mine.of_rows(np.zeros(4), 1, *(np.zeros(1, kind) for kind in (np.uint64, np.intp, np.intp))),
        lambda: mine.of_rows(np.zeros(4, ROW), 1, *(np.zeros(at, np.intp).view(np.uint64) for at in (2, 2, 1))),
        lambda: mine.added(priority, np.array([4]), np.ones(1, np.uint32)),
    )
    for call in refused:
        with pytest.raises((TypeError, ValueError, IndexError)):
            call()


NOTHING = Scores(np.zeros(4), None, (Reason.POPULAR,))
NAMES = dict.fromkeys(range(4), ("item", "one")).__getitem__
