"""Loading playbooks: every mistake is found, with its place, and what is right is taken as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.errors import PlaybookError
from maitred_server.model import Arm, Audience, Dimensions, Item, Kind, Layer, Stages, ValueBands, Variant
from maitred_server.playbook.loader import load
from maitred_server.playbook.nouns import Playbook
from maitred_server.playbook.schema import FILES, json_schema
from maitred_server.playbook.schema.values import milliseconds, points
from maitred_server.playbook.yamltree import MOST_MISTAKES

CASES = yaml.safe_load((Path(__file__).parent / "mistakes" / "cases.yaml").read_text())

RIGHT = {
    "playbook.yaml": "name: shop\n",
    "placements.yaml": "placements:\n  - name: home\n    policy: popular\n",
    "items.yaml": (
        "items:\n"
        "  - {id: apples, groups: [fruit]}\n"
        "  - {id: pears, groups: [fruit]}\n"
        "  - {id: bread, groups: [bakery]}\n"
    ),
}


def laid_over(files: dict[str, str]) -> dict[str, bytes]:
    return {name: text.encode() for name, text in (RIGHT | files).items()}


def loaded(files: dict[str, str], imported: tuple[Item, ...] | None = ()) -> Playbook:
    return load(laid_over(files), imported)


def mistakes_in(files: dict[str, bytes]) -> list[str]:
    with pytest.raises(PlaybookError) as caught:
        load(files, ())
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_planted_mistakes_are_found(case: dict[str, Any]) -> None:
    """Each planted mistake is found at its file and line, in these words, and nothing else is."""
    found = mistakes_in(laid_over(case["files"]))
    for text, (place, fragment) in zip(found, case["mistakes"], strict=True):
        assert text.startswith(f"{place}: ")
        assert fragment in text


def test_there_are_twenty_kinds() -> None:
    """The cases above are at least twenty."""
    assert len(CASES) >= 20


def test_defaults() -> None:
    """A placement of a name and a policy has the documented defaults, and all items as candidates."""
    (placement,) = loaded({}).placements
    assert (placement.slots, placement.every_item, placement.baseline) == (1, True, "popular")
    assert (placement.counts, placement.ttl_ms, placement.stale_ms) == ("purchase", 30_000, 300_000)
    assert placement.automation == "online"


def test_layers_and_holdout() -> None:
    """The holdout is a layer of its own, before the others; a layer's salt is its name unless it has one."""
    playbook = loaded(
        {
            "playbook.yaml": """
name: shop
holdout: {share: 0.05, unit: household}
layers:
  - name: policies
    arms:
      - {name: one, share: 0.3333, policies: {home: habit}}
  - {name: colours, salt: again, unit: person, arms: [{name: red, share: 1}]}
"""
        }
    )
    assert playbook.layers == (
        Layer("holdout", Kind.HOUSEHOLD, "holdout", (Arm("holdout", 0.05),), holdout=True),
        Layer("policies", None, "policies", (Arm("one", 0.3333, {"home": "habit"}),)),
        Layer("colours", Kind.PERSON, "again", (Arm("red", 1.0),)),
    )


def test_eligibility() -> None:
    """What a layer asks is kept by kind, context and traits, numbers as float; a layer that asks nothing is for all."""
    playbook = loaded(
        {
            "playbook.yaml": """
name: shop
layers:
  - name: one
    eligible: {kinds: [household], context: {region: [north, 2]}, traits: {member: [true]}}
    arms: [{name: a, share: 1}]
  - {name: two, arms: [{name: a, share: 1}]}
"""
        }
    )
    asked, open_to_all = (layer.eligible for layer in playbook.layers)
    assert asked == Audience((Kind.HOUSEHOLD,), {"region": ("north", 2.0)}, {"member": (True,)})
    assert open_to_all == Audience()


def test_layers_of_one_salt_are_warned_about() -> None:
    """Two layers (or a layer and the holdout) with one salt are allowed, and said not to be independent."""
    header = """
name: shop
holdout: {share: 0.1}
layers:
  - {name: one, arms: [{name: a, share: 1}]}
  - {name: two, salt: one, arms: [{name: a, share: 1}]}
  - {name: three, salt: holdout, arms: [{name: a, share: 1}]}
"""
    one, two = loaded({"playbook.yaml": header}).warnings
    assert one.startswith("layer `two` has the salt of `one`")
    assert two.startswith("layer `three` has the salt of `holdout`")


def test_dimensions() -> None:
    """Dimensions are as written; what is not written is as documented."""
    header = (
        "name: shop\ndimensions:\n  context: [till]\n  stage: {new_below: 9}\n  value_band: {bands: {a: 0, b: 2}}\n"
    )
    assert loaded({}).dimensions == Dimensions()
    assert loaded({"playbook.yaml": header}).dimensions == Dimensions(
        ("till",), Stages(new_below=9), ValueBands("purchase", (("a", 0.0), ("b", 2.0)))
    )


def test_items_of_both_files() -> None:
    """items.yaml and items.jsonl give equal nouns: numbers as float, structures as JSON, plain text as text."""
    item = {
        "id": "äpfel",
        "groups": ["obst"],
        "attributes": {"price": 2, "fresh": True, "tags": ["red", "sweet"], "since": "2024-01-01"},
        "variants": [
            {"name": "small", "content": {"title": "Äpfel", "n": 1}},
            {"name": "text", "content": "Äpfel!"},
            {"name": "none"},
        ],
    }
    expected = Item(
        "äpfel",
        ("obst",),
        {"price": 2.0, "fresh": True, "tags": ("red", "sweet"), "since": "2024-01-01"},
        (
            Variant("small", '{"title":"Äpfel","n":1}'.encode(), "application/json"),
            Variant("text", "Äpfel!".encode(), "text/plain"),
            Variant("none", b"", "application/json"),
        ),
    )
    as_yaml = yaml.safe_dump({"items": [item]}, allow_unicode=True, sort_keys=False)
    assert loaded({"items.yaml": as_yaml}).items == (expected,)
    assert loaded({"items.yaml": "items: []", "items.jsonl": json.dumps(item)}).items == (expected,)


def test_imported_items_are_known() -> None:
    """Names may be of imported items; without them at hand such names are left to the build."""
    files = {"placements.yaml": "placements:\n  - {name: home, policy: popular, fallback: [figs]}\n"}
    with pytest.raises(PlaybookError, match="unknown item `figs`"):
        loaded(files)
    assert loaded(files, (Item("figs"),)).placements[0].fallback[0].name == "figs"
    assert loaded(files, None).placements[0].fallback[0].line == 2


def test_policies_are_a_parameter() -> None:
    """Whoever has more policies says so."""
    files = laid_over({"placements.yaml": "placements:\n  - {name: home, policy: thompson}\n"})
    assert load(files, (), policies=("thompson", "popular")).placements[0].policy == "thompson"


def test_warnings_do_not_refuse() -> None:
    """An order that nothing follows and a group that groups.yaml does not know are said, and taken."""
    playbook = loaded(
        {
            "placements.yaml": "placements:\n  - {name: home, policy: habit, order: [apples]}\n",
            "groups.yaml": "groups:\n  - {id: fruits}\n  - {id: bakery}\n",
        }
    )
    assert playbook.warnings == (
        "placement `home` has an `order` that no policy follows: only `fixed` does",
        "group `fruit` is not in groups.yaml; did you mean `fruits`?",
    )


def test_files_that_are_missing() -> None:
    """Without its two required files nothing is a playbook; notes beside them are passed over."""
    assert mistakes_in({"README.md": b"notes"}) == [
        "playbook.yaml: the file is missing",
        "placements.yaml: the file is missing",
    ]


BOMBS = {
    "deep lists": b"name: " + b"[" * 100_000,
    "deep mappings": b"a:\n" + b"".join(b" " * depth + b"a:\n" for depth in range(1, 400)),
    "wide": b"[" + b"a," * 201_000 + b"]",
    "laughs": b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "keys": b"".join(b"k%d: x\n" % number for number in range(30_000)),
    "one key": b"k: x\n" * 100_000,
    "a long number": b"name: " + b"9" * 5_000,
    "control characters": b"name: \x07\n",
    "no UTF-8": b"name: caf\xe9\n",
    "UTF-16": "name: x\n".encode("utf-16"),
    "too long": b"#" * 2_000_000,
    "nothing but a byte": b"\x00",
    "a list": b"- name: x\n",
    "a text": b"hello",
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_mistakes(content: bytes) -> None:
    """Deep, wide, swelling and broken files are refused with mistakes, and never with many more than anyone reads."""
    found = mistakes_in(laid_over({}) | {"playbook.yaml": content})
    assert 1 <= len(found) <= MOST_MISTAKES + 1
    assert max(map(len, found)) < 6_000


def test_depth_is_bounded() -> None:
    """Thirty-two levels of YAML are read; one more is refused with its line."""
    written = "items:\n  - id: deep\n    variants:\n      - content: "  # five levels
    deepest = loaded({"items.yaml": written + "[" * 27 + "]" * 27})
    assert deepest.items[0].variants[0].content == b"[" * 27 + b"]" * 27
    (found,) = mistakes_in(laid_over({"items.yaml": written + "[" * 28 + "]" * 28}))
    assert found == "items.yaml:4:45: this is nested too deep; at most 32 levels are taken"


@pytest.mark.parametrize("place", ["id", "group", "attribute", "content", "structure"])
def test_half_characters_are_mistakes(place: str) -> None:
    """A lone surrogate, which JSON can write and UTF-8 cannot hold, is refused wherever it stands."""
    half = dict.fromkeys(("id", "group", "attribute", "content", "structure"), "fine") | {place: "\ud800"}
    item = {
        "id": half["id"],
        "groups": [half["group"]],
        "attributes": {"colour": half["attribute"]},
        "variants": [{"name": "a", "content": half["content"]}, {"name": "b", "content": {"title": half["structure"]}}],
    }
    (found,) = mistakes_in(laid_over({"items.jsonl": json.dumps(item)}))
    assert found.startswith("items.jsonl:1:")


def test_deep_json_is_a_mistake() -> None:
    """A line of items.jsonl that is nested beyond all measure is refused with its line."""
    lines = b'{"id": "x"}\n{"id": "y", "variants": [{"content": ' + b"[" * 200_000 + b"\n"
    (found,) = mistakes_in(laid_over({}) | {"items.jsonl": lines})
    assert found.startswith("items.jsonl:2: ")


def fails_well(files: dict[str, bytes]) -> bool:
    """Whether loading succeeds, or fails with mistakes; any other exception passes through."""
    try:
        load(files, ())
    except PlaybookError as error:
        return bool(error.mistakes)
    return True


@settings(deadline=None)
@given(content=st.binary(max_size=300), file=st.sampled_from(["playbook.yaml", "placements.yaml", "items.jsonl"]))
def test_any_bytes_give_a_playbook_or_mistakes(content: bytes, file: str) -> None:
    """Whatever stands in a file, the loader answers with a playbook or with PlaybookError."""
    assert fails_well(laid_over({}) | {file: content})


@settings(deadline=None)
@given(
    text=st.text(alphabet=" -:{}[]\n'\"&*!|>#,?%@abnamepolicyitemsgroups0.5\t", max_size=200),
    file=st.sampled_from(["playbook.yaml", "placements.yaml", "groups.yaml", "items.yaml"]),
)
def test_any_text_gives_a_playbook_or_mistakes(text: str, file: str) -> None:
    """The same for texts that look like YAML."""
    assert fails_well(laid_over({file: text}))


@pytest.mark.parametrize(
    ("text", "expected"), [("0s", 0), ("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000)]
)
def test_durations(text: str, expected: int) -> None:
    """A duration is a number and a unit, in milliseconds."""
    assert milliseconds(text) == expected


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_every_ten_thousandth_fits(number: int) -> None:
    """Every multiple of 1/10,000 is taken exactly, whichever float stands for it."""
    assert points(number / 10_000) == number


def test_json_schema_names_everything() -> None:
    """The published schema has each file, refuses unknown keys, and lists policies that it is told of."""
    schema = json_schema(["popular", "thompson"])
    assert [one["$ref"].rpartition("/")[2] for one in schema["anyOf"]] == [model.__name__ for model in FILES.values()]
    models = [model for model in schema["$defs"].values() if model.get("type") == "object"]
    assert all(model["additionalProperties"] is False for model in models)
    assert schema["$defs"]["PlacementPart"]["properties"]["policy"]["enum"] == ["popular", "thompson"]
