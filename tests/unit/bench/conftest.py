"""Figures of every section, as measuring them gives, small and made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from maitred_tools.bench import inprocess, peers, places, seed, starts
from maitred_tools.bench.measure import Round as Measured
from maitred_tools.bench.measure import figures, spread

HALF = {"rate": 500.0, "calls": 10, "p50": 900.0, "p99": 1500.0, "p999": 2500.0, "most": 3000.0}

ACKNOWLEDGED = {"server_cpu_us": 25.0, "ack_p50_ms": 10.0, "ack_p99_ms": 20.0}
OUTAGE = {
    "cached_100k_mb": 158.0,
    "outage_known_reason": "STALE",
    "outage_known_us": {"median": 1.6},
    "outage_record_us": {"median": 4.0},
    "outage_unknown_ms": 0.1,
    "silence_known_us": {"median": 1.6},
    "silence_unknown_ms": 53.0,
    "over_deadline_ms": 3.0,
}


def rounds(us: float) -> list[Measured]:
    return [Measured(us + change, 1000.0, 400.0, 900.0) for change in (-10, 0, 10)]


def decided(playbook: str, front: str, us: float) -> dict[str, Any]:
    case = {"playbook": playbook, "front": front, "placement": seed.PLACEMENT, "candidates": 1_000, "pure": False}
    echo = {f"echo_{name}": value for name, value in figures(rounds(200.0)).items()}
    ratio = spread("ratio", [us / 200.0, us / 200.0])
    halves = {"half_load": HALF, "echo_half_load": HALF}
    return {
        **case,
        "policy": "inverse_gap",
        "compiled": ["exploring"],
        "echo_front": "sync",
        **figures(rounds(us)),
        **echo,
        **ratio,
        **halves,
    }


def alone(playbook: str, us: float) -> dict[str, Any]:
    ours = [{"request": 20.0, "scoring": us, "response": 30.0}] * 2
    beside = {peers.VOWPAL: inprocess._beside(ours, [1_600.0] * 2)}
    return {"playbook": playbook, "candidates": 1_000, "pure": False, **inprocess._ours(ours), "peers": beside}


def lived(profiles: int, p50: float) -> dict[str, Any]:
    names = ("start_s", "resident_mib", "anonymous_mib", "server_us", "p50", "p99")
    found = {name: value for name in names for name, value in spread(name, [p50]).items()}
    return {"profiles": profiles, **found}


def lasted(count: int, in_turn: float, at_once: float) -> dict[str, Any]:
    ways = {
        way: spread("per_cpu_s", [1_000 * ratio]) | spread("per_s", [1_000 * ratio]) | spread("ratio", [ratio])
        for way, ratio in (("in_turn", in_turn), ("at_once", at_once))
    }
    return {"workers": count, "idle_ms": 5.0 * count, **ways}


@pytest.fixture
def measured() -> Mapping[str, Any]:
    """By section."""
    cases = [decided(playbook, "grpcio", us) for playbook, us in ((places.PLAIN, 240.0), (places.EVERYTHING, 260.0))]
    filters = {"gate.open at 1,000 items": 30.0, "gate.open at 10,000 items": 160.0}
    in_process = [alone(places.PLAIN, 100.0), alone(places.EVERYTHING, 160.0)]
    batch = {"decisions": 100, **spread("us", [190.0]), **spread("p50", [1.0]), **spread("decisions_per_s", [5.0])}
    sizes = [lived(10_000, 1000.0), lived(1_000_000, 1050.0)]
    items = [{"items": count, "some": lived(0, 1.0), "all": lived(0, 2.0)} for count in (1_000, 10_000)]
    workers = {"cores": 2, "sizes": [lasted(1, 1.0, 1.0), lasted(4, 0.95, 0.6)]}
    seconds = {name: spread("s", [0.5]) for name in (starts.EMPTY, starts.PROFILES, starts.ITEMS, starts.PUBLISH)}
    streams = [
        {"workers": 1, "clients": 100, "events_a_subject": each, "events_per_s": rate, **ACKNOWLEDGED}
        for each, rate in ((10, 40_000), (1, 13_000))
    ]
    verbs = {f"{name}_us": {"median": us} for name, us in (("decide_cached", 1.9), ("expose", 6.0), ("record", 4.0))}
    return {
        "decide": {"setup": {}, "envoy": False, "cases": cases},
        "process": {
            "widths": {},
            "compiled": ["exploring"],
            "peers": {peers.VOWPAL: "9"},
            "cases": in_process,
            "filters": filters,
        },
        "batch": {"batch of 100": batch},
        "sdk": {**verbs, **OUTAGE, "allocations": {"decide": {"peak_bytes": 144.0, "blocks_held": 0.0}}},
        "feedback": {"streams": streams, "learner": {"records": 10_000, "cpu_us": 20.0}},
        "growth": {"profiles": sizes, "items": items, "workers": workers},
        "start": {"profiles": 1_000_000, "items": 100_000, "s": seconds},
    }
