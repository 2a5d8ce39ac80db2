"""Targets are judged from the figures of the sections, and what was not measured is neither met nor missed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from maitred_tools.bench.targets import Target, targets


def judged(measured: Mapping[str, Any]) -> dict[str, bool | None]:
    return {one.name: one.met for one in targets(measured)}


def test_each_target_is_judged_by_its_figure(measured: Mapping[str, Any]) -> None:
    """At most and at least, each the right way round, with the value beside."""
    found = {one.name: (one.value, one.met) for one in targets(measured)}
    text = "server CPU of a decide, 1,000 candidates, everything on, through {} / the cheaper empty grpcio echo"
    assert found == {
        text.format("grpcio"): (1.3, True),
        text.format("the Envoy front"): (None, None),
        "decision in process, 1,000 candidates, everything on / vowpalwabbit with examples parsed beforehand": (
            0.1,
            True,
        ),
        "filter stage, 500 rules, 1,000 items, us": (30.0, True),
        "filter stage, 500 rules, 10,000 items, us": (160.0, False),
        "a decision in a batch of 100, less the decision in process, us": (30.0, True),
        "SDK: cached decide, us": (1.9, True),
        "SDK: expose, us": (6.0, False),
        "SDK: record, us": (4.0, True),
        "durable events/s with counters, 100 clients, ten events a subject": (40_000.0, False),
        "durable events/s with counters, 100 clients, all subjects distinct": (13_000.0, True),
        "p50 at 10 million profiles / at 10 thousand": (None, None),
        "decisions per CPU-second, 4 workers / 1 worker": (0.6, False),
        "start with 1 million profiles, s": (0.5, True),
    }


def test_what_was_not_measured_is_not_met() -> None:
    """Of an empty report every target has no value, and says so."""
    found = targets({})
    assert {(one.value, one.met) for one in found} == {(None, None)}
    assert all(one.note for one in found)


def test_a_small_store_says_nothing_of_a_large_one(measured: Mapping[str, Any]) -> None:
    """The start with a million profiles is not taken from a store of fewer."""
    small = {**measured, "start": {**measured["start"], "profiles": 20_000}}
    assert judged(small)["start with 1 million profiles, s"] is None


def test_reasons_are_told(measured: Mapping[str, Any]) -> None:
    """A missing value names what is missing."""
    notes = {one.name: one.note for one in targets(measured)}
    assert [note for name, note in notes.items() if "Envoy" in name] == ["not installed"]
    assert notes["p50 at 10 million profiles / at 10 thousand"] == "at 1 million: 1.05; more with --full"


def test_workers_are_judged_all_at_once(measured: Mapping[str, Any]) -> None:
    """The figure is that of all workers loaded together; what one at a time makes is told beside it."""
    found = {one.name: one for one in targets(measured)}
    judged = found["decisions per CPU-second, 4 workers / 1 worker"]
    cores = measured["growth"]["workers"]["cores"]
    told = f"all at once on {cores} cores, with the clients; one worker at a time: 0.95"
    assert (judged.value, judged.note, judged.met) == (0.6, told, False)


@pytest.mark.parametrize(("value", "met"), [(1.0, True), (1.1, False), (None, None)])
def test_a_limit_itself_is_allowed(value: float | None, met: bool | None) -> None:
    """At most means at most."""
    assert Target("x", 1.0, value).met is met
