"""An apprentice's report: how often its model would choose what the baseline showed, and what it would be worth."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from maitred_server.errors import InvalidRequest
from maitred_server.evaluate.intervals import Interval
from maitred_server.evaluate.report import Evaluation, Figure, Options, evaluate
from maitred_server.model import Reason
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.exploring import LEARNED
from maitred_server.replaying.candidate import Candidate
from maitred_server.replaying.reading import Asked
from maitred_server.replaying.replay import Journal, Replayed, Told, Wanted, catalogue_of, placement_of, replay
from maitred_server.store import AnyStore

TOP = 3
SERVES_BASELINE = ("apprentice", "logging_only")


class Worth(msgspec.Struct, frozen=True):
    """Reward a decision. `intervals`: whichever of asymptotic and bootstrap reaches further."""

    value: float
    interval: Interval


class Report(msgspec.Struct, frozen=True):
    """All of it. `agreement`: share of slots in which the model would have chosen what was shown; `top`: in which that
    was among its first three; `by`: the estimator. `explores`: whether the baseline ever had a choice.
    """

    placement: str
    automation: str
    baseline: str
    policy: str
    since_ms: int
    journal: Journal
    slots: int
    agreement: float
    top: float
    explores: bool
    shown: Worth
    model: Worth
    difference: Worth
    by: str
    sentence: str
    promotion: str


def report(
    store: AnyStore, data: Path, wanted: Asked, model: str, options: Options, told: Told = lambda what, done, of: None
) -> Report:
    """Read the journal, and ask the model about each choice of the baseline. Raises MaitredError."""
    name = placement_of(data, wanted.brand, wanted.placement)
    placement = catalogue_of(data, wanted.brand).placements[name]
    _check(placement)
    policy = "greedy" if placement.policy in LEARNED else placement.policy
    asked = wanted._replace(placement=name, reason=Reason.BASELINE)
    found = replay(store, data, Wanted(asked, Candidate(policy), model=model), told)
    evaluated = evaluate(found.log, found.target, options, lambda done, of: told("resampling", done, of))
    explores = bool((found.log.probability < 1.0).any())
    figure = evaluated.estimates[0] if explores else next(one for one in evaluated.estimates if one.name == "DM")
    slots, agreement, top = _agreement(found)
    return Report(
        placement=name,
        automation=placement.automation,
        baseline=placement.baseline,
        policy=policy,
        since_ms=found.journal.since_ms,
        journal=found.journal,
        slots=slots,
        agreement=agreement,
        top=top,
        explores=explores,
        shown=_worth(evaluated.logged.value, evaluated.logged.normal, evaluated.logged.bootstrap),
        model=_worth(figure.value, figure.normal, figure.bootstrap),
        difference=_worth(figure.difference, figure.difference_normal, figure.difference_bootstrap),
        by=figure.name,
        sentence=evaluated.verdict.sentence if explores else _untold(placement, figure, evaluated),
        promotion=_promotion(placement),
    )


def _check(placement: Placement) -> None:
    if placement.automation not in SERVES_BASELINE:
        raise InvalidRequest(
            f"placement `{placement.name}` has `automation: {placement.automation}`: there is no apprentice;"
            " `maitred replay` compares policies there",
            "placement",
        )


def _agreement(found: Replayed) -> tuple[int, float, float]:
    """Over the slots in which there was a choice."""
    above, candidates = np.array(found.agreement).T
    free = candidates > 1
    if not free.any():
        return 0, 0.0, 0.0
    same = found.target.logged[free] > 0.5
    return int(free.sum()), float(same.mean()), float((above[free] < TOP).mean())


def _worth(value: float, normal: Interval, bootstrap: Interval) -> Worth:
    return Worth(value, Interval(min(normal.low, bootstrap.low), max(normal.high, bootstrap.high)))


def _untold(placement: Placement, figure: Figure, evaluated: Evaluation) -> str:
    difference = _worth(figure.difference, figure.difference_normal, figure.difference_bootstrap)
    low, high = difference.interval
    return (
        f"Cannot be told from what the baseline shows: `{placement.baseline}` never varies (every choice had the"
        " probability 1), so nobody saw what the model would rather show. A model of rewards puts it at"
        f" {figure.value:.4g} a decision against {evaluated.logged.value:.4g} ({difference.value:+.4g}, {low:+.4g} to"
        f" {high:+.4g}), but where they disagree that is a guess, and the interval knows nothing of the model's errors."
        " Let a small share explore (an arm with `uniform`), or promote and watch the holdout."
    )


def _promotion(placement: Placement) -> str:
    return (
        f"to promote: in the playbook's `placements.yaml`, under `name: {placement.name}`, put `automation: online` in"
        f" place of `automation: {placement.automation}`, then run `maitred publish PLAYBOOK`"
    )
