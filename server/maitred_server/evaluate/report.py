"""The evaluation of a policy on a log: every step on one screen."""

from __future__ import annotations

import msgspec
import numpy as np

from maitred_server.errors import InvalidRequest
from maitred_server.evaluate import reward_model
from maitred_server.evaluate.estimators.base import Case, Estimator, Predictions, logged_mean
from maitred_server.evaluate.estimators.choice import estimators
from maitred_server.evaluate.intervals import Interval, Spread, Told, resample, spread, units
from maitred_server.evaluate.log import Floats, Log, Target
from maitred_server.evaluate.soundness import effective_of, findings
from maitred_server.evaluate.verdict import Compared, Verdict, verdict
from maitred_server.evaluate.weights import default_clip, weigh


class Options(msgspec.Struct, frozen=True):
    """`clip`: largest weight of the clipped estimators; 0: the square root of the number of decisions."""

    clip: float = 0.0
    resamples: int = 2_000
    confidence: float = 0.95
    seed: int = 1


class Figure(msgspec.Struct, frozen=True):
    """An estimate, in reward a decision. `difference`: to what the log itself earned."""

    name: str
    assumes: str
    value: float
    error: float
    normal: Interval
    bootstrap: Interval
    difference: float
    difference_error: float
    difference_normal: Interval
    difference_bootstrap: Interval


class Evaluation(msgspec.Struct, frozen=True):
    """All that there is to say."""

    policy: str
    rows: int
    decisions: int
    clusters: int
    slots: int  # of the longest decision
    actions: int
    effective_sample: float
    mean_weight: float
    largest_weight: float
    clip: float
    clipped: int  # decisions whose weight was over the clip
    clipped_weight: float  # share of all weight that was clipped off
    confidence: float
    resamples: int
    seed: int
    logged: Figure
    estimates: list[Figure]  # the first one gives the verdict
    warnings: list[str]
    verdict: Verdict


def evaluate(
    log: Log, target: Target, options: Options, told: Told, predictions: Predictions | None = None
) -> Evaluation:
    """Evaluate a policy on a log. `predictions`: of a reward model, in place of our own. Raises InvalidRequest."""
    if len(np.unique(log.cluster)) < 2:
        raise InvalidRequest("the log needs decisions of at least two subjects", "log")
    rng = np.random.default_rng(options.seed)
    predictions = predictions or reward_model.predict(log, target, rng)
    case = Case(log, weigh(log, target), predictions, options.clip or default_clip(log.decisions))
    found = findings(case, target, effective_of(case), rng)
    baseline, *figures = _figures(log, [logged_mean(log), *estimators(case)], options, rng, told)
    first = figures[0]
    compared = Compared(target.name, first.name, log.decisions, baseline.value, first.value, options.confidence)
    difference = Spread(first.difference, first.difference_error, first.difference_normal, first.difference_bootstrap)
    page = case.weights.page
    return Evaluation(
        policy=target.name,
        rows=len(log.slot),
        decisions=log.decisions,
        clusters=len(np.unique(log.cluster)),
        slots=int(log.rank.max()) + 1,
        actions=len(log.actions),
        effective_sample=effective_of(case),
        mean_weight=float(page.mean()),
        largest_weight=float(page.max()),
        clip=case.clip,
        clipped=int((page > case.clip).sum()),
        clipped_weight=_clipped_weight(page, case.clip),
        confidence=options.confidence,
        resamples=options.resamples,
        seed=options.seed,
        logged=baseline,
        estimates=figures,
        warnings=[one.text for one in found],
        verdict=verdict(compared, difference, found),
    )


def _clipped_weight(page: Floats, clip: float) -> float:
    total = float(page.sum())
    return float((page - np.minimum(page, clip)).sum()) / total if total else 0.0


def _figures(log: Log, chosen: list[Estimator], options: Options, rng: np.random.Generator, told: Told) -> list[Figure]:
    """One resampling for all of them; the first one is what the others are compared with."""
    sums = units(np.concatenate([one.columns for one in chosen], axis=1), log.cluster, rng)
    resampled = resample(sums, options.resamples, rng, told)
    ends = np.cumsum([one.columns.shape[1] for one in chosen])
    parts = [slice(end - one.columns.shape[1], end) for one, end in zip(chosen, ends, strict=True)]
    baseline = chosen[0]

    def figure(one: Estimator, part: slice) -> Figure:
        def difference(totals: Floats) -> Floats:
            return one.value(totals[..., part]) - baseline.value(totals[..., parts[0]])

        own = spread(one.value, sums[:, part], resampled[:, part], options.confidence)
        return Figure(one.name, one.assumes, *own, *spread(difference, sums, resampled, options.confidence))

    return [figure(one, part) for one, part in zip(chosen, parts, strict=True)]
