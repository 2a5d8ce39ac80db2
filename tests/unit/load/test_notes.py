"""What is said beside the figures."""

from __future__ import annotations

from harness.loads import measured_of, plan_of, play
from maitred_server.load.measured import Measured
from maitred_server.load.notes import notes
from maitred_server.load.tally import NOT_SENT


def test_a_late_generator_says_so() -> None:
    """When the generator fell behind, its latencies are an upper bound."""
    measured = Measured(plan_of(50.0, ramp=False), 1.0)
    play(measured, [8.0] * 100, late_ms=4.0)
    assert notes(measured) == [
        "The generator itself was late by p99 4.00 ms: these latencies are an upper bound; use more --processes."
    ]


def test_failures_are_told_with_the_servers_words() -> None:
    """Each status with how often it came and the first message; calls that were not sent say why."""
    measured = Measured(plan_of(50.0, ramp=False), 1.0)
    play(measured, [1.0] * 10, failed=["UNAVAILABLE", "UNAVAILABLE", NOT_SENT])
    assert notes(measured) == [
        "2 calls ended with UNAVAILABLE: words of UNAVAILABLE",
        "1 calls were not sent: too many were under way, or the generator was too late.",
        "The latencies are of answered calls only.",
    ]


def test_a_load_without_trouble_needs_no_words() -> None:
    """Nothing is said when there is nothing to say, but that it was cut short when it was."""
    measured = measured_of(plan_of(50.0, ramp=False), [1.0] * 10)
    assert notes(measured) == []
    measured.interrupted = True
    assert notes(measured) == ["Stopped by Ctrl-C: the figures are of what was measured until then."]
