"""New policies that can be told from nothing but the log: `--policy`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from maitred_server.errors import InvalidRequest
from maitred_server.evaluate.cells import Mistakes, lists, numbers, starts_of
from maitred_server.evaluate.log import Candidates, Floats, Log, Target
from maitred_server.evaluate.table import Table
from maitred_server.playbook.hints import did_you_mean

DEFAULT = "column:target_probability"
SUM_TOLERANCE = 0.01  # probabilities that were rounded to some digits still add up to this near 1


class _Source(NamedTuple):
    log: Log
    table: Table


def target(spec: str, log: Log, table: Table) -> Target:
    """The policy that `spec` names, on a log that was built from `table`. Raises InvalidRequest."""
    kind, _, name = spec.partition(":")
    if kind not in _KINDS or bool(name) != (kind in _NAMED):
        known = "uniform, logged, always:ACTION, column:NAME or greedy:NAME"
        raise InvalidRequest(f"no policy `{spec}`; it is one of {known}", "policy")
    return _KINDS[kind](_Source(log, table), name)._replace(name=spec)


def _uniform(source: _Source, _: str) -> Target:
    candidates = _candidates(source.log)
    return _whole(candidates, 1.0 / candidates.sizes[candidates.row])


def _logged(source: _Source, _: str) -> Target:
    return Target("", source.log.probability.copy(), None)


def _always(source: _Source, name: str) -> Target:
    """One action, which must be a candidate of every row."""
    log, candidates = source.log, _candidates(source.log)
    if name not in log.actions:
        raise InvalidRequest(f"no row of the log has action `{name}`{did_you_mean(name, log.actions)}", "policy")
    if log.rank.any():
        raise InvalidRequest("`always` fills one slot; this log has decisions of several", "policy")
    certain = (candidates.action == log.actions.index(name)).astype(np.float64)
    if (np.add.reduceat(certain, candidates.starts[:-1]) == 0).any():
        raise InvalidRequest(f"`{name}` is not a candidate of every row; leave those rows out", "policy")
    return _whole(candidates, certain)


def _column(source: _Source, name: str) -> Target:
    """A column with the probability of the logged action, or of each candidate; or `target_*`: a column an action."""
    if not name.endswith("*") and not _is_list(_cells(source, name)):
        found = numbers(_cells(source, name))[source.log.source_row]
        mistakes = Mistakes(source.table)
        _must_be_probabilities(source, mistakes, name, ~((found >= 0) & (found <= 1)))
        mistakes.check()
        return Target("", found, None)
    candidates = _candidates(source.log)
    shares = _of_candidates(source, candidates, name)
    mistakes = Mistakes(source.table)
    wrong = ~((shares >= 0) & (shares <= 1))
    _must_be_probabilities(source, mistakes, name, np.logical_or.reduceat(wrong, candidates.starts[:-1]))
    sums = np.add.reduceat(shares, candidates.starts[:-1])
    off = source.log.source_row[np.abs(sums - 1) > SUM_TOLERANCE]
    mistakes.add(off, name, "the probabilities of the row's candidates must add up to 1")
    mistakes.check()
    return _whole(candidates, shares)


def _greedy(source: _Source, name: str) -> Target:
    """The candidate with the highest score; of equals the first."""
    candidates = _candidates(source.log)
    scores = _of_candidates(source, candidates, name)
    mistakes = Mistakes(source.table)
    missing = np.logical_or.reduceat(np.isnan(scores), candidates.starts[:-1])
    mistakes.add(source.log.source_row[missing], name, "every candidate needs a score, a finite number")
    mistakes.check()
    best = np.lexsort((np.arange(len(scores)), -scores, candidates.row))[candidates.starts[:-1]]
    certain = np.zeros(len(scores))
    certain[best] = 1.0
    return _whole(candidates, certain)


def _whole(candidates: Candidates, shares: Floats) -> Target:
    return Target("", shares[candidates.chosen], shares)


def _must_be_probabilities(source: _Source, mistakes: Mistakes, name: str, wrong: Any) -> None:
    mistakes.add(source.log.source_row[wrong], name, "must be a probability: from 0 to 1")


def _candidates(log: Log) -> Candidates:
    if log.candidates is None:
        cells = f"{len(log.slot):,} rows times {len(log.actions):,} actions"
        raise InvalidRequest(f"{cells} are too many candidates: add a column `candidates` to the log", "candidates")
    return log.candidates


def _cells(source: _Source, name: str) -> Sequence[Any]:
    if name not in source.table.columns:
        known = list(source.table.columns)
        raise InvalidRequest(f"the log has no column `{name}`{did_you_mean(name, known)}", "policy")
    return source.table.columns[name]


def _is_list(cells: Sequence[Any]) -> bool:
    """Whether the cells are lists; a list of one is one too, so all that is given must be a number not to be."""
    given = [cell for cell in cells if cell not in (None, "")]
    return any(isinstance(cell, list) or (isinstance(cell, str) and "|" in cell) for cell in given)


def _of_candidates(source: _Source, candidates: Candidates, name: str) -> Floats:
    """A number for each candidate: float64[m]."""
    if name.endswith("*"):
        return _wide(source, candidates, name[:-1])
    members = lists(_cells(source, name))
    ordered = [members[row] for row in source.log.source_row]
    sizes = np.diff(starts_of([len(some) for some in ordered]))
    mistakes = Mistakes(source.table)
    wrong = source.log.source_row[sizes != candidates.sizes]
    mistakes.add(wrong, name, "must have a number for each of the row's candidates")
    mistakes.check()
    return numbers([one for some in ordered for one in some])


def _wide(source: _Source, candidates: Candidates, prefix: str) -> Floats:
    """From columns named after actions."""
    actions = source.log.actions
    taken = {prefix + name: number for number, name in enumerate(actions) if prefix + name in source.table.columns}
    if not taken:
        raise InvalidRequest(f"the log has no column named `{prefix}` and an action", "policy")
    strangers = _strangers(source, prefix, taken)
    if strangers:
        raise InvalidRequest(f"no row of the log has the action of column `{strangers[0]}`", "policy")
    table = np.zeros((len(actions), len(source.log.slot)))
    for column, number in taken.items():
        table[number] = numbers(source.table.columns[column])[source.log.source_row]
    return table[candidates.action, candidates.row]


def _strangers(source: _Source, prefix: str, taken: dict[str, int]) -> list[str]:
    """Columns of actions that the log does not know, with anything but 0 in them."""
    reserved = {DEFAULT.partition(":")[2]}
    named = [name for name in source.table.columns if name.startswith(prefix) and name not in taken]
    return [name for name in named if name not in reserved and numbers(source.table.columns[name]).any()]


_KINDS: dict[str, Callable[[_Source, str], Target]] = {
    "uniform": _uniform,
    "logged": _logged,
    "always": _always,
    "column": _column,
    "greedy": _greedy,
}
_NAMED = {"always", "column", "greedy"}
