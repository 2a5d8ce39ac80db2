from __future__ import annotations

from collections import Counter

from maitred_server.model import Arm, Kind, Layer
from maitred_server.subjects.assignment import assign, point

HOLDOUT = Layer("holdout", None, "holdout", (Arm("holdout", 0.05),), holdout=True)
SPLIT = Layer(
    "split",
    Kind.HOUSEHOLD,
    "split",
    (Arm("a", 0.5, {"home": "popular"}), Arm("b", 0.3, {"home": "habit"})),
    holdout=False,
)


def units(number: int) -> dict[Kind | None, bytes]:
    key = b"\x04shop" + number.to_bytes(16, "big")
    return {None: key, Kind.HOUSEHOLD: key}


def test_shares_are_met_and_the_rest_is_in_no_arm() -> None:
    """Of 20,000 subjects each arm gets its share within four standard deviations."""
    found = Counter(dict(assign([SPLIT], units(number)).arms).get("split") for number in range(20_000))
    assert abs(found["a"] - 10_000) < 4 * (20_000 * 0.5 * 0.5) ** 0.5
    assert abs(found["b"] - 6_000) < 4 * (20_000 * 0.3 * 0.7) ** 0.5
    assert found[None] == 20_000 - found["a"] - found["b"]


def test_an_arm_brings_its_policy_and_the_holdout_marks() -> None:
    """The arm's policy for a placement is handed on, and only the holdout layer holds out."""
    assigned = [assign([HOLDOUT, SPLIT], units(number)) for number in range(2_000)]
    assert {tuple(one.policies.items()) for one in assigned if dict(one.arms).get("split") == "b"} == {
        (("home", "habit"),)
    }
    assert all(one.held_out == ("holdout" in dict(one.arms)) for one in assigned)
    assert 50 < sum(one.held_out for one in assigned) < 160


def test_a_layer_does_not_assign_without_its_unit() -> None:
    """A person without a household id is in no arm of a household layer."""
    person = {None: b"\x04shop" + bytes(16), Kind.PERSON: b"\x04shop" + bytes(16)}
    assert assign([SPLIT], person).arms == ()


def test_points_stay_the_same_for_ever() -> None:
    """Known salts and pseudonyms fall where they fell when this test was written: assignment is sticky over
    releases.
    """
    unit = b"\x04shop" + bytes(range(16))
    assert [point(salt, unit) for salt in ("holdout", "split", "")] == [6, 6442, 5622]


def test_the_brand_is_no_part_of_the_point() -> None:
    """Only the pseudonym counts, and it differs by brand already."""
    assert point("s", b"\x01a" + bytes(16)) == point("s", b"\x04shop" + bytes(16))
