"""What the policies of the demo that do not learn would score if each of them served every visit.

It is the yardstick for the live run.

Everything happens in this process, over the same visits in the same order, and knows only what was bought before the
visit. Rules, which the live policies share:

* `uniform`: three different categories at random. No draw is made: the expected hits are 3 x basket size / categories.
* `popular`: the three categories that were in most baskets so far.
* `habit`: the three categories that were in most of this household's baskets so far, at least one; slots that are left
  by popularity.
* Ties: in `habit` by popularity; in both then by the order of the catalogue (categories sorted by name).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from maitred_tools.demo.groceries import Floats, Groceries, Ints, load, package_folder

SLOTS = 3
POLICIES = ("uniform", "popular", "habit")
_BASKETS = 1 << 32  # more than there are baskets, times the categories: keeps the two parts of a rank apart


@dataclass(frozen=True)
class Reference:
    """Hits of each policy at each visit: `hits[policy][visit]`, from 0 to SLOTS."""

    hits: dict[str, Floats]

    def precision(self, policy: str, visits: Ints | slice) -> float | None:
        """Share of the offered categories that were in the basket at these visits; None when there are none, or when it
        is not known what the policy would have scored.
        """
        if policy not in self.hits:
            return None
        hits = self.hits[policy][visits]
        return float(hits.sum() / (SLOTS * len(hits))) if len(hits) else None


def simulate(groceries: Groceries, visits: int | None = None) -> Reference:
    """Gives every policy each of the first `visits` visits (None: all)."""
    total = len(groceries) if visits is None else min(visits, len(groceries))
    size = len(groceries.categories)
    hits = {policy: np.zeros(total) for policy in POLICIES}
    popular = np.arange(size, 0, -1, dtype=np.int64)  # rank of each category: baskets x size, and its place for ties
    habits: dict[int, Ints] = {}
    for visit in range(total):
        basket = groceries.basket(visit)
        own = habits.setdefault(int(groceries.household[visit]), np.zeros(size, dtype=np.int64))
        hits["uniform"][visit] = SLOTS * len(basket) / size
        hits["popular"][visit] = _hits(popular, basket)
        hits["habit"][visit] = _hits(own + popular, basket)
        popular[basket] += size + 1
        own[basket] += _BASKETS
    return Reference(hits)


def _hits(rank: Ints, basket: Ints) -> int:
    offered = np.argpartition(rank, -SLOTS)[-SLOTS:]
    return sum(category in basket for category in offered)


def main() -> None:
    """Prints the three figures for the real data."""
    parser = argparse.ArgumentParser(prog="python -m maitred_tools.demo.reference", description=main.__doc__)
    parser.add_argument("--visits", type=int, default=None, help="how many visits, in time order (default: all)")
    reference = simulate(load(package_folder()), parser.parse_args().visits)
    half = len(reference.hits["uniform"]) // 2
    for policy in POLICIES:
        whole, second = reference.precision(policy, slice(None)), reference.precision(policy, slice(half, None))
        print(f"{policy:8} all {whole:.4f}  second half {second:.4f}")


if __name__ == "__main__":
    main()
