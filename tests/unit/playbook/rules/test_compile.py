"""What is taken as a rule, what is refused, and where."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maitred_server.playbook import rules
from maitred_server.playbook.rules import Declarations, Rule, RuleError, RuleFailure, Uses, times
from maitred_server.playbook.rules.errors import Failure
from unit.playbook.rules.expressions import DECLARED, library, moment, oracle

MISTAKES = {
    "subject.agee > 1": (1, 8, "unknown trait `agee`; did you mean `age`?"),
    "context.devise == 'a'": (1, 8, "unknown context attribute `devise`; did you mean `device`?"),
    "item.prise > 1": (1, 5, "unknown item attribute `prise`; did you mean `price`?"),
    "has(subject.agee)": (1, 4, "unknown trait `agee`; did you mean `age`?"),
    'subject["shoe sise"] > 1': (1, 9, "unknown trait `shoe sise`; did you mean `shoe size`?"),
    "true &&\n  subject.agee > 1": (2, 10, "unknown trait `agee`; did you mean `age`?"),
    "'skier' in subject.segments": (1, 9, "unknown segment `skier`; did you mean `skiers`?"),
    "['new', 'old'] == subject.segments": (1, 16, "unknown segment `old`; known are `new`, `skiers`"),
    "subject.kind == 'persn'": (1, 14, "unknown kind of subject `persn`; did you mean `person`?"),
    "sbject.age > 1": (1, 7, "unknown name or function `sbject.age`; did you mean `subject`?"),
    "contain(subject.name)": (1, 8, "unknown name or function `contain`; did you mean `contains`?"),
    "subject.age": (1, 8, "a rule answers true or false; this is a number"),
    "subject": (1, 1, "`subject` can only be read by name, like `subject.kind`"),
    "subject == subject": (1, 1, "`subject` can only be read by name, like `subject.kind`"),
    "subject[context.device] == 'a'": (1, 8, "`[ ]` does not take `subject` as a whole and a text"),
    "subject.born == null": (1, 17, "null is not supported; `has(subject.name)` tells whether there is a value"),
    "1u == 2u": (1, 1, "unsigned numbers are not supported; write whole numbers without `u`"),
    "b'a' == b'a'": (1, 1, "bytes are not supported; write texts"),
    "[1, 'a'] == []": (1, 1, "values of several types in one list, map or expression are not supported"),
    "type(1) == int": (1, 5, "unknown name or function `type`"),
    "dyn(1) == 1": (1, 4, "unknown name or function `dyn`"),
    "subject.name.matches(context.device)": (1, 21, "`matches` takes a constant text only"),
    "timestamp(subject.name) < now": (1, 10, "`timestamp` takes a constant text only"),
    "subject.tags.exists(item, item == 'a')": (1, 20, "a macro's variable cannot be called `item`"),
    "{'a': 1}.map(k, k) == ['a']": (1, 13, "`map` over a map is not supported: a map has no order"),
    "{subject.name: 1} == {'a': 1}": (1, 1, "the keys of a map have to be constants"),
    "google.protobuf.Timestamp{} < now": (1, 1, "messages are not supported"),
    "1 / 0 == 1": (1, 3, "a division by zero"),
    "9223372036854775807 + 1 > 0": (1, 21, "a whole number of more than 64 bits"),
    "now.getHours('Nowhere/Town') < 1": (1, 13, "an unknown time zone"),
    "duration('1d') < duration('1h')": (
        1,
        9,
        "`1d` is no duration; write it like 36h, 90m or 1h30m (units: h, m, s, ms, us, ns)",
    ),
    "1 +": (1, 4, "syntax error: mismatched input '<EOF>'"),
    "": (1, 1, "syntax error: mismatched input '<EOF>'"),
    "(" * 40 + "true" + ")" * 40: (
        1,
        1,
        "nested more than 32 deep; each operator after another nests, but for `&&` and `||`",
    ),
    " && ".join(["subject.member"] * 150): (1, 1834, "more than 200 parts; split it into segments"),
    "subject.tags.exists(a, subject.tags.exists(b, subject.tags.exists(c, a == b && b == c)))": (
        1,
        43,
        "may take some 32,897 steps; at most 10,000 are allowed. Nest fewer macros",
    ),
    "'" + "a" * 10_000 + "' == subject.name": (1, 1, "longer than 10,000 characters"),
}


@pytest.mark.parametrize(
    ("expression", "line", "column", "message"),
    [(expression, *found) for expression, found in MISTAKES.items()],
    ids=[expression[:40] for expression in MISTAKES],
)
def test_mistakes(expression: str, line: int, column: int, message: str) -> None:
    """Each mistake is refused, with its place and what would be right."""
    with pytest.raises(RuleError) as caught:
        rules.compile(expression, DECLARED)
    found = caught.value
    assert (found.line, found.column, found.message) == (line, column, message)


def test_what_a_rule_uses() -> None:
    """A rule knows what it reads of whom, also inside of macros and `has`, and which segments it names."""
    text = "has(subject.age) && subject.tags.exists(t, t in item.tags) && 'new' in subject.segments && context.at < now"
    assert rules.compile(text, DECLARED).uses == Uses(
        subject=frozenset({"age", "tags", "segments"}),
        context=frozenset({"at"}),
        item=frozenset({"tags"}),
        now=True,
        segments=frozenset({"new"}),
    )
    assert rules.compile("size(subject.segments) > 1", DECLARED).uses.segments == frozenset(DECLARED.segments)


def test_plans() -> None:
    """A rule that is read back from its plan is the same; a plan of another version is refused."""
    rule = rules.compile("subject.age > 1.5 && now - subject.born > duration('1ns')", DECLARED)
    again = Rule.from_plan(rule.plan)
    assert (again.tree, again.uses, again.expression, again.plan) == (rule.tree, rule.uses, rule.expression, rule.plan)
    with pytest.raises(ValueError, match="version 99; this server reads version 1"):
        Rule.from_plan(rule.plan[:1] + b"\x63" + rule.plan[2:])


def test_plans_need_no_library() -> None:
    """A plan is loaded and answered without loading the CEL library."""
    plan = rules.compile("subject.age > 1 && now.getHours() < 24", DECLARED).plan
    code = (
        "import sys; from maitred_server.playbook.rules import Rule, Program\n"
        f"rule = Rule.from_plan({plan!r})\n"
        "assert rule.matches({'age': 2.0}, {}, 0)\n"
        "program = Program.of({}, [rule]); program.answers({'age': 2.0}, {}, 0, 0)\n"
        "assert not [name for name in sys.modules if name.startswith('cel_expr_python')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_that_are_no_identifiers() -> None:
    """Any name can be declared, and is read in brackets; text that only looks like it is left alone."""
    declared = Declarations(subject={"shoe size": "number", "in": "flag", 'a"b': "text", "_a0": "flag", "ü": "flag"})
    subject = {"shoe size": 41.0, "in": True, 'a"b': 'x subject["shoe size"] y', "_a0": False, "ü": True}
    for text in (
        "subject[\"shoe size\"] > 40 && subject [ 'in' ]",
        r'subject["a\"b"].contains("subject[\"shoe size\"]")',
        'has(subject["ü"]) && subject["ü"] // subject["none"]',
        'subject["_a0"] == false && subject._a0 == false',
    ):
        assert rules.compile(text, declared).matches(subject, {}, 0), text


@given(
    st.one_of(
        st.from_regex(r"-?([0-9]{1,3}(\.[0-9]{0,4})?(h|m|s|ms|us|ns)){1,3}", fullmatch=True),
        st.from_regex(r"[0-9]{1,3}", fullmatch=True),
    )
)
def test_durations(text: str) -> None:
    """A duration that is taken is as long as the library says."""
    try:
        ours = times.parse_duration(text)
    except Failure:
        return
    theirs = oracle().compile(f"duration('{text}') == duration('{ours}ns')").eval(data={})
    assert theirs.value() is True


@given(st.datetimes(), st.sampled_from(["Z", "z", "+02:00", "-11:30", "+00:00"]), st.integers(0, 999_999_999))
def test_moments(moment: object, zone: str, fraction: int) -> None:
    """A moment that is taken is the one that the library reads; out of its range neither takes it."""
    text = f"{str(moment)[:19].replace(' ', 'T')}.{fraction:09d}{zone}"
    library = oracle().compile(f"string(timestamp('{text}') - duration('0s'))").eval(data={})
    try:
        ours = times.parse_moment(text)
    except Failure:
        assert library.type().name() == "ERROR"
        return
    seconds = oracle().compile(f"int(timestamp('{text}'))").eval(data={}).value()
    assert (ours // times.SECOND, ours % times.SECOND) == (seconds, fraction)


@pytest.mark.parametrize(
    "zone", ["", "UTC", "Europe/Berlin", "+2:00", "02:30", "-1:5", "+25:00", "utc", "+0200", "x/../UTC"]
)
@pytest.mark.parametrize("ms", [1_760_000_000_000, -62_135_596_800_000, 253_402_300_799_999])
def test_time_zones(zone: str, ms: int) -> None:
    """A zone leads to the same clock and calendar as in the library, at the ends of time too."""
    for getter in ("getFullYear", "getDayOfYear", "getHours", "getMinutes"):
        text = f"subject.born.{getter}(subject.name)"
        theirs = library(text).eval(data={"subject": {"born": moment(ms), "name": zone}})
        rule = rules.compile(f"{text} == {theirs.value() if theirs.type().name() == 'INT' else 0}", DECLARED)
        result = rule.result({"born": ms, "name": zone}, {}, 0)
        assert isinstance(result, RuleFailure) if theirs.type().name() == "ERROR" else result is True, (text, zone)
