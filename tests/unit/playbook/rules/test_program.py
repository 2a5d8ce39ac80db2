"""Programs: rules and segments together, and the rows that they open."""

from __future__ import annotations

import numpy as np
import pytest
from maitred_server.model import Item
from maitred_server.playbook import rules
from maitred_server.playbook.rules import Declarations, Program, Rule, RuleError, RuleFailure
from unit.playbook.rules.catalogues import columns_of

DECLARED = Declarations(
    subject={"age": "number", "budget": "number", "town": "text", "likes": "texts"},
    context={"device": "text"},
    item={"price": "number", "town": "text"},
    segments=("young", "old", "rich", "rich and old"),
)
ITEMS = [
    Item("a", ("tea",), {"price": 5.0, "town": "Kent"}),
    Item("b", (), {"price": 20.0}),
    Item("c", ("tea", "cups"), {"town": "Assam"}),
]

EVERY = np.arange(len(ITEMS), dtype=np.int32)


def rule(text: str) -> Rule:
    return rules.compile(text, DECLARED)


SEGMENTS = {
    "rich and old": rule("'rich' in subject.segments && 'old' in subject.segments"),
    "young": rule("!('old' in subject.segments)"),
    "rich": rule("subject.budget > 100"),
    "old": rule("subject.age >= 60"),
}


def all_rows(number: int) -> tuple[int, np.ndarray[tuple[int], np.dtype[np.int32]]]:
    return number, EVERY


def test_segments_of_segments() -> None:
    """Segments may ask for others, in whatever order they are written; bits follow the order of the names."""
    program = Program.of(SEGMENTS, [])
    assert program.segment_names == ("rich and old", "young", "rich", "old")
    assert program.names(program.segments({"age": 70.0, "budget": 200.0}, {}, 0)) == ("rich and old", "rich", "old")
    assert program.names(program.segments({}, {}, 0)) == ("young",)


def test_only_some_segments() -> None:
    """With `only` no other segment is in the answer, those that it needs included."""
    program = Program.of(SEGMENTS, [])
    bits = program.segments({"age": 70.0, "budget": 200.0}, {}, 0, only={"rich and old"})
    assert program.names(bits) == ("rich and old",)


def test_segments_in_a_circle() -> None:
    """Segments that use each other in a circle are refused by their names, and so is one that asks for items."""
    circle = {"young": rule("'old' in subject.segments"), "old": rule("!('young' in subject.segments)")}
    with pytest.raises(RuleError, match=r"in a circle: `(young|old)` -> `(young|old)` -> "):
        Program.of(circle, [])
    with pytest.raises(RuleError, match="circle"):
        Program.of({"young": rule("size(subject.segments) > 1")}, [])
    with pytest.raises(RuleError, match="segment `young` asks for items"):
        Program.of({"young": rule("item.price > 1")}, [])


def test_names_of_segments_as_a_list() -> None:
    """A rule may take the names of segments as they come."""
    program = Program.of(SEGMENTS, [rule("size(subject.segments) == 3"), rule("subject.segments[0] == 'young'")])
    rich = program.answers({}, {}, 0, program.bits(["rich and old", "rich", "old"]))
    young = program.answers({}, {}, 0, program.bits(["young"]))
    assert (rich.failing, young.failing) == (0b10, 0b01)


@pytest.mark.parametrize(
    "text",
    [
        "('rich' in subject.segments) == (subject.age > 18)",
        " || ".join(f"('rich' in subject.segments && subject.age > {number})" for number in range(12)),
        "item.price > 1 ? ('rich' in subject.segments) == (item.price < subject.age) : false",
    ],
)
def test_segments_within_atoms(text: str) -> None:
    """Wherever a rule names a segment, it is one of those that are given as bits."""
    program = Program.of(SEGMENTS, [rule(text)])
    gate = program.gate([(0, np.array([0], np.int32))], columns_of(ITEMS), EVERY)
    assert gate.open(program.answers({"age": 20.0}, {}, 0, program.bits(["rich"]))) is None
    assert gate.open(program.answers({"age": 20.0}, {}, 0, 0)) is not None


def test_a_gate() -> None:
    """A row is open when all rules that guard it match; without a closed row there is no mask."""
    program = Program.of(
        {}, [rule("subject.age > 18"), rule("item.price < subject.budget"), rule("'tea' in item.groups")]
    )
    gate = program.gate(
        [all_rows(0), (1, np.array([0, 1], np.int32)), (2, np.array([2], np.int32))],
        columns_of(ITEMS),
        EVERY,
    )
    opened = gate.open(program.answers({"age": 20.0, "budget": 10.0}, {}, 0, 0))
    assert opened is not None
    assert opened.tolist() == [True, False, True]
    assert gate.open(program.answers({"age": 20.0, "budget": 100.0}, {}, 0, 0)) is None
    closed = gate.open(program.answers({"age": 10.0}, {}, 0, 0))
    assert closed is not None
    assert closed.tolist() == [False, False, False]


def test_verdicts() -> None:
    """Of a row each rule that guards it says what it answers, and what was missing."""
    program = Program.of(
        SEGMENTS, [rule("item.price < 10"), rule("subject.age > 18"), rule("'old' in subject.segments")]
    )
    gate = program.gate([all_rows(0), all_rows(1), (2, np.array([1], np.int32))], columns_of(ITEMS), EVERY)
    answers = program.answers({}, {}, 0, program.bits(["old"]))
    assert gate.verdicts(answers, 1) == [(0, False), (1, RuleFailure("`subject.age` is absent")), (2, True)]
    assert gate.verdicts(answers, 2) == [
        (0, RuleFailure("`item.price` is absent")),
        (1, RuleFailure("`subject.age` is absent")),
    ]


def test_equal_rules_are_one() -> None:
    """Rules of equal expressions are answered once, and each guards its rows."""
    program = Program.of({}, [rule("subject.age > 18"), rule(" subject.age  > 18 ")])
    gate = program.gate([(0, np.array([0], np.int32)), (1, np.array([2], np.int32))], columns_of(ITEMS), EVERY)
    answers = program.answers({}, {}, 0, 0)
    opened = gate.open(answers)
    assert answers.failing == 1
    assert opened is not None
    assert opened.tolist() == [False, True, False]


@pytest.mark.parametrize(
    "text",
    [
        "item.price < 10",
        "item.price < subject.budget",
        "item.price * 2.0 < subject.budget",
        "item.price - 1.0 < subject.budget - subject.age",
        "item.town == subject.town || item.price < 10",
    ],
)
def test_live_prices(text: str) -> None:
    """After a price changed a gate answers as a new one over the new prices; the old one answers as before."""
    program, columns, rows = Program.of({}, [rule(text)]), columns_of(ITEMS), EVERY
    dearer = columns.with_price(np.array([50.0, 5.0, 8.0]))
    answers = program.answers({"budget": 12.0, "age": 1.0, "town": "Lima"}, {}, 0, 0)
    gate = program.gate([all_rows(0)], columns, rows)
    before, changed = gate.open(answers), gate.with_columns(dearer).open(answers)
    anew, after = program.gate([all_rows(0)], dearer, rows).open(answers), gate.open(answers)
    assert before is not None
    assert changed is not None
    assert anew is not None
    assert after is not None
    assert changed.tolist() == anew.tolist() == [False, True, text != "item.price * 2.0 < subject.budget"]
    assert before.tolist() == after.tolist() != changed.tolist()


def test_many_clauses() -> None:
    """Rules with more clauses than have room in the tables answer all the same."""
    towns = [f"(subject.town == 't{number}' && subject.age > {number})" for number in range(12)]
    for text in (" || ".join(towns), " && ".join(f"({one} || subject.budget > 5)" for one in towns[:10])):
        program = Program.of({}, [rule("subject.age > 90"), rule(text)])
        for subject in ({"town": "t3", "age": 4.0}, {"town": "t3", "age": 2.0}, {"budget": 6.0}, {}):
            failing = program.answers(subject, {}, 0, 0).failing
            assert (failing >> 1 & 1 == 0) is rule(text).matches(subject, {}, 0), (text, subject)


def test_no_rules_and_no_rows() -> None:
    """A program of nothing answers, and a gate over no rows opens."""
    program = Program.of({}, [])
    assert program.segments({}, {}, 0) == 0
    gate = program.gate([], columns_of([]), np.zeros(0, np.int32))
    assert gate.open(program.answers({}, {}, 0, 0)) is None


def test_declared_types_decide() -> None:
    """An attribute of another type than declared is absent in columns as it is in `typed`."""
    items = [Item("a", (), {"price": "dear"}), Item("b", (), {"price": True}), Item("c", (), {"price": 3.0}), Item("d")]
    assert rule("has(item.price)").mask({}, {}, columns_of(items), 0).tolist() == [False, False, True, False]
    assert rule("item.price > 1").mask({}, {}, columns_of(items), 0).tolist() == [False, False, True, False]
