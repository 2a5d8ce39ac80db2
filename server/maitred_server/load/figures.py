"""All figures as plain values, for JSON and for the page."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from maitred_server.load import knee
from maitred_server.load.asked import Asked, Plan, Wire
from maitred_server.load.measured import Measured, StepResult
from maitred_server.load.notes import is_late, main_step, notes

PACKAGES = ("maitred", "grpcio", "protobuf", "hdrhistogram", "numpy")


class Setup(msgspec.Struct, frozen=True):
    """What was asked for. The access key is no part of what is written."""

    server: str
    began_at: str  # ISO 8601, UTC
    catalogue: str  # the version in force when load began
    plan: Plan
    asked: Asked
    wire: Wire


def figures(setup: Setup, measured: Measured, budgets: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Everything. `budgets`: pairs of what was asked and how it was broken."""
    main = main_step(measured)
    return {
        "setup": _setup(setup),
        "machine": machine(),
        "versions": versions(),
        "result": step_figures(main),
        "knee": _knee(measured),
        "steps": [step_figures(step) | {"keeps_up": _keeps_up(measured, step)} for step in measured.steps],
        "series": [msgspec.to_builtins(row) for row in measured.rows],
        "budgets": [{"fail_if": text, "broken": bool(how), "words": how} for text, how in budgets],
        "notes": notes(measured),
        "interrupted": measured.interrupted,
    }


def step_figures(step: StepResult) -> dict[str, Any]:
    """One step. Latencies in microseconds."""
    count = step.count
    return {
        "rate": step.step.rate,
        "seconds": step.seconds,
        "wanted": count.wanted,
        "sent": count.sent,
        "answered": count.answered,
        "answered_in_time": count.in_time,
        "answered_per_s": step.answered_rate,
        "failed": dict(count.failed),
        "latency_us": count.latency.figures() | {"mean": count.latency.mean},
        "generator_late_us": count.late.figures(),
        "generator_late": is_late(step),
        "feedback": {
            "accepted": count.accepted,
            "duplicates": count.duplicates,
            "refused": dict(count.refused),
            "failed": dict(count.feedback_failed),
            "dropped": count.dropped,
            "calls": count.acknowledged.count,
            "acknowledged_us": count.acknowledged.figures(),
        },
    }


def _setup(setup: Setup) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(setup)
    told["wire"].pop("key")
    return told


def _knee(measured: Measured) -> dict[str, Any] | None:
    if not measured.plan.ramp:
        return None
    found = knee.find(measured.plan, measured.steps)
    limit = knee.limit_us(measured.plan, measured.steps)
    return {"limit_p99_us": limit, "step": found.number if found else None, "rate": found.step.rate if found else None}


def _keeps_up(measured: Measured, step: StepResult) -> bool | None:
    if not measured.plan.ramp:
        return None
    return knee.keeps_up(step, knee.limit_us(measured.plan, measured.steps))


def machine() -> dict[str, Any]:
    """What the load came from."""
    return {"system": platform.platform(), "processor": platform.machine(), "cpus": os.cpu_count()}


def versions() -> dict[str, str]:
    """Of what made the load."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
