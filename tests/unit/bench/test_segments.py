"""The benchmark of segments runs, and measures what it says."""

from __future__ import annotations

import pytest
from maitred_tools.bench.segments import main, published


def test_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """One round prints a row for each thing that is measured, with a figure for each playbook."""
    main(rounds=1)
    figures = [line for line in capsys.readouterr().out.splitlines() if line.count(".") >= 2]
    assert len(figures) == 8


@pytest.mark.parametrize(("timeless", "expected"), [(False, 50), (True, 0)])
def test_how_many_are_not_timeless(timeless: bool, expected: int) -> None:
    """A quarter of the 200 segments asks for the context, or none."""
    segments = published(timeless).catalogue.control.segments
    assert (len(segments), sum(not one.timeless for one in segments)) == (200, expected)
