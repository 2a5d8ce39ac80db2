from __future__ import annotations

import io

from maitred_tools.demo.progress import rates, watching
from maitred_tools.demo.tally import Served, Tally
from rich.console import Console


def _watched(visits: int, *, terminal: bool) -> str:
    tally, text = Tally(), io.StringIO()
    with watching(Console(file=text, force_terminal=terminal, width=120), visits) as watch:
        for visit in range(visits):
            tally.add(Served(visit, 1, 0, "habit", "HABIT", 3, 1))
            watch(visit + 1, tally)
    return text.getvalue()


def test_plain_lines_without_a_terminal() -> None:
    """In a file or a pipe there are a few plain lines, the last of them about all visits."""
    lines = _watched(100, terminal=False).splitlines()
    assert len(lines) == 20
    assert "100 of 100 visits" in lines[-1]
    assert "habit 33.3%" in lines[-1]


def test_a_bar_on_a_terminal() -> None:
    """On a terminal there is a bar with the count and the running hit rate."""
    text = _watched(10, terminal=True)
    assert "10/10" in text
    assert "habit 33.3%" in text


def test_rates_name_only_what_was_offered() -> None:
    """A policy without any offer yet has no rate."""
    tally = Tally()
    tally.add(Served(0, 1, 0, "popular", "POPULAR", 3, 3))
    assert rates(tally) == "popular 100.0%"
