"""When calls are meant to be sent."""

from __future__ import annotations

import numpy as np
import pytest
from maitred_server.load.arrivals import moments, share
from maitred_server.load.asked import Place, Step


def all_moments(step: Step, processes: int, poisson: bool) -> list[float]:
    told = [
        list(moments(step, Place(number, processes), poisson, np.random.default_rng([7, number])))
        for number in range(processes)
    ]
    assert all(one == sorted(one) for one in told)
    return sorted(at for one in told for at in one)


@pytest.mark.parametrize("processes", [1, 3])
def test_even_arrivals_of_all_processes_are_even(processes: int) -> None:
    """However many processes share a rate, calls come at equal distances."""
    assert all_moments(Step(10.0, 2.0), processes, poisson=False) == pytest.approx([0.1 * n for n in range(20)])


@pytest.mark.parametrize("processes", [1, 4])
def test_poisson_arrivals_have_the_rate_and_its_spread(processes: int) -> None:
    """Gaps are exponential: their mean is 1 / rate and their deviation as large."""
    gaps = np.diff(all_moments(Step(1000.0, 20.0), processes, poisson=True))
    assert np.mean(gaps) == pytest.approx(0.001, rel=0.03)
    assert np.std(gaps) == pytest.approx(0.001, rel=0.05)


@pytest.mark.parametrize("poisson", [True, False])
def test_a_count_is_shared_to_the_last_call(poisson: bool) -> None:
    """A bound on calls holds over all processes together."""
    assert len(all_moments(Step(1000.0, 3600.0, calls=11), 4, poisson)) == 11
    assert [share(11, Place(number, 4)) for number in range(4)] == [3, 3, 3, 2]
