"""What more decisions a second would need, worked out from a report."""

from __future__ import annotations

from typing import Any

from maitred_tools.bench.capacity import HEADER, rows


def case(playbook: str, server_us: float) -> dict[str, Any]:
    return {
        "playbook": playbook,
        "front": "grpcio",
        "policy": "inverse_gap",
        "candidates": 1_000,
        "pure": False,
        "server_us": server_us,
    }


def stream(events_a_subject: int, rate: int) -> dict[str, Any]:
    return {"clients": 100, "events_a_subject": events_a_subject, "events_per_s": rate, "server_cpu_us": 20.0}


SECTIONS: dict[str, Any] = {
    "decide": {"cases": [case("plain", 400.0), case("everything", 800.0)]},
    "feedback": {"streams": [stream(10, 22_000), stream(1, 9_000)]},
    "growth": {"profiles": [{"profiles": 10_000, "anonymous_mib": 90.0}, {"profiles": 50_000, "anonymous_mib": 99.5}]},
}


def test_it_is_the_measured_cost_times_the_rate() -> None:
    """Cores at half use, machines of 32 of them, and stores by what one can write; never less than one."""
    found = {row[0]: row[1:] for row in rows(SECTIONS)}
    assert found["cores to decide (plain, 1,000 candidates)"] == ("1", "80", "8,000")
    assert found["cores to decide (everything on, 1,000 candidates)"] == ("2", "160", "16,000")
    assert found["machines of 32 cores (everything on, 1,000 candidates)"] == ("1", "5", "500")
    assert found["feedback, events a second"] == ("1,100", "110,000", "11,000,000")
    assert found["cores for feedback"] == ("1", "5", "440")
    assert found["stores, each with one writer"] == ("1", "10", "1,000")
    assert found["a worker's and the learner's own memory, MiB (over 50,000 profiles)"] == ("100", "100", "100")
    assert {len(row) for row in rows(SECTIONS)} == {len(HEADER)}
