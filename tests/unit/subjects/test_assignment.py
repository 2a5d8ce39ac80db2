from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from maitred_server.errors import InvalidRequest
from maitred_server.model import Arm, Audience, Kind, Layer, Trait, TraitSource
from maitred_server.store import Profile
from maitred_server.subjects.assignment import Assignment, Situation, assign, divisions, own_unit, point
from msgspec import structs

HOLDOUT = Layer("holdout", None, "holdout", (Arm("holdout", 0.05),), holdout=True)
SPLIT = Layer(
    "split",
    Kind.HOUSEHOLD,
    "split",
    (Arm("a", 0.5, {"home": "popular"}), Arm("b", 0.3, {"home": "habit"})),
    holdout=False,
)


WEDGE = Layer("wedge", None, "wedge", (Arm("a", 0.1), Arm("b", 0.2)))
VECTORS = json.loads((Path(__file__).parent / "assignment_vectors.json").read_text())


def key(number: int) -> bytes:
    return b"\x04shop" + number.to_bytes(16, "big")


def situation(number: int, **more: Any) -> Situation:
    own = key(number)
    return Situation({None: own, Kind.HOUSEHOLD: own}, more.pop("kind", Kind.HOUSEHOLD), **more)


def assign_in(layers: list[Layer], where: Situation, overrides: dict[str, str] | None = None) -> Assignment:
    return assign(divisions(layers), where, overrides)


def arms(layers: list[Layer], number: int, **more: Any) -> dict[str, str]:
    return dict(assign_in(layers, situation(number, **more)).arms)


def traits(*given: Trait) -> dict[str, Trait]:
    return {trait.name: trait for trait in given}


def test_shares_are_met_and_the_rest_is_in_no_arm() -> None:
    """Of 20,000 subjects each arm gets its share within four standard deviations."""
    found = Counter(arms([SPLIT], number).get("split") for number in range(20_000))
    assert abs(found["a"] - 10_000) < 4 * (20_000 * 0.5 * 0.5) ** 0.5
    assert abs(found["b"] - 6_000) < 4 * (20_000 * 0.3 * 0.7) ** 0.5
    assert found[None] == 20_000 - found["a"] - found["b"]


def test_an_arm_brings_its_policy_and_the_holdout_marks() -> None:
    """The arm's policy for a placement is handed on, and only the holdout layer holds out."""
    assigned = [assign_in([HOLDOUT, SPLIT], situation(number)) for number in range(2_000)]
    assert {tuple(one.policies.items()) for one in assigned if dict(one.arms).get("split") == "b"} == {
        (("home", "habit"),)
    }
    assert all(one.held_out == ("holdout" in dict(one.arms)) for one in assigned)
    assert 50 < sum(one.held_out for one in assigned) < 160


def test_the_held_out_are_assigned_in_the_other_layers_too() -> None:
    """Who is held out is spread over the arms of another layer as everybody else is."""
    held = [one for one in (arms([HOLDOUT, SPLIT], n) for n in range(20_000)) if "holdout" in one]
    assert abs(sum(one.get("split") == "a" for one in held) / len(held) - 0.5) < 4 * (0.25 / len(held)) ** 0.5


def test_a_layer_does_not_assign_without_its_unit() -> None:
    """A person without a household id is in no arm of a household layer."""
    person = Situation({None: key(0), Kind.PERSON: key(0)}, Kind.PERSON)
    assert assign_in([SPLIT], person).arms == ()


def test_the_last_arm_grows_and_nobody_moves() -> None:
    """An arm that grows keeps everybody it had; when it is the last one, all others keep theirs too."""
    last = structs.replace(WEDGE, arms=(Arm("a", 0.1), Arm("b", 0.4)))
    first = structs.replace(WEDGE, arms=(Arm("a", 0.2), Arm("b", 0.2)))
    before = [arms([WEDGE], number) for number in range(5_000)]
    assert all(old in ({}, arms([last], number)) for number, old in enumerate(before))
    assert all(arms([first], number) == old for number, old in enumerate(before) if old == {"wedge": "a"})
    assert any(arms([first], number) != old for number, old in enumerate(before) if old == {"wedge": "b"})


def test_another_salt_divides_anew() -> None:
    """With another salt about as many stay in their arm as chance leaves there: a half of an even split."""
    even = Layer("even", None, "one", (Arm("a", 0.5), Arm("b", 0.5)))
    other = structs.replace(even, salt="two")
    stayed = sum(arms([even], number) == arms([other], number) for number in range(10_000))
    assert abs(stayed - 5_000) < 4 * 2_500**0.5


def test_a_name_is_no_part_of_the_point() -> None:
    """Layers of one salt divide alike: a layer can be renamed without moving anybody."""
    renamed = structs.replace(WEDGE, name="other")
    assert all(arms([WEDGE], n).get("wedge") == arms([renamed], n).get("other") for n in range(500))


def test_points_stay_the_same_for_ever() -> None:
    """Salts and pseudonyms of the file fall where they fell when it was written, on every machine and Python: arms are
    sticky over releases.
    """
    assert len(VECTORS) >= 200
    found = [point(one["salt"], b"\x04shop" + bytes.fromhex(one["pseudonym"])) for one in VECTORS]
    assert found == [one["point"] for one in VECTORS]


def test_the_brand_is_no_part_of_the_point() -> None:
    """Only the pseudonym counts, and it differs by brand already."""
    assert point("s", b"\x01a" + bytes(16)) == point("s", b"\x04shop" + bytes(16))


EVERYONE = Layer("for", None, "for", (Arm("in", 1.0),))


def is_in(audience: Audience, **more: Any) -> bool:
    return bool(arms([structs.replace(EVERYONE, eligible=audience)], 7, **more))


def test_kinds_are_asked() -> None:
    """A layer for households assigns no person, also when it knows the person's household."""
    audience = Audience(kinds=(Kind.HOUSEHOLD, Kind.DEVICE))
    assert is_in(audience)
    assert not is_in(audience, kind=Kind.PERSON)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("north", True),
        ("west", False),
        (None, False),
        (1.0, True),
        (True, False),
        (("west", "north"), True),
        ((), False),
    ],
)
def test_context_is_asked(value: Any, expected: bool) -> None:
    """A value that will do is enough, of a list of texts any; what is missing is none, and true is not 1."""
    context = {} if value is None else {"region": value}
    assert is_in(Audience(context={"region": ("north", 1.0)}), context=context) is expected


def test_only_what_the_subject_said_counts() -> None:
    """A trait that was concluded, or has another value, or is missing, makes nobody eligible; all that is asked must
    hold.
    """
    audience = Audience(traits={"member": (True,)}, context={"region": ("north",)})
    said = traits(Trait("member", True, TraitSource.EXPLICIT))
    assert is_in(audience, traits=said, context={"region": "north"})
    assert not is_in(audience, traits=said)
    for other in (traits(Trait("member", True)), traits(Trait("member", False, TraitSource.EXPLICIT)), traits()):
        assert not is_in(audience, traits=other, context={"region": "north"})


def test_who_becomes_eligible_again_has_the_same_arm() -> None:
    """Eligibility only opens and closes a layer; the arm behind it does not change."""
    half = structs.replace(SPLIT, eligible=Audience(context={"region": ("north",)}))
    for number in range(200):
        assert arms([half], number) == {}
        assert arms([half], number, context={"region": "north"}) == arms([SPLIT], number)


def test_overrides_put_in_arms_and_out_of_them() -> None:
    """An arm that is asked for is taken, with its policies, by who is not eligible too; "" is none; all are named."""
    closed = structs.replace(SPLIT, eligible=Audience(kinds=(Kind.SESSION,)))
    for number in range(50):
        found = assign_in([HOLDOUT, closed], situation(number), {"split": "b", "holdout": ""})
        assert found == ((("split", "b"),), False, {"home": "habit"}, ("holdout", "split"))
    held = assign_in([HOLDOUT, SPLIT], situation(1), {"holdout": "holdout"})
    assert held.held_out
    assert (dict(held.arms).get("split"), held.overridden) == (arms([SPLIT], 1).get("split"), ("holdout",))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"splti": "a"}, "there is no layer `splti`; did you mean `split`?"),
        ({"split": "c"}, "layer `split` has no arm `c`; known are `a`, `b`"),
    ],
)
def test_overrides_of_unknown_names_are_refused(overrides: dict[str, str], message: str) -> None:
    """A layer or arm that there is not is refused, with the field and near names."""
    with pytest.raises(InvalidRequest) as refused:
        assign_in([SPLIT], situation(1), overrides)
    assert (refused.value.message, refused.value.field) == (message, f"overrides[{next(iter(overrides))}]")


def test_a_merged_subject_is_assigned_by_the_older_id() -> None:
    """The unit that a merge left is hashed in place of the subject's own; the brand stays."""
    merged = structs.replace(Profile.empty(Kind.PERSON), unit=key(9)[-16:])
    assert own_unit(key(5), merged) == key(9)
    assert own_unit(key(5), Profile.empty(Kind.PERSON)) == own_unit(key(5), None) == key(5)
