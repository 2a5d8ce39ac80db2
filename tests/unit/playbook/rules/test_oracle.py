"""Rules answer what Google's CEL answers, errors included."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from maitred_server.model import Item
from maitred_server.playbook import rules
from maitred_server.playbook.rules import Program, Rule, RuleError, RuleFailure, guards, indexes, typed
from unit.playbook.rules.catalogues import columns_of
from unit.playbook.rules.expressions import (
    DECLARED,
    NOW,
    SUBJECT_SEGMENTS,
    answer,
    as_maps,
    attributes,
    expressions,
    library,
    moment,
    pairs,
)

# What is refused at publish though CEL would only find out when asked: parts that can never have a value, and size.
REFUSED = (
    "a division by zero",
    "a whole number of more than 64 bits",
    "there is no [",
    "a number too large",
    "a duration of more than",
    "a moment before year 1",
    "a key that",
    "more than 200 parts",
    "nested more than 32 deep",
    "may take some",
    "an unknown time zone",
    "unknown segment",
    "unknown kind",
    "values of several types",  # of `[][0]` nobody can say what type it has
)
seen: Counter[str] = Counter()


def compiled(expression: str) -> Rule | None:
    """The rule; None when it is refused for a reason that random expressions may have."""
    try:
        return Rule.from_plan(rules.compile(expression, DECLARED).plan)
    except RuleError as error:
        if not error.message.startswith(REFUSED):
            raise
        seen["refused"] += 1
        return None


@st.composite
def subjects(draw: Any) -> dict[str, object]:
    """Typed values of a subject."""
    raw = draw(attributes(DECLARED.subject))
    return {**typed(raw, DECLARED.subject), "kind": "person", "segments": draw(SUBJECT_SEGMENTS)}


contexts = attributes(DECLARED.context).map(lambda raw: typed(raw, DECLARED.context))
items = st.tuples(
    attributes(DECLARED.item), st.sampled_from(["a", "b", "Kent"]), st.sampled_from([(), ("a", "b")])
).map(lambda parts: {**typed(parts[0], DECLARED.item), "id": parts[1], "groups": parts[2]})


def given_answer(result: bool | RuleFailure) -> bool | None:
    return None if isinstance(result, RuleFailure) else result


def check_result(expression: str, asked: list[tuple[Any, ...]]) -> None:
    rule = compiled(expression)
    if rule is None:
        return
    theirs = library(expression)
    for subject, context, item, now in asked:
        data = {
            "subject": as_maps(subject, DECLARED.subject),
            "context": as_maps(context, DECLARED.context),
            "item": as_maps(item, DECLARED.item),
            "now": moment(now),
        }
        expected = answer(theirs, data)
        seen[str(expected)] += 1
        assert given_answer(rule.result(subject, context, now, item)) == expected, (expression, data)
        assert rule.matches(subject, context, now, item) is (expected is True)


@st.composite
def catalogues(draw: Any) -> list[Item]:
    """Items by id."""
    raw = draw(st.lists(attributes(DECLARED.item), min_size=1, max_size=8))
    groups = st.lists(st.sampled_from(["a", "b", "Kent"]), max_size=2, unique=True)
    return [Item(chr(97 + at), tuple(draw(groups)), one) for at, one in enumerate(raw)]


def expected_rows(expression: str, items: list[Item], data: dict[str, Any]) -> list[bool]:
    """What the library says of each item."""
    theirs, found = library(expression), []
    for item in items:
        values = {**typed(item.attributes, DECLARED.item), "id": item.id, "groups": item.groups}
        found.append(answer(theirs, {**data, "item": as_maps(values, DECLARED.item)}) is True)
    return found


few_bytes = st.sampled_from([(indexes.MOST_BYTES, guards.MOST_BYTES), (4, 0), (2, 200), (1, 2000), (0, 0)])


def check_columns(
    texts: list[str], asked: list[tuple[Any, ...]], items: list[Item], random: Random, most: tuple[int, int]
) -> None:
    made = {text: rule for text in texts if (rule := compiled(text)) is not None}
    columns = columns_of(items)
    rows = np.array([random.randrange(len(items)) for _ in range(random.choice([1, 5, 300]))], np.int32)
    guarded = [
        (number, np.flatnonzero(np.array([random.random() < 0.6 for _ in rows])).astype(np.int32))
        for number in range(len(made))
    ]
    program = Program.of(dict.fromkeys(DECLARED.segments, rules.compile("true", DECLARED)), list(made.values()))
    with patch.object(indexes, "MOST_BYTES", most[0]), patch.object(guards, "MOST_BYTES", most[1]):
        gate = program.gate(guarded, columns, rows)
    for subject, context, now in asked:
        data = {
            "subject": as_maps(subject, DECLARED.subject),
            "context": as_maps(context, DECLARED.context),
            "now": moment(now),
        }
        left = np.ones(len(rows), np.bool_)
        for (text, rule), (_, needing) in zip(made.items(), guarded, strict=True):
            truth = expected_rows(text, items, data)
            seen[str(any(truth)) + str(all(truth))] += 1
            assert rule.mask(subject, context, columns, now).tolist() == truth, (text, data, items)
            left[needing] &= np.array(truth)[rows[needing]]
        nameless = {name: value for name, value in subject.items() if name != "segments"}
        answers = program.answers(nameless, context, now, program.bits(subject["segments"]))
        opened = gate.open(answers)
        assert (left if opened is None else opened).tolist() == left.tolist(), (list(made), data, items)


# What each check is given.
RESULTS = (expressions(), st.lists(st.tuples(subjects(), contexts, items, NOW), min_size=1, max_size=3))
COLUMNS = (
    st.lists(st.one_of(expressions(), expressions(depth=2), pairs()), min_size=1, max_size=4),
    st.lists(st.tuples(subjects(), contexts, NOW), min_size=1, max_size=2),
    catalogues(),
    st.randoms(use_true_random=False),
    few_bytes,
)


def test_results() -> None:
    """Random expressions over random values give what the library gives: true, false or an error."""
    settings(max_examples=200, deadline=None)(given(*RESULTS)(check_result))()


def test_columns() -> None:
    """Over columns, as masks and as gates of several rules, each row gets what the library gives its item."""
    settings(max_examples=100, deadline=None)(given(*COLUMNS)(check_columns))()


def many(check: Any, strategies: tuple[Any, ...], examples: int) -> None:
    """Many examples in portions of 2,500: hypothesis remembers those of a run."""
    some = settings(max_examples=2_500, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    seen.clear()
    for number in range(examples // 2_500):
        seeded: Any = seed(number)
        asked: Any = given(*strategies)
        seeded(some(asked(check)))()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_results() -> None:
    """The same with 50,000 expressions, each with up to three subjects; all three answers are a fair share."""
    many(check_result, RESULTS, 50_000)
    whole = sum(seen.values())
    assert all(seen[one] > whole / 20 for one in ("True", "False", "None")), seen
    assert seen["refused"] < whole / 5, seen


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_columns() -> None:
    """The same over columns: 25,000 sets of up to four expressions, true of all rows, of some, of none."""
    many(check_columns, COLUMNS, 25_000)
    whole = sum(seen.values())
    assert all(seen[one] > whole / 20 for one in ("FalseFalse", "TrueTrue", "TrueFalse")), seen
    assert whole - seen["refused"] > 50_000, seen
