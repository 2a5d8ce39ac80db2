"""Catalogues: what was built is what is opened, or nothing is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.errors import NotPublished, PlaybookError, RecordDamaged
from maitred_server.model import Item, Variant
from maitred_server.playbook import build as building
from maitred_server.playbook import draft
from maitred_server.playbook.build import BuildResult, build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.loader import load
from maitred_server.playbook.nouns import Playbook
from maitred_server.playbook.versions import KEEP, Keeping, prune
from maitred_server.store.keys import action_key, group_key, item_key
from maitred_server.store.published import Follower, current

PLACEMENTS = """
placements:
  - {name: home, policy: popular, slots: 3}
  - name: till
    policy: fixed
    candidates: {groups: [fruit], items: [bread]}
    order: [pears, apples]
    fallback: [bread]
    counts: outcome.click
    ttl: 0s
    stale: 1m
    automation: logging_only
"""
ITEMS = (
    Item("apples", ("fruit", "red"), {"price": 2.5, "fresh": True, "origin": "Kent", "tags": ("a", "b")}),
    Item("pears", ("fruit",), {"origin": "Anjou"}, (Variant("small", b"{}"), Variant("large", b"big", "text/plain"))),
    Item("bread", (), {"price": 1.0}, (Variant("", "Brötchen".encode(), "text/plain"),)),
)
NAMES = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8).filter(
    lambda name: name == name.strip()
)
ANY_ITEMS = st.dictionaries(
    NAMES,
    st.tuples(
        st.lists(NAMES, max_size=3, unique=True),
        st.dictionaries(NAMES, st.one_of(st.booleans(), st.floats(-1e6, 1e6), NAMES), max_size=3),
        st.dictionaries(NAMES, st.binary(max_size=10), min_size=1, max_size=3),
    ),
    max_size=8,
).map(
    lambda items: [
        Item(name, tuple(groups), dict(attributes), tuple(Variant(variant, data) for variant, data in variants.items()))
        for name, (groups, attributes, variants) in items.items()
    ]
)


def playbook(placements: str = PLACEMENTS, **files: str) -> Playbook:
    texts = {"playbook.yaml": "name: shop\n", "placements.yaml": placements} | files
    return load({name: text.encode() for name, text in texts.items()})


def simple() -> Playbook:
    return playbook("placements: [{name: home, policy: popular}]")


def built(folder: Path, items: Iterable[Item] = ITEMS) -> Catalogue:
    build(playbook(), items, folder)
    return Catalogue.open(folder)


def test_nothing_published(tmp_path: Path) -> None:
    """Before the first publish there is nothing to open, and the error says so."""
    with pytest.raises(NotPublished):
        Catalogue.open(tmp_path)


def test_the_result_and_what_is_in_force(tmp_path: Path) -> None:
    """A build counts what it built, numbers versions upwards and puts each in force."""
    assert build(playbook(), ITEMS, tmp_path) == BuildResult("1", 3, 4, 2, ())
    assert build(playbook(), ITEMS, tmp_path).version == "2"
    assert current(tmp_path) == Catalogue.open(tmp_path).version == "2"
    assert Catalogue.open(tmp_path, "1").version == "1"


def test_actions_and_their_columns(tmp_path: Path) -> None:
    """Items stand by id, their variants as written, each with its keys, content and groups."""
    catalogue = built(tmp_path)
    actions = [(catalogue.item(action), catalogue.variant(action)) for action in range(catalogue.size)]
    assert actions == [("apples", ""), ("bread", ""), ("pears", "small"), ("pears", "large")]
    assert catalogue.item_count == 3
    assert catalogue.item_index.tolist() == [0, 1, 2, 2]
    assert catalogue.action_keys.tolist() == [action_key(*action) for action in actions]
    assert catalogue.item_keys.tolist() == [item_key(item) for item, _ in actions]
    assert [catalogue.content(action) for action in range(4)] == [b"", "Brötchen".encode(), b"{}", b"big"]
    assert [catalogue.content_type(action) for action in (1, 2)] == ["text/plain", "application/json"]
    assert [catalogue.item_groups(action) for action in (0, 1)] == [("fruit", "red"), ()]
    assert catalogue.group_keys.tolist() == [group_key("fruit"), group_key("red")]


def test_placements(tmp_path: Path) -> None:
    """Candidates are all variants of what was chosen; order and fallback the first variant of each item, as written."""
    catalogue = built(tmp_path)
    home, till = catalogue.placements["home"], catalogue.placements["till"]
    assert home.candidates.tolist() == [0, 1, 2, 3]
    assert till.candidates.tolist() == [0, 1, 2, 3]
    assert till.order.tolist() == [2, 0]
    assert till.fallback.tolist() == [1]
    assert (home.slots, till.policy, till.baseline, till.counts) == (3, "fixed", "popular", "outcome.click")
    assert (till.ttl_ms, till.stale_ms, till.automation) == (0, 60_000, "logging_only")


def test_candidates_by_group_leave_the_others_out(tmp_path: Path) -> None:
    """Only the items of the named groups are candidates."""
    placements = "placements: [{name: home, policy: popular, candidates: {groups: [red]}}]"
    build(playbook(placements), ITEMS, tmp_path)
    assert Catalogue.open(tmp_path).placements["home"].candidates.tolist() == [0]


def test_attributes_are_columns(tmp_path: Path) -> None:
    """Numbers and flags are float columns with NaN for missing, texts are codes with -1 for missing."""
    catalogue = built(tmp_path)
    price, fresh, origin = catalogue.numbers("price"), catalogue.numbers("fresh"), catalogue.texts("origin")
    assert price is not None
    assert fresh is not None
    assert origin is not None
    np.testing.assert_array_equal(price, [2.5, 1.0, np.nan])
    np.testing.assert_array_equal(fresh, [1.0, np.nan, np.nan])
    assert [origin[1][code] if code >= 0 else None for code in origin[0]] == ["Kent", None, "Anjou"]
    assert catalogue.numbers("origin") is None
    assert catalogue.texts("price") is None


@settings(deadline=None)
@given(items=ANY_ITEMS)
def test_any_items_are_found_again(tmp_path_factory: pytest.TempPathFactory, items: list[Item]) -> None:
    """Whatever the items, each variant is found by its names with its content and groups; what is not there is not."""
    folder = tmp_path_factory.mktemp("catalogue")
    build(simple(), items, folder)
    catalogue = Catalogue.open(folder, whole=True)
    for item in items:
        assert catalogue.groups_of(item.id) == item.groups
        assert len(catalogue.actions_of(item.id)) == len(item.variants)
        for variant in item.variants:
            action = catalogue.find(item.id, variant.name)
            assert (catalogue.item(action), catalogue.variant(action)) == (item.id, variant.name)
            assert catalogue.content(action) == variant.content
            assert catalogue.names[action_key(item.id, variant.name)] == f"{item.id}/{variant.name}"
        assert catalogue.names[item_key(item.id)] == item.id
    assert catalogue.find("not there at all", "") == -1
    assert catalogue.groups_of("not there at all") == ()


def test_a_name_with_the_same_key_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose key is in the catalogue by accident is still unknown: the names are compared."""
    catalogue = built(tmp_path)
    module = "maitred_server.playbook.catalogue"
    monkeypatch.setattr(f"{module}.action_key", lambda item, variant: action_key("apples", ""))
    monkeypatch.setattr(f"{module}.item_key", lambda item: item_key("apples"))
    assert catalogue.find("stranger", "") == -1
    assert catalogue.groups_of("stranger") == ()
    assert list(catalogue.actions_of("stranger")) == []


@pytest.mark.parametrize(
    ("function", "named"),
    [("action_key", "item `apples`"), ("item_key", "item `apples`"), ("group_key", "group `fruit`")],
)
def test_equal_keys_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, named: str) -> None:
    """Two names with one key are never published; the message names one of them."""
    monkeypatch.setattr(draft, function, lambda *names: 7)
    with pytest.raises(PlaybookError, match=f"the key of {named} is another's too"):
        build(playbook(), ITEMS, tmp_path)
    assert current(tmp_path) is None


def test_imported_variants_of_one_name_are_refused(tmp_path: Path) -> None:
    """An imported item with two variants of one name is named in the message."""
    twice = Item("apples", variants=(Variant("a"), Variant("a")))
    with pytest.raises(PlaybookError, match="item `apples` has two variants of one name"):
        build(simple(), [twice], tmp_path)


def test_too_many_attributes_are_refused(tmp_path: Path) -> None:
    """Names of attributes are columns: thousands of them are refused, not built."""
    items = [Item(f"item-{at}", attributes={f"name-{at}": 1.0}) for at in range(300)]
    with pytest.raises(PlaybookError, match="attributes have 300 names"):
        build(simple(), items, tmp_path)


def test_names_are_checked_here_when_loading_could_not(tmp_path: Path) -> None:
    """An item that nobody has is a mistake with its line, and nothing is published."""
    placements = "placements:\n  - {name: home, policy: popular, fallback: [apple]}\n"
    with pytest.raises(PlaybookError) as caught:
        build(playbook(placements), ITEMS, tmp_path)
    assert [str(one) for one in caught.value.mistakes] == [
        "placements.yaml:2:46: unknown item `apple`; did you mean `apples`?"
    ]
    assert current(tmp_path) is None


def test_the_playbooks_own_item_wins(tmp_path: Path) -> None:
    """An item that is also imported is as the playbook has it, and the result says so."""
    own = {"items.jsonl": '{"id": "apples", "groups": ["own"]}'}
    result = build(playbook("placements: [{name: home, policy: popular}]", **own), ITEMS, tmp_path)
    assert result.warnings == ("items that are imported and in the playbook are as the playbook has them: `apples`",)
    assert Catalogue.open(tmp_path).groups_of("apples") == ("own",)


def test_warnings_about_what_is_empty(tmp_path: Path) -> None:
    """A group without items and a placement without candidates are said."""
    groups = {"groups.yaml": "groups: [{id: cheese}]"}
    placements = "placements: [{name: home, policy: popular, candidates: {groups: [cheese]}}]"
    result = build(playbook(placements, **groups), ITEMS, tmp_path)
    assert result.warnings == ("groups without items: `cheese`", "placement `home` has no candidates")


def test_a_catalogue_of_nothing(tmp_path: Path) -> None:
    """No items at all is a catalogue too."""
    catalogue = built_empty(tmp_path)
    assert (catalogue.size, catalogue.find("x", ""), catalogue.names) == (0, -1, {})
    assert catalogue.placements["home"].candidates.tolist() == []


def built_empty(folder: Path) -> Catalogue:
    build(simple(), [], folder)
    return Catalogue.open(folder)


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    """Items in another order make the very same files."""
    build(playbook(), ITEMS, tmp_path)
    build(playbook(), reversed(ITEMS), tmp_path)
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "12")
    assert first == second


def test_every_flipped_byte_is_noticed_when_all_is_checked(tmp_path: Path) -> None:
    """With `whole`, a changed byte anywhere in any file raises RecordDamaged."""
    built(tmp_path)
    for path in sorted((tmp_path / "1").iterdir()):
        content = path.read_bytes()
        for at in {0, len(content) // 3, len(content) // 2, len(content) - 1}:
            path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
            with pytest.raises(RecordDamaged):
                Catalogue.open(tmp_path, whole=True)
        path.write_bytes(content)
    assert Catalogue.open(tmp_path, whole=True).size == 4


@pytest.mark.parametrize("wrong", ["gone", "short", "empty", "long"])
def test_half_a_version_is_never_opened(tmp_path: Path, wrong: str) -> None:
    """Whichever file is missing or has another size, the version is not opened, and a follower keeps the one before."""
    built(tmp_path)
    follower = Follower(tmp_path, Catalogue.open)
    follower.poll()
    build(playbook(), ITEMS, tmp_path)
    for path in sorted((tmp_path / "2").iterdir()):
        content = path.read_bytes()
        path.unlink()
        if wrong != "gone":
            path.write_bytes({"short": content[:-1], "empty": b"", "long": content + b"\n"}[wrong])
        assert not follower.poll()
        assert follower.value is not None
        assert follower.value.version == "1"
        assert follower.failure.startswith("RecordDamaged: ")
        path.write_bytes(content)
    assert follower.poll()
    assert follower.value is not None
    assert follower.value.version == "2"


def test_a_failed_build_leaves_what_is_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full in the middle, the old version stays in force, and the next build clears what was left."""
    built(tmp_path)
    written: list[str] = []

    def full(path: Path, parts: object) -> None:
        written.append(path.name)
        if len(written) > 5:
            raise OSError(28, "No space left on device")
        path.write_bytes(b"")

    with monkeypatch.context() as patched:
        patched.setattr("maitred_server.playbook.columns.write_synced", full)
        with pytest.raises(OSError, match="No space"):
            build(playbook(), [*ITEMS, Item("new")], tmp_path)
    assert Catalogue.open(tmp_path).version == "1"
    assert build(playbook(), ITEMS, tmp_path).version == "2"
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2", "CURRENT"}


def test_current_is_switched_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the moment of the switch the new version is there and whole; before it nothing names it."""
    built(tmp_path)

    def switched(folder: Path, version: str) -> None:
        assert current(folder) == "1"
        assert Catalogue.open(folder, version, whole=True).version == "2"
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(building, "switch", switched)
        with pytest.raises(OSError, match="Input/output"):
            build(playbook(), ITEMS, tmp_path)
    assert current(tmp_path) == "1"
    assert build(playbook(), ITEMS, tmp_path).version == "3"


def test_an_open_catalogue_outlives_its_version(tmp_path: Path) -> None:
    """A catalogue in use stays readable after newer ones pushed its files off the disk."""
    catalogue = built(tmp_path)
    for _ in range(KEEP + 1):
        build(simple(), [], tmp_path)
    prune(tmp_path, Keeping(most=KEEP), now_ms=0)
    assert not (tmp_path / "1").exists()
    assert catalogue.content(3) == b"big"
    assert catalogue.find("pears", "large") == 3


def test_columns_cannot_be_written(tmp_path: Path) -> None:
    """What was opened is read-only, placements included."""
    catalogue = built(tmp_path)
    for column in (catalogue.action_keys, catalogue.placements["home"].candidates):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 0
