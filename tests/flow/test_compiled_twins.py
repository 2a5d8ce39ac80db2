"""Whole decisions with what was compiled and without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from maitred_tools.bench import places, seed, taught, twins
from maitred_tools.throwaway import accept_any_disk

PROFILES = 1_000


@pytest.mark.timeout(300)
def test_decisions_are_the_same_with_and_without_what_was_compiled(tmp_path: Path) -> None:
    """By rules, segments, contact policies and models of ten to ten thousand candidates, for subjects with a history
    and for new ones, in pages of one and two placements, answers and receipts agree."""
    pytest.importorskip("maitred_server.compiled.slate", reason="nothing was compiled here")
    accept_any_disk()
    data = seed.made(tmp_path, PROFILES)
    taught.prepared(data, range(PROFILES))
    taught.in_force(data, places.EVERYTHING)
    assert twins.differing(data, 300, PROFILES) == []


def test_a_difference_is_told() -> None:
    """A name, a number or a length that differs is found and named; a last bit of a float is none."""
    same = [["a", 1, 0.5], None]
    assert twins.difference(same, [["a", 1, 0.5 + 1e-13], None]) == ""
    assert twins.difference(same, [["a", 2, 0.5], None]) == "/0/1: compiled 1, not compiled 2"
    assert twins.difference(same, [["a", 1, 0.6], None]) == "/0/2: compiled 0.5, not compiled 0.6"
    assert twins.difference(same, [["a", 1], None]) == "/0: compiled ['a', 1, 0.5], not compiled ['a', 1]"
