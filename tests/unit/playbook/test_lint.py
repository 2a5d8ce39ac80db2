"""Warnings: what is allowed and probably not meant is said, with its place, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.model import Exposure, Item, Kind, Reason, Record, SubjectKey, Trait, Traits
from maitred_server.playbook.lint import CHECKS, Scene, lint
from maitred_server.playbook.lint.claims import claims, contradiction
from maitred_server.playbook.lint.crowded import crowded
from maitred_server.playbook.lint.observed import nobody_in, observe, without_content
from maitred_server.playbook.loader import read_playbook
from maitred_server.playbook.rules import Declarations
from maitred_server.playbook.rules import compile as compiled
from maitred_server.store import Profile
from maitred_server.store.keys import brand_prefix

RIGHT = {
    "playbook.yaml": "name: shop\n",
    "placements.yaml": "placements: [{name: home, policy: popular, slots: 2, fallback: [skis]}]\n",
    "subjects.yaml": "traits: [{name: age, type: number}, {name: city, type: text}, {name: member, type: flag}]\n"
    "context: [{name: device, type: text}]\nevents: [{type: view}]\n",
    "items.yaml": "items:\n"
    "  - {id: skis, groups: [sport], attributes: {price: 300, size: 190}}\n"
    "  - {id: boots, groups: [sport], attributes: {price: 3, size: 40}}\n"
    "  - {id: tea, groups: [food], attributes: {price: 3}}\n",
}


def scene(**files: str) -> Scene:
    texts = RIGHT | {f"{name}.yaml": text for name, text in files.items()}
    reading = read_playbook({name: text.encode() for name, text in texts.items()}, ())
    assert reading.mistakes == []
    return Scene(reading.playbook, {item.id: item for item in reading.playbook.items}, reading.places)


def warnings(**files: str) -> list[str]:
    return [str(warning) for warning in lint(scene(**files))]


def test_what_is_right_has_no_warnings() -> None:
    """A playbook in which everything is used and can happen gives none, control and all."""
    assert warnings() == []
    assert (
        warnings(
            segments="segments: [{name: grown-up, if: subject.age >= 18}, {name: old, if: "
            "'\"grown-up\" in subject.segments && subject.age > 60'}]",
            rules="rules: [{name: r, layer: eligibility, if: '\"old\" in subject.segments', for: {groups: [food]}}]",
            contact_policies="contact_policies: [{name: day, counts: exposure, most: 2, window: 1d}, "
            "{name: week, counts: exposure, most: 5, window: 7d}]",
            arbitration="levers: [{name: push, factor: 3, for: {items: [tea]}}]",
        )
        == []
    )


def test_placements_without_fallback() -> None:
    """A placement that may show nothing is named."""
    assert warnings(placements="placements:\n  - {name: home, policy: popular}\n") == [
        "placements.yaml:2:5: placement `home` has no `fallback`: it shows nothing when no candidate may be shown"
    ]


def test_unused_segments() -> None:
    """A segment that nothing asks for is named, and so is one that only such segments ask for."""
    segments = """
segments:
  - {name: a, if: subject.age > 1}
  - {name: b, if: '"a" in subject.segments'}
  - {name: c, if: subject.age > 3}
  - {name: d, if: '"c" in subject.segments'}
"""
    placements = (
        "placements: [{name: home, policy: popular, fallback: [skis], pins: "
        "[{slot: 0, item: skis, if: '\"d\" in subject.segments'}]}]"
    )
    assert warnings(segments=segments, placements=placements) == [
        "segments.yaml:3:5: segment `a` is used by no item and no placement",
        "segments.yaml:4:5: segment `b` is used by no item and no placement",
    ]


def test_items_that_are_no_candidates() -> None:
    """Items in no placement's candidates are told together, at the first of them."""
    placements = "placements: [{name: home, policy: popular, candidates: {groups: [food]}, fallback: [tea]}]"
    assert warnings(placements=placements) == [
        "items.yaml:2:5: items `boots`, `skis` are no candidate of any placement"
    ]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (["subject.age >= 18", "subject.age < 16"], "`subject.age >= 18` and `subject.age < 16` cannot hold together"),
        (["subject.age > 18 && subject.age <= 18"], "`subject.age > 18 && subject.age <= 18` contradicts itself"),
        (['subject.city == "Bern"', 'subject.city in ["Basel", "Chur"]'], "cannot hold together"),
        (['subject.city == "Bern"', 'subject.city != "Bern"'], "cannot hold together"),
        (["subject.member", "!subject.member"], "cannot hold together"),
        (["!has(subject.age)", "18.0 < subject.age"], "cannot hold together"),
        (['"teen" in subject.segments', "subject.age >= 20"], "`subject.age >= 20` cannot hold together"),
        (['"teen" in subject.segments', '!("teen" in subject.segments)'], "cannot hold together"),
        (["false"], "`false` is not true of anything"),
        (["item.size > 50.0"], "`item.size > 50.0` is not true of it"),
        (['item.id == "tea"'], "is not true of it"),
        (["item.absent > 1.0"], "is not true of it"),
    ],
)
def test_items_that_can_never_be_eligible(rules: list[str], why: str) -> None:
    """Rules that no subject can meet together, or that are not true of the item, are found and named."""
    carried = "\n".join(f"      - {rule!r}" if "'" not in rule else f'      - "{rule}"' for rule in rules)
    items = f"items:\n  - id: skis\n  - id: boots\n    attributes: {{size: 40}}\n    eligibility:\n{carried}\n"
    subjects = RIGHT["subjects.yaml"] + "item_attributes: {absent: number}\n"
    segments = "segments: [{name: teen, if: subject.age > 12 && subject.age < 20}]"
    found = [one for one in warnings(items=items, subjects=subjects, segments=segments) if "segment `teen`" not in one]
    (one,) = found
    assert one.startswith("items.yaml:3:5: item `boots` can never be eligible in placement `home`: ")
    assert one.endswith(why)


@pytest.mark.parametrize(
    "rules",
    [
        ["subject.age >= 18", "subject.age <= 18"],
        ["subject.age >= 18 || subject.age < 16"],
        ["subject.age >= 18", "context.device == 'x' || subject.age < 16"],
        ["subject.city in ['Bern', 'Chur']", "subject.city != 'Bern'"],
        ["item.price > 500.0"],
        ["item.size > 50.0 || subject.member"],
        ["now > timestamp('2200-01-01T00:00:00Z')"],
    ],
)
def test_what_is_not_proved_is_not_said(rules: list[str]) -> None:
    """Rules that may hold for somebody some day, and such as look at a price, which may change, give no warning."""
    carried = "\n".join(f'      - "{rule}"' for rule in rules)
    items = (
        f"items:\n  - id: skis\n  - id: boots\n    attributes: {{price: 3, size: 40}}\n    eligibility:\n{carried}\n"
    )
    assert warnings(items=items) == []


def test_rules_of_one_channel_are_left_out() -> None:
    """Rules that hold in one channel only do not make an item ineligible: another channel may ask."""
    rules = (
        "rules:\n  - {name: a, layer: eligibility, if: 'false', for: {channels: [email]}}\n"
        "  - {name: b, layer: eligibility, if: 'false', for: {placements: [home], items: [tea]}}\n"
    )
    assert warnings(rules=rules) == [
        "items.yaml:4:5: item `tea` can never be eligible in placement `home`: `false` is not true of anything"
    ]


def test_segments_that_can_never_match() -> None:
    """A segment that contradicts itself, or a segment that it asks for, is named."""
    segments = """
segments:
  - {name: a, if: subject.age > 1}
  - {name: b, if: '"a" in subject.segments && subject.age < 0'}
  - {name: c, if: 'false'}
"""
    found = [one for one in warnings(segments=segments) if "can never match" in one]
    assert found == [
        'segments.yaml:4:5: segment `b` can never match: `"a" in subject.segments` and '
        '`"a" in subject.segments && subject.age < 0` cannot hold together',
        "segments.yaml:5:5: segment `c` can never match: it is false",
    ]


def test_missing_variants() -> None:
    """For each device and locale that a placement serves, items without a fitting variant are named."""
    placements = """
placements:
  - {name: home, policy: popular, fallback: [skis], devices: [tv, phone], locales: [de-CH, fr], format: banner}
"""
    items = """
items:
  - id: skis
    variants: [{name: a, devices: [tv]}, {name: b, devices: [phone], locales: [de]}]
  - id: boots
    variants: [{name: a, formats: [banner], locales: [de, fr]}, {name: b, formats: [tile]}]
  - {id: tea, variants: [{formats: [tile]}]}
"""
    assert warnings(placements=placements, items=items) == [
        f"placements.yaml:3:5: placement `home` has no variant for {moment} of {named}"
        for moment, named in (
            ("device `tv`, locale `de-CH`, format `banner`", "item `tea`"),
            ("device `tv`, locale `fr`, format `banner`", "item `tea`"),
            ("device `phone`, locale `de-CH`, format `banner`", "item `tea`"),
            ("device `phone`, locale `fr`, format `banner`", "items `skis`, `tea`"),
        )
    ]


def test_slots_that_are_not_there() -> None:
    """Slots are counted from 0: one too far is said, and so is a pin behind one that always holds."""
    placements = (
        "placements: [{name: home, policy: popular, slots: 2, fallback: [skis], stretch: [2], "
        "pins: [{slot: 0, item: skis}, {slot: 0, item: tea}]}]"
    )
    assert warnings(placements=placements) == [
        "placements.yaml:1:14: placement `home`: slot 2 is stretch, and it has 2 slots, the last is 1: "
        "slots count from 0",
        "placements.yaml:1:14: placement `home`: item `tea` is pinned to slot 0 behind `skis`, which always is",
    ]


POLICY = "  - {{name: {0}, counts: {1}, most: {2}, window: {3}, {4}}}\n"


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (("exposure", 2, "7d", ""), ("exposure", 3, "7d", ""), "`a` allows 2 in 7d, which is stricter"),
        (("exposure", 2, "7d", ""), ("exposure", 3, "1d", "for: {items: [tea]}"), "`a` allows 2 in 7d"),
        (("exposure", 1, "1d", ""), ("exposure", 8, "7d", ""), "`a` allows 1 in 1d, so that it never comes to 8 in 7d"),
        (("view", 2, "7d", ""), ("view", 2, "7d", ""), "`a` is the same"),
        (
            ("exposure", 2, "7d", "suppress_for: 9d"),
            ("exposure", 2, "7d", ""),
            "then nothing for 9d, which is stricter",
        ),
        (
            ("exposure", 2, "7d", "per: all"),
            ("exposure", 2, "7d", "per: all, for: {groups: [food]}"),
            "`a` is the same",
        ),
    ],
)
def test_policies_that_can_never_bind(
    first: tuple[str, int, str, str], second: tuple[str, int, str, str], why: str
) -> None:
    """A policy that another is always ahead of is named with the other."""
    text = "contact_policies:\n" + POLICY.format("a", *first) + POLICY.format("b", *second)
    (one,) = warnings(contact_policies=text)
    assert one.startswith("contact_policies.yaml:3:5: contact policy `b` can never bind: ")
    assert why in one


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("exposure", 1, "1d", ""), ("exposure", 7, "7d", "")),
        (("exposure", 2, "7d", ""), ("exposure", 3, "9d", "suppress_for: 30d")),
        (("exposure", 2, "7d", "for: {items: [tea]}"), ("exposure", 3, "7d", "")),
        (("exposure", 2, "7d", "per: group"), ("exposure", 3, "7d", "")),
        (("exposure", 2, "7d", ""), ("view", 3, "7d", "")),
        (("view", 1, "1d", ""), ("view", 8, "7d", "")),
    ],
)
def test_policies_that_may_bind(first: tuple[str, int, str, str], second: tuple[str, int, str, str]) -> None:
    """Policies that differ in what they count, for what, or how long they hold, are left alone."""
    text = "contact_policies:\n" + POLICY.format("a", *first) + POLICY.format("b", *second)
    assert warnings(contact_policies=text) == []


def test_policies_that_count_what_there_is_not() -> None:
    """A policy that counts a word that is nearly one that is declared is asked about."""
    text = "contact_policies:\n  - {name: a, counts: exposures, most: 1, window: 1d}\n"
    assert warnings(contact_policies=text) == [
        "contact_policies.yaml:2:5: contact policy `a` counts `exposures`; did you mean `exposure`?"
    ]


def test_scopes_that_reach_nothing() -> None:
    """Whatever its kind, what is about no candidate of its placements is named."""
    placements = (
        "placements:\n  - {name: home, policy: popular, candidates: {groups: [food]}, fallback: [skis, boots]}\n"
        "  - {name: till, policy: popular, fallback: [skis], candidates: {items: [skis]}}\n"
    )
    scope = "for: {items: [skis], placements: [home]}"
    found = warnings(
        placements=placements,
        rules=f"rules: [{{name: r, layer: eligibility, if: 'true', {scope}}}]",
        contact_policies=f"contact_policies: [{{name: p, counts: exposure, most: 1, window: 1d, {scope}}}]",
        arbitration=f"levers: [{{name: l, factor: 2, {scope}}}, {{name: m, factor: 2, for: {{items: [skis]}}}}]",
    )
    assert found == [
        "rules.yaml:1:9: rule `r` has no effect: its `for` reaches no candidate",
        "contact_policies.yaml:1:20: contact policy `p` has no effect: its `for` reaches no candidate",
        "arbitration.yaml:1:10: lever `l` has no effect: its `for` reaches no candidate",
    ]


def test_levers_that_decide_alone() -> None:
    """A factor beyond what propensity, value and weights can make up is said, either way; one within is not.

    Here propensity makes 100, prices of 3 to 300 make 100, and the weight 2.
    """
    placements = "placements: [{name: home, policy: popular, fallback: [skis], value: {attribute: price}}]"
    weights = "context_weights: [{name: w, weight: 0.5, if: 'context.device == \"tv\"'}]"

    def lever(factor: float) -> list[str]:
        text = f"levers: [{{name: l, factor: {factor}, for: {{items: [tea]}}}}]\n{weights}"
        return warnings(placements=placements, arbitration=text)

    start = "arbitration.yaml:1:10: lever `l` decides alone in placement `home`: "
    rest = "and propensity, value and context weights make 20,000 at most"
    assert lever(20_000) == lever(0.00005) == []
    assert lever(20_001) == [f"{start}its items weigh 20,001 times as much as any other, {rest}"]
    assert lever(0.00004) == [f"{start}any other item weighs 25,000 times as much, {rest}"]


COMPARED = st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.integers(-2, 2))


@settings(deadline=None)
@given(one=COMPARED, other=COMPARED, denied=st.booleans())
def test_contradictions_are_those_of_arithmetic(one: tuple[str, int], other: tuple[str, int], denied: bool) -> None:
    """Two comparisons contradict each other exactly when no number meets both."""
    right = f"subject.age {other[0]} {other[1]}.0"
    text = f"subject.age {one[0]} {one[1]}.0 && {f'!({right})' if denied else right}"
    rule = compiled(text, Declarations(subject={"age": "number"}))
    grid = [number / 2 for number in range(-8, 9)]
    possible = any(rule.matches({"age": number}, {}, 0) for number in grid)
    assert (contradiction(claims(rule, text, {})) is None) == possible


def key(number: int) -> SubjectKey:
    return brand_prefix("default") + number.to_bytes(16, "big")


def shown(number: int, reason: Reason, segments: tuple[str, ...], showing: int = 1) -> Record:
    body = Exposure(f"d{number}", "home", showing, (), "popular", reason, (), "1", "", 0, 0, 0, segments=segments)
    return Record(key(number % 50), Kind.PERSON, 1, 1, body)


def journal(records: Iterable[Record]) -> list[tuple[int, Record]]:
    return list(enumerate(records, 1))


def read(entries: list[tuple[int, Record]], after: int, limit: int) -> list[tuple[int, Record]]:
    return [entry for entry in entries if entry[0] > after][:limit]


SEGMENTS = """
segments:
  - {name: young, if: subject.age < 18}
  - {name: old, if: subject.age > 60}
  - {name: oldest, if: '"old" in subject.segments && subject.age > 90'}
  - {name: mobile, if: 'context.device == "phone"'}
  - {name: mobile old, if: '"mobile" in subject.segments && subject.age > 90'}
"""


def test_segments_that_nobody_is_in() -> None:
    """Of a sample of subjects, segments that none is in are named; those that need a request's context are not."""
    here = scene(segments=SEGMENTS)
    traits = [Record(key(n), Kind.PERSON, 1, 1, Traits((Trait("age", float(n)),))) for n in range(10, 80)]
    other = Record(brand_prefix("other") + bytes(16), Kind.PERSON, 1, 1, Traits((Trait("age", 99.0),)))
    entries = journal([*traits, other])
    profiles = {record.subject: Profile.empty(Kind.PERSON).with_records([(at, record)]) for at, record in entries}
    told: list[int] = []
    seen = observe(lambda after, limit: read(entries, after, 20), "default", told.append)
    assert (len(seen.subjects), told[-1]) == (70, 71)
    assert [str(one) for one in nobody_in(here, seen, profiles.get, 1)] == [
        "segments.yaml:5:5: segment `oldest` matches nobody of 70 sampled subjects"
    ]
    assert list(nobody_in(here, seen._replace(subjects=()), profiles.get, 1)) == []


def test_values_that_share_a_column() -> None:
    """Values of a trait that is learned from are told when they meet in a column of features; one alone is not."""
    home = "placements: [{name: home, policy: greedy, fallback: [tea], learning: {traits: [subject.city]}}]"
    here = scene(placements=home, subjects="traits: [{name: city, type: text}]")
    entries = journal(
        Record(key(n), Kind.PERSON, 1, 1, Traits((Trait("city", f"town {n}"), Trait("age", 1.0))))
        for n in range(10, 50)
    )
    profiles = {record.subject: Profile.empty(Kind.PERSON).with_records([(at, record)]) for at, record in entries}
    seen = observe(lambda after, limit: read(entries, after, limit), "default")
    (warning,) = crowded(here, seen, profiles.get)
    assert "placement `home`: of 40 values of its `traits` " in str(warning)
    assert list(crowded(here, seen._replace(subjects=seen.subjects[:1]), profiles.get)) == []


def test_segments_without_content() -> None:
    """A segment is named when over a fifth of at least 100 decisions were the fallback; showings count once."""
    here = scene(segments=SEGMENTS)
    records = [shown(n, Reason.FALLBACK if n % 4 == 0 else Reason.LEARNED, ("young",)) for n in range(120)]
    records += [shown(n, Reason.FALLBACK if n % 5 == 0 else Reason.LEARNED, ("old",)) for n in range(200, 400)]
    records += [shown(n, Reason.FALLBACK, ("oldest",)) for n in range(400, 499)]
    records += [shown(n, Reason.FALLBACK, ("old",), showing=2) for n in range(200, 400)]
    entries = journal(records)
    seen = observe(lambda after, limit: read(entries, after, limit), "default")
    assert [str(one) for one in without_content(here, seen)] == [
        "segments.yaml:3:5: segment `young` lacks content: of 120 decisions shown to its members "
        "30 (25%) were the fallback"
    ]


def test_the_sample_is_of_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more subjects than are sampled those with the least keys are, however often each comes."""
    monkeypatch.setattr("maitred_server.playbook.lint.observed.MOST_SAMPLED", 5)
    numbers = [9, 3, 7, 3, 1, 8, 2, 6, 1, 9, 4]
    entries = journal(Record(key(n), Kind.PERSON, 1, 1, Traits((Trait("age", 1.0),))) for n in numbers)
    seen = observe(lambda after, limit: read(entries, after, limit), "default")
    assert seen.subjects == tuple(key(n) for n in (1, 2, 3, 4, 6))


def test_every_check_is_tested_here() -> None:
    """There is no check of which this file does not show a warning."""
    assert {check.__name__ for check in CHECKS} == {
        "without_fallback",
        "missing_variants",
        "odd_slots",
        "unused_segments",
        "never_matching",
        "beyond_reach",
        "never_binding",
        "unknown_counts",
        "deciding_alone",
        "unplaced_items",
        "never_eligible",
    }


def test_many_items_are_named_in_few_words() -> None:
    """Of many items three are named, and how many more there are."""
    reading = read_playbook(
        {
            "playbook.yaml": b"name: x",
            "placements.yaml": b"placements: [{name: p, policy: popular, candidates: {items: [a]}, fallback: [a]}]",
        },
        items := [Item(name) for name in "abcdefg"],
    )
    here = Scene(reading.playbook, {item.id: item for item in items}, {})
    assert [str(one) for one in lint(here)] == [
        "playbook: items `b`, `c`, `d` and 3 more are no candidate of any placement"
    ]
