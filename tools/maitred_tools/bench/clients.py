"""The sections on the SDK and on feedback: each has a bench of its own, whose figures go into the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from maitred_tools.bench import feedback, sdk
from maitred_tools.bench.measure import Figures
from maitred_tools.bench.section import Bench, Section, Table

PLAIN: Final = ("", "figure")


def _sdk(bench: Bench) -> Figures:
    return sdk.measure(bench.build, bench.scale.quick)


def _sdk_tables(found: Figures) -> list[Table]:
    return [Table(SDK.title, sdk.HEADER, sdk.rows(found))]


def _feedback(bench: Bench) -> Figures:
    return feedback.measure(bench.build, bench.scale.quick, bench.scale.events or None)


def _feedback_tables(found: Figures) -> list[Table]:
    """Events, and the learner's figures by their names."""
    learner = Table("The learner", PLAIN, list(flat(found["learner"]).items()))
    return [Table(FEEDBACK.title, feedback.HEADER, feedback.rows(found)), learner]


def flat(found: Any, name: str = "") -> dict[str, str]:
    """Each figure under the names that lead to it."""
    if isinstance(found, Mapping):
        parts = [(str(key), value) for key, value in found.items()]
    elif isinstance(found, list | tuple):
        parts = [(str(number), value) for number, value in enumerate(found, start=1)]
    else:
        return {name: f"{found:,.2f}" if isinstance(found, float) else str(found)}
    return {path: text for key, value in parts for path, text in flat(value, f"{name} {key}".strip()).items()}


SDK: Final = Section(
    "sdk",
    "The SDK",
    "CPU of the calling thread for each verb, allocations, memory of kept answers, calls without a server.",
    _sdk,
    _sdk_tables,
)
FEEDBACK: Final = Section(
    "feedback",
    "Feedback",
    "Durable events, acknowledged after fsync with the counters of their subjects; the learner's reading.",
    _feedback,
    _feedback_tables,
)
