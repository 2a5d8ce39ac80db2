"""The sections on the SDK and on feedback: each has a bench of its own, whose figures go into the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from typing import Any, Final

from maitred_tools.bench.measure import Figures
from maitred_tools.bench.section import Bench, Section, Table

TITLES: Final = {"sdk": "The SDK", "feedback": "Feedback"}
TEXTS: Final = {
    "sdk": "CPU of the calling thread for each verb, allocations, memory of kept answers, calls without a server.",
    "feedback": "Durable events, acknowledged after fsync with the counters of their subjects; the learner's reading.",
}
LEARNER: Final = "learner"
PLAIN: Final = ("", "figure")


def measuring(name: str) -> Callable[[Bench], Figures]:
    """What runs the bench of that name."""

    def measure(bench: Bench) -> Figures:
        module = _module(name)
        if module is None:
            raise RuntimeError(f"there is no maitred_tools.bench.{name}")
        more = {"events": bench.scale.events} if bench.scale.events and _takes_events(module) else {}
        found: Figures = module.measure(bench.build, bench.scale.quick, **more)
        return found

    return measure


def _module(name: str) -> Any:
    path = f"maitred_tools.bench.{name}"
    return import_module(path) if find_spec(path) else None


def _takes_events(module: Any) -> bool:
    return "events" in signature(module.measure).parameters


def tabling(name: str) -> Callable[[Figures], list[Table]]:
    """The bench's own rows; every figure by its name when it has none, or when the figures are of an older form."""

    def tables(found: Figures) -> list[Table]:
        module = _module(name)
        try:
            first = Table(TITLES[name], module.HEADER, module.rows(found))
        except (AttributeError, LookupError, TypeError):
            return [Table(TITLES[name], PLAIN, list(flat(found).items()))]
        learner = [Table("The learner", PLAIN, list(flat(found[LEARNER]).items()))] if LEARNER in found else []
        return [first, *learner]

    return tables


def flat(found: Any, name: str = "") -> dict[str, str]:
    """Each figure under the names that lead to it."""
    if isinstance(found, Mapping):
        parts = [(str(key), value) for key, value in found.items()]
    elif isinstance(found, list | tuple):
        parts = [(str(number), value) for number, value in enumerate(found, start=1)]
    else:
        return {name: f"{found:,.2f}" if isinstance(found, float) else str(found)}
    return {path: text for key, value in parts for path, text in flat(value, f"{name} {key}".strip()).items()}


SDK: Final = Section("sdk", TITLES["sdk"], TEXTS["sdk"], measuring("sdk"), tabling("sdk"))
FEEDBACK: Final = Section("feedback", TITLES["feedback"], TEXTS["feedback"], measuring("feedback"), tabling("feedback"))
