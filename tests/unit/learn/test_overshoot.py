"""What was shown over contact policies, from a journal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from maitred_server.learn.overshoot import Over, Overshoot, as_json
from maitred_server.model import Body, Deletion, Exposure, Kind, Merge, Outcome, Reason, Record, Shown, Unmerge
from maitred_server.playbook.control import ContactPolicy, Scope

ANNA, BERT = (b"\x04shop" + name.ljust(16) for name in (b"anna", b"bert"))
NOW = 1_700_000_000_000
HOUR, DAY = 3_600_000, 86_400_000
GROUPS = {"A": ("X",), "B": ("X", "Y"), "C": ()}


def exposure(
    *items: str, knows: int = 0, placement: str = "home", channel: str = "web", at: int = NOW, catalogue: str = "1"
) -> Exposure:
    """`knows`: the sequence up to which its decision knew its subject."""
    shown = tuple(Shown(n, item, "", GROUPS[item], 1.0, None, 0.0, Reason.RULE) for n, item in enumerate(items))
    return Exposure("d", placement, 1, shown, "p", Reason.RULE, (), catalogue, "s", at, 1, knows, channel=channel)


def dismissed(item: str) -> Outcome:
    return Outcome("dismiss", 0.0, item, "", GROUPS[item], "d")


def told(
    policies: ContactPolicy | Sequence[ContactPolicy], *bodies: Body | tuple[bytes, Body], step: int = 1_000
) -> Overshoot:
    """Read as a journal, numbered from 1, each `step` later than the one before."""
    caps = [policies] if isinstance(policies, ContactPolicy) else policies
    reading = Overshoot("shop", {"1": caps}.get)
    for number, one in zip(count(1), bodies, strict=False):
        subject, body = one if isinstance(one, tuple) else (ANNA, one)
        at = NOW + number * step
        reading.add([(number, Record(subject, Kind.PERSON, at, at, body))])
    return reading


def over(policy: ContactPolicy, *bodies: Any, **more: Any) -> tuple[int, int, int]:
    found = told(policy, *bodies, **more).report()[policy.name]
    return found.checked, found.over, found.aware


TWICE = ContactPolicy("twice", "exposure", 2, DAY)


def test_showings_within_a_policy_are_not_over_it() -> None:
    """Two of an item in a day, and more of others."""
    assert over(TWICE, exposure("A"), exposure("A", knows=1), exposure("B", "C", knows=2)) == (4, 0, 0)


def test_decisions_at_the_same_time_may_be_over_it() -> None:
    """Three decisions that knew nothing of each other: the third is over, and none could know."""
    assert over(TWICE, *[exposure("A")] * 3) == (3, 1, 0)
    assert over(TWICE, exposure("A"), exposure("A"), exposure("A", knows=1)) == (3, 1, 0)


def test_a_decision_that_knew_enough_is_told_apart() -> None:
    """It knew of both showings and showed it a third time."""
    assert over(TWICE, exposure("A"), exposure("A"), exposure("A", knows=2)) == (3, 1, 1)


def test_the_window_rolls_on() -> None:
    """What is a day old does not count any more."""
    assert over(TWICE, *[exposure("A")] * 5, step=DAY // 2) == (5, 0, 0)
    assert over(TWICE, *[exposure("A")] * 5, step=DAY // 2 - 1) == (5, 3, 0)


def test_suppression_holds_after_the_window() -> None:
    """After one dismissal nothing for a week: what is shown in it is over, whatever the window says."""
    policy = ContactPolicy("dismissed", "outcome.dismiss", 1, HOUR, 7 * DAY)
    assert over(policy, dismissed("A"), exposure("A"), exposure("A", knows=1), exposure("B"), step=2 * DAY) == (3, 2, 1)


def test_a_slate_may_be_over_by_itself() -> None:
    """Three of one group where two are allowed: its decision put them there."""
    policy = ContactPolicy("two", "exposure", 2, DAY, per="group", scope=Scope(groups=("X",)))
    assert over(policy, exposure("A", "B")) == (2, 0, 0)
    assert over(policy, exposure("A"), exposure("A", "B")) == (3, 1, 0)
    assert over(policy, exposure("A"), exposure("A", "B", knows=1)) == (3, 1, 1)


def test_each_kind_has_counts_of_its_own() -> None:
    """A placement and a channel count showings where they are; a scope counts all that it holds together."""
    home, till = exposure("A", "B"), exposure("A", placement="till", channel="shop")
    for per, scope, expected in (
        ("placement", Scope(), (4, 1, 0)),
        ("channel", Scope(channels=("web",)), (3, 1, 0)),
        ("all", Scope(), (4, 2, 0)),
        ("all", Scope(placements=("home", "till")), (4, 2, 0)),
        ("all", Scope(items=("A", "C")), (4, 2, 0)),
        ("all", Scope(groups=("X", "Y")), (7, 5, 0)),
        ("item", Scope(placements=("till",)), (1, 1, 0)),
    ):
        policy = ContactPolicy("two", "exposure", 2, DAY, per=per, scope=scope)  # type: ignore[arg-type]
        assert (per, scope, over(policy, home, home, home, till)) == (per, scope, expected)


def test_merged_subjects_know_of_each_other_from_then_on() -> None:
    """What the other was shown before the merge counts after it, and was not known before."""
    other = (BERT, exposure("A"))
    before = [other, exposure("A"), exposure("A", knows=2)]
    assert over(TWICE, *before, Merge(BERT), exposure("A", knows=4)) == (4, 1, 1)
    assert over(TWICE, *before, Merge(BERT), exposure("A", knows=3)) == (4, 1, 1)
    assert over(TWICE, other, exposure("A"), Merge(BERT), exposure("A", knows=2)) == (3, 1, 0)


def test_what_is_forgotten_counts_no_more() -> None:
    """After an erasure, and after a merge was taken back, subjects begin anew."""
    assert over(TWICE, exposure("A"), exposure("A"), Deletion(), exposure("A", knows=2)) == (3, 0, 0)
    assert over(TWICE, exposure("A"), exposure("A"), Unmerge(BERT), exposure("A", knows=2)) == (3, 0, 0)


def test_showings_are_checked_by_the_policies_of_their_time() -> None:
    """Those of a version that is kept no more are counted apart; another brand's are not looked at."""
    reading = told(TWICE, *[exposure("A", catalogue="0")] * 3, (b"\x05other" + bytes(16), exposure("A")))
    assert as_json(reading.report(), reading.unchecked) == {"policies": {}, "unchecked": 3}
    assert told(TWICE, exposure("A")).report() == {"twice": Over(1, 0, 0)}
