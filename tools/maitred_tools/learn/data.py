"""Labelled data as bandit problems: of each round, what every action would have brought, where that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from maitred_server.policy.base import Bools, Floats

SHARED: Final = Path(__file__).parents[4] / "shared" / "data"
FEWEST: Final = 20  # offers of a kind that a scenario must have seen,
LEAST: Final = 0.1  # and their share of its offers: no round counts more than ten times


class Problem(NamedTuple):
    """n rounds over k actions."""

    name: str
    contexts: Floats  # float64[n, d], each in [0, 1]
    rewards: Floats  # float64[n, k], in [0, 1]; NaN: nobody knows, and the round is left out when that is chosen
    is_open: Bools  # bool[n, k]: which actions may be chosen
    weights: Floats  # float64[n, k]: how much a round counts in which that was chosen

    def order(self, seed: int, most: int) -> Problem:
        """At most so many rounds in an order of their own."""
        rows = np.random.default_rng([7, seed]).permutation(len(self.contexts))[:most]
        contexts, rewards = self.contexts[rows], self.rewards[rows]
        return Problem(self.name, contexts, rewards, self.is_open[rows], self.weights[rows])


def full(name: str, contexts: Floats, rewards: Floats) -> Problem:
    """A problem of which everything is known."""
    return Problem(name, contexts, rewards, np.ones(rewards.shape, np.bool_), np.ones(rewards.shape))


def scaled(features: Floats) -> Floats:
    """Each column over its range: 0 to 1."""
    low, high = features.min(0), features.max(0)
    found: Floats = (features - low) / np.where(high > low, high - low, 1.0)
    return found


def classes(name: str, features: Floats, labels: Sequence[object]) -> Problem:
    """Naming the class is the action, and right or wrong the reward."""
    names = sorted({str(label) for label in labels})
    rewards = np.array([[float(str(label) == one) for one in names] for label in labels])
    return full(name, scaled(features), rewards)


def digits() -> Problem:
    """Handwritten digits: 1,797 of 10 classes, 64 grey values."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return classes("digits", found.data.astype(np.float64), found.target.tolist())


def segments() -> Problem:
    """Pieces of outdoor photographs: 2,310 of 7 classes, 18 measures."""
    from river.datasets import ImageSegments

    rows, labels = zip(*stream(ImageSegments), strict=True)
    return classes("segments", table(rows), labels)


def phishing() -> Problem:
    """Web pages, honest or not: 1,250 with 9 marks; two actions."""
    from river.datasets import Phishing

    rows, labels = zip(*stream(Phishing), strict=True)
    return classes("phishing", table(rows), labels)


def yeast() -> Problem:
    """Genes with several functions each: 2,417 with 103 measures; naming any of its functions is right, of 14."""
    from river.datasets import Yeast

    rows, labels = zip(*stream(Yeast), strict=True)
    return full("yeast", scaled(table(rows)), table(labels))


def stream(make: Callable[..., Iterable[tuple[Any, Any]]]) -> Iterable[tuple[Any, Any]]:
    """The records of a data set that comes as a stream."""
    return make()


def table(rows: Iterable[Mapping[str, float]]) -> Floats:
    """Records of the same fields as a matrix."""
    return np.array([list(row.values()) for row in rows], np.float64)


def coupons() -> Problem:
    """Drivers that were offered one of five kinds of coupon, and took it or not.

    Which kind was offered depends on the scenario (destination, company, weather, temperature, hour). So an action is
    open where its scenario saw it often enough, only what was offered is known, and a round counts by the inverse of
    the kind's share in its scenario (replay of a log; Li, Chu, Langford and Wang 2011).
    """
    import pyarrow.parquet as parquet

    columns = parquet.read_table(SHARED / "in_vehicle_coupon" / "coupon.parquet").to_pydict()
    scenarios = codes(zip(*(columns[name] for name in SCENARIO), strict=True))
    kinds = codes(columns["coupon"])
    counts = np.zeros((scenarios.max() + 1, kinds.max() + 1))
    np.add.at(counts, (scenarios, kinds), 1)
    seen = np.where((counts >= FEWEST) & (counts >= LEAST * counts.sum(1)[:, None]), counts, 0.0)
    is_open = (seen > 0)[scenarios]
    each = np.arange(len(kinds))
    kept = np.flatnonzero((is_open.sum(1) > 1) & is_open[each, kinds])
    rewards = np.full(is_open.shape, np.nan)
    rewards[each, kinds] = columns["Y"]
    weights = np.divide(seen.sum(1)[:, None], seen, out=np.zeros(seen.shape), where=seen > 0)[scenarios]
    contexts = np.concatenate([one_hot(columns[name]) for name in columns if name not in {"coupon", "Y"}], 1)
    return Problem("coupons", contexts[kept], rewards[kept], is_open[kept], weights[kept])


SCENARIO: Final = ("destination", "passanger", "weather", "temperature", "time")


def codes(values: Iterable[object]) -> npt.NDArray[np.int64]:
    """A number for each value, by its first coming."""
    known: dict[object, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values])


def one_hot(values: Sequence[object]) -> Floats:
    """A column for each value; none where there is but one, one for two."""
    found = np.unique(codes(values), return_inverse=True)[1]
    return np.eye(found.max() + 1)[found][:, 1 if found.max() < 2 else 0 :]


def has_shared(folder: str) -> bool:
    """Whether the data that no package ships is there."""
    return (SHARED / folder).is_dir()


SETS: Final[dict[str, Callable[[], Problem]]] = {
    "digits": digits,
    "coupons": coupons,
    "segments": segments,
    "yeast": yeast,
    "phishing": phishing,
}
