"""A run says beforehand how long it will take."""

from __future__ import annotations

import json
from pathlib import Path

from maitred_tools.bench import __main__ as command
from maitred_tools.bench import duration
from maitred_tools.bench.section import DEFAULT, FULL, QUICK


def test_every_section_has_a_time() -> None:
    """None is left out of the sum."""
    assert list(duration.MINUTES) == command.NAMES


def test_the_last_run_of_the_same_size_says_it_best() -> None:
    """A section of before counts with its seconds, unless it was measured at another size."""
    stamp = json.loads(json.dumps({"seconds": 77, "scale": QUICK._asdict()}))
    last = {"start": {"stamp": stamp, "figures": {}}}
    assert duration.rough_s("start", QUICK, last) == 77
    assert duration.rough_s("start", DEFAULT, last) == 60 * duration.MINUTES["start"]
    assert duration.rough_s("start", FULL, last) > duration.rough_s("start", DEFAULT, last)


def test_a_run_is_announced(tmp_path: Path) -> None:
    """The minutes of all sections, and those of the data that is not there yet."""
    told = duration.announced(["process", "batch"], DEFAULT, {}, tmp_path)
    assert told == "2 sections, about 6 minutes on two quiet cores, and about 7 minutes before to make data"
    assert duration.words(61) == "about 2 minutes"
    assert duration.words(2) == "about 1 minute"
