"""What learning brought in the demo: beside habit, and how far behind the learner was."""

from __future__ import annotations

import numpy as np
import pytest
from maitred_tools.demo.learned import Lag, figures, sentences
from maitred_tools.demo.reference import Reference
from maitred_tools.demo.tally import Served, Tally


def tally(learned: int, habit: int, visits: int = 80) -> Tally:
    """Even households are served what is learned, odd ones habit, with so many hits of three offers each."""
    found = Tally()
    for visit in range(visits):
        group, hits = ("learned", learned) if visit % 2 == 0 else ("habit", habit)
        found.add(Served(visit, visit % 8, visit, group, "LEARNED", 3, hits - (visit % 8 == 6)))
    return found


@pytest.mark.parametrize(("learned", "habit", "word"), [(3, 1, "Better"), (1, 3, "Worse"), (2, 2, "Cannot be told")])
def test_a_plain_sentence(learned: int, habit: int, word: str) -> None:
    """Better or worse only when the interval leaves out no difference."""
    reference = Reference({"habit": np.full(80, float(habit))})
    found = figures(tally(learned, habit).columns(), reference, Lag())
    assert found["households"]["sentence"].startswith(word)
    assert found["households"]["difference"] == pytest.approx((learned - habit) / 3 - 1 / 12, abs=1e-6)
    assert found["same_visits"]["difference"] == pytest.approx((learned - habit) / 3 - 1 / 12, abs=1e-6)
    assert found["same_visits"]["lift"] == pytest.approx(((learned - habit) / 3 - 1 / 12) / (habit / 3), abs=1e-6)


def test_without_such_households_nothing_is_said() -> None:
    """A run too small for both arms has no comparison."""
    only = Tally()
    only.add(Served(0, 1, 0, "habit", "HABIT", 3, 1))
    found = figures(only.columns(), Reference({"habit": np.zeros(1)}), Lag())
    assert found == {"behind": {}}


def test_the_lag_is_in_visits() -> None:
    """Three events a visit, of which the learner has read seven: two visits are whole, of five it is three behind."""
    lag = Lag()
    for recorded in (3, 6, 9, 12, 15):
        lag.visited(recorded)
    lag.look(7)
    lag.look(15)
    lag.look(15)
    assert lag.figures() == {"median": 0, "most": 3}
    (said,) = sentences({"learned": {"behind": lag.figures()}, "visits_per_second": 311.4})
    assert said.startswith("The learner was 0 visits behind in the median, 3 at most")
