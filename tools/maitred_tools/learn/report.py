"""What came of the benchmark, as a report for scripts and as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean, median, stdev
from typing import Any, NamedTuple

from maitred_tools.bench.report import Report, markdown, stamped
from maitred_tools.learn.contestants import CONTESTANTS
from maitred_tools.learn.drift import Drifted, Recovery
from maitred_tools.learn.plan import Plan
from maitred_tools.learn.play import Played, Task
from maitred_tools.learn.upworthy import Lost

# Two-sided 95% quantiles of Student's t by degrees of freedom; beyond them that of the last.
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


class Mean(NamedTuple):
    """A mean and its 95% interval."""

    mean: float
    low: float
    high: float


def mean_of(values: Sequence[float]) -> Mean:
    """By Student's t over the runs; a single run has no width."""
    middle = mean(values)
    if len(values) < 2:
        return Mean(middle, middle, middle)
    half = _T95[min(len(values) - 1, len(_T95)) - 1] * stdev(values) / len(values) ** 0.5
    return Mean(middle, middle - half, middle + half)


def bandits(tasks: Sequence[Task], found: Sequence[Played]) -> Report:
    """By data set and contestant; and how far ours is ahead of the best setting of Vowpal Wabbit, order by order."""
    grouped: dict[str, dict[str, list[tuple[Task, Played]]]] = {}
    for task, played in zip(tasks, found, strict=True):
        grouped.setdefault(task.data, {}).setdefault(task.contestant, []).append((task, played))
    return {name: _data_set(by) for name, by in grouped.items()}


def _data_set(by: dict[str, list[tuple[Task, Played]]]) -> Report:
    told: Report = {who: _contestant(runs) for who, runs in by.items()}
    best = max((who for who in by if who.startswith("vw_")), key=lambda who: float(told[who]["mean"]), default="")
    for who in {"ours", "ours_tuned"} & set(by) if best else ():
        apart = [mine.reward - theirs.reward for (_, mine), (_, theirs) in zip(by[who], by[best], strict=True)]
        told[who]["ahead_of_vw"] = _rounded(mean_of(apart)) | {"peer": best}
    return told


def _contestant(runs: Sequence[tuple[Task, Played]]) -> Report:
    task = runs[0][0]
    return _rounded(mean_of([played.reward for _, played in runs])) | {
        "us_per_decision": round(median(played.decide_us for _, played in runs), 1),
        "us_per_outcome": round(median(played.learn_us for _, played in runs), 1),
        "outcomes": round(mean(played.known for _, played in runs)),
        "setting": str(CONTESTANTS[task.contestant].settings[task.setting]),
    }


def _rounded(found: Mean) -> Report:
    return {name: round(value, 4) for name, value in found._asdict().items()}


def headlines(tasks: Sequence[Lost], found: Sequence[float]) -> Report:
    """Clicks lost in a test, by rule."""
    return {rule: _rounded(mean_of(lost)) for rule, lost in _by((task.rule for task in tasks), found).items()}


def drifts(tasks: Sequence[Drifted], found: Sequence[Recovery]) -> Report:
    """By contestant, with the setting that recovered soonest."""
    grouped = _by(((task.contestant, task.setting) for task in tasks), found)
    told: Report = {}
    for (who, setting), runs in grouped.items():
        one = {
            "rounds": round(median(run.rounds for run in runs)),
            "recovered": sum(run.recovered for run in runs),
            "runs": len(runs),
            "reward": round(mean(run.reward for run in runs), 4),
            "setting": setting,
        }
        told[who] = min(told.get(who, one), one, key=lambda each: (each["rounds"], -each["reward"]))
    return told


def _by(keys: Iterable[Any], values: Iterable[Any]) -> dict[Any, list[Any]]:
    grouped: dict[Any, list[Any]] = {}
    for key, value in zip(keys, values, strict=True):
        grouped.setdefault(key, []).append(value)
    return grouped


def section(report: Report) -> str:
    """The tables of docs/benchmarks.md."""
    plan = Plan(**report["plan"])
    parts = [
        f"Average reward over {plan.orders} orders of at most {plan.rounds:,} rounds (coupons: three times that, of "
        "which one in three is known), with 95% intervals.",
        markdown(("", *report["bandits"]), reward_rows(report)),
        "Ours less the best of Vowpal Wabbit, order by order; below 0 we lose:",
        markdown(("", *report["bandits"]), ahead_rows(report)),
        "Microseconds of processor time, median over orders: to decide / to take in an outcome.",
        markdown(("", *report["bandits"]), time_rows(report)),
    ]
    if report["headlines"]:
        parts += [
            f"Headline tests: clicks lost of {plan.impressions:,} impressions, mean over {plan.headlines} tests.",
            markdown(("", "clicks lost"), headline_rows(report)),
        ]
    parts += [
        f"Drift: rounds until recovery after the flip, median of {plan.drift_orders} runs, each contestant with its "
        f"soonest setting; at most {plan.drift_rounds // 2:,}.",
        markdown(("", "rounds", "recovered", "reward after the flip"), drift_rows(report)),
        stamped(report),
        *(f"`{one['contestant']}` was played again on the data sets ({one['date'][:10]})." for one in _again(report)),
    ]
    return "\n\n".join(parts)


def _again(report: Report) -> list[dict[str, str]]:
    return list(report.get("again", []))


def reward_rows(report: Report) -> list[tuple[str, ...]]:
    """A row a contestant, a column a data set."""
    return [(who, *(_interval(of[who]) for of in report["bandits"].values())) for who in CONTESTANTS]


def ahead_rows(report: Report) -> list[tuple[str, ...]]:
    """Ours, untuned and tuned."""
    found = report["bandits"].values()
    return [(who, *(_interval(of[who]["ahead_of_vw"], "+") for of in found)) for who in ("ours", "ours_tuned")]


def time_rows(report: Report) -> list[tuple[str, ...]]:
    """What a decision and an outcome cost."""
    found = report["bandits"].values()
    return [
        (who, *(f"{of[who]['us_per_decision']:.0f} / {of[who]['us_per_outcome']:.0f}" for of in found))
        for who in CONTESTANTS
    ]


def headline_rows(report: Report) -> list[tuple[str, ...]]:
    """Least lost first."""
    found = sorted(report["headlines"].items(), key=lambda pair: float(pair[1]["mean"]))
    return [(rule, f"{of['mean']:.1f} ({of['low']:.1f} to {of['high']:.1f})") for rule, of in found]


def drift_rows(report: Report) -> list[tuple[str, ...]]:
    """Soonest first."""
    found = sorted(report["drift"].items(), key=lambda pair: int(pair[1]["rounds"]))
    return [
        (who, f"{of['rounds']:,}", f"{of['recovered']} of {of['runs']}", f"{of['reward']:.3f}") for who, of in found
    ]


def _interval(found: Report, sign: str = "") -> str:
    return f"{found['mean']:{sign}.3f} ({found['low']:{sign}.3f} to {found['high']:{sign}.3f})"
