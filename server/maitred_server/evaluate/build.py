"""From a table to a log: every row is checked, and each mistake is told with its line and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from maitred_server.errors import InvalidRequest
from maitred_server.evaluate.cells import Mistakes, coded, names, numbers
from maitred_server.evaluate.context import features
from maitred_server.evaluate.log import Floats, Ints, Log
from maitred_server.evaluate.offered import given, implied
from maitred_server.evaluate.table import Table
from maitred_server.playbook.hints import did_you_mean

REQUIRED = ("action", "probability", "reward")
LEAST_PROBABILITY = 1e-12
LARGEST_REWARD = 1e12


class _Order(NamedTuple):
    """Which rows make which decision, in the order of the file."""

    decision: Ints
    slot: Ints
    decisions: int


def build(table: Table) -> Log:
    """The log of a table. Raises InvalidRequest with every mistake."""
    _require(table)
    mistakes = Mistakes(table)
    probability, reward = _probabilities(table, mistakes), _rewards(table, mistakes)
    actions = _named(table, "action", mistakes)
    order = _order(table, mistakes)
    mistakes.check()
    _refuse_certainty(probability)
    cluster = _clusters(table, order, mistakes)
    rows = np.lexsort((order.slot, order.decision))
    decision = order.decision[rows]
    rank = np.arange(len(rows)) - np.searchsorted(decision, decision)
    if "candidates" in table.columns:
        offered = given(table, actions, rows, mistakes)
    else:
        offered = implied(actions, rows, decision, rank)
    mistakes.check()
    return Log(
        decision=decision,
        rank=rank,
        slot=order.slot[rows],
        action=offered.logged,
        actions=offered.actions,
        probability=probability[rows],
        reward=reward[rows],
        cluster=cluster,
        features=features(table)[rows],
        candidates=offered.candidates,
        source_row=rows,
    )


def _require(table: Table) -> None:
    for name in REQUIRED:
        if name in table.columns:
            continue
        hint = did_you_mean(name, list(table.columns))
        if name == "probability":
            raise InvalidRequest(
                "the log has no column `probability`: without the probability with which each action was chosen nothing"
                f" can be said about another policy{hint}; name the column with --column probability=NAME",
                name,
            )
        raise InvalidRequest(f"the log has no column `{name}`{hint}; name it with --column {name}=NAME", name)


def _probabilities(table: Table, mistakes: Mistakes) -> Floats:
    found = numbers(table.columns["probability"])
    mistakes.add(np.flatnonzero(np.isnan(found)), "probability", "not a number; it must be above 0 and at most 1")
    wrong = np.flatnonzero((found < LEAST_PROBABILITY) | (found > 1))
    mistakes.add(wrong, "probability", lambda row: f"{found[row]:g} must be above 0 and at most 1")
    return found


def _rewards(table: Table, mistakes: Mistakes) -> Floats:
    found = numbers(table.columns["reward"])
    mistakes.add(np.flatnonzero(np.isnan(found)), "reward", "not a finite number; 0 when nothing came of it")
    large = np.flatnonzero(np.abs(found) > LARGEST_REWARD)
    mistakes.add(large, "reward", f"must be between -{LARGEST_REWARD:g} and {LARGEST_REWARD:g}")
    return found


def _refuse_certainty(probability: Floats) -> None:
    if (probability == 1).all():
        raise InvalidRequest(
            "every `probability` is 1: a policy that never varies what it does shows nothing of what another would get",
            "probability",
        )


def _named(table: Table, field: str, mistakes: Mistakes) -> list[str]:
    found = names(table.columns[field])
    mistakes.add(
        (row for row, name in enumerate(found) if not name), field, "empty; it must be a name or a whole number"
    )
    return found


def _order(table: Table, mistakes: Mistakes) -> _Order:
    count = len(table.lines)
    decision: Ints = np.arange(count)
    decisions = count
    if "decision" in table.columns:
        decision, codes = coded(_named(table, "decision", mistakes))
        decisions = len(codes)
    if "slot" not in table.columns:
        return _Order(decision, _as_written(decision), decisions)
    slot = numbers(table.columns["slot"])
    wrong = ~((slot >= 1) & (slot == np.floor(slot)))
    mistakes.add(np.flatnonzero(wrong), "slot", "must be a whole number from 1: its place in the order of filling")
    slots = np.where(wrong, 0, slot).astype(np.int64)
    mistakes.add(_repeated(decision, slots), "slot", "this decision has the slot already")
    return _Order(decision, slots, decisions)


def _as_written(decision: Ints) -> Ints:
    """Slots numbered from 1, in the order of the file."""
    by_decision = np.argsort(decision, kind="stable")
    at = np.arange(len(decision))
    slot = np.empty_like(decision)
    slot[by_decision] = at - np.searchsorted(decision[by_decision], decision[by_decision]) + 1
    return slot


def _repeated(decision: Ints, slot: Ints) -> Sequence[int]:
    _, first = np.unique(np.stack([decision, slot]), axis=1, return_index=True)
    again = np.ones(len(decision), bool)
    again[first] = False
    return [int(row) for row in np.flatnonzero(again)]


def _clusters(table: Table, order: _Order, mistakes: Mistakes) -> Ints:
    """Of each decision; without subjects each is its own."""
    if "subject" not in table.columns:
        return np.arange(order.decisions)
    subject, _ = coded(_named(table, "subject", mistakes))
    cluster = np.empty(order.decisions, np.int64)
    cluster[order.decision[::-1]] = subject[::-1]
    mistakes.add(
        np.flatnonzero(cluster[order.decision] != subject), "subject", "the decision has another one elsewhere"
    )
    return cluster
