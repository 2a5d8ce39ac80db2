"""Previews: who would see what, counted against decisions that were made one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
from maitred_server.decide.ask import Ask
from maitred_server.errors import PlaybookError, UnknownName
from maitred_server.model import Item, Kind, StateChange
from maitred_server.playbook.build import build
from maitred_server.playbook.loader import load
from maitred_server.playbook.versions import published
from maitred_server.publishing.jobs import check, publish, rollback
from maitred_server.publishing.place import Place
from maitred_server.publishing.trials import diff, preview
from maitred_server.rpc.publisher import By, Previewed, ShareChange
from maitred_server.store import Store
from maitred_server.store.keys import brand_prefix

BRAND = "shop"
ITEMS = b"\n".join(b'{"id": "%s"}' % name for name in (b"APPLES", b"BREAD", b"MILK"))
FIXED = "placements: [{name: home, policy: fixed, order: [%s], slots: %d}]"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A data directory with an empty store."""
    Store.open(tmp_path / "data", map_size=2**26, allow_overlay=True).close()
    return Place(tmp_path / "data", 2**26)


def playbook(placements: str, items: bytes = ITEMS) -> dict[str, bytes]:
    return {"playbook.yaml": b"name: shop", "placements.yaml": placements.encode(), "items.jsonl": items}


def fixed(*order: str, slots: int = 1) -> dict[str, bytes]:
    return playbook(FIXED % (", ".join(order), slots))


def asks(number: int) -> list[Ask]:
    keys = [brand_prefix(BRAND) + b"%016d" % at for at in range(number)]
    return [Ask(BRAND, key, Kind.PERSON, {Kind.PERSON: key}, ()) for key in keys]


def test_an_equal_playbook_changes_nothing(place: Place) -> None:
    """With one seed and one moment, the same playbook shows everybody the same, however much chance there is."""
    files = playbook("placements: [{name: home, policy: uniform, slots: 2}]")
    publish(place, BRAND, files, By())
    assert preview(place, BRAND, files, asks(50)) == Previewed(50, (), {"home": 0})


def test_shares_before_and_after(place: Place) -> None:
    """Each item is told with the part of the subjects that sees it now and then, most changed first; what stays is
    not.
    """
    publish(place, BRAND, fixed("APPLES", "BREAD", slots=2), By())
    found = preview(place, BRAND, fixed("MILK", "BREAD", slots=2), asks(4))
    assert found == Previewed(
        4, (ShareChange("home", "", "APPLES", 1.0, 0.0, 4), ShareChange("home", "", "MILK", 0.0, 1.0, 4)), {"home": 4}
    )


def test_another_order_is_another_slate(place: Place) -> None:
    """The same items in other slots change the slate and no share."""
    publish(place, BRAND, fixed("APPLES", "BREAD", slots=2), By())
    assert preview(place, BRAND, fixed("BREAD", "APPLES", slots=2), asks(3)) == Previewed(3, (), {"home": 3})


def test_placements_come_and_go(place: Place) -> None:
    """Where a placement is not, nothing is shown: an item's share comes from, or goes to, no item at all."""
    publish(place, BRAND, fixed("APPLES"), By())
    other = playbook("placements: [{name: till, policy: fixed, order: [MILK]}]")
    assert set(preview(place, BRAND, other, asks(2)).changes) == {
        ShareChange("home", "", "APPLES", 1.0, 0.0, 2),
        ShareChange("home", "", "", 0.0, 1.0, 2),
        ShareChange("till", "", "MILK", 0.0, 1.0, 2),
        ShareChange("till", "", "", 1.0, 0.0, 2),
    }


def test_before_the_first_publish(place: Place) -> None:
    """Everything is new then, and the preview publishes nothing."""
    assert preview(place, BRAND, fixed("APPLES"), asks(1)).changed == {"home": 1}
    assert published(place.catalogue(BRAND)) == []


def test_shares_by_segment(place: Place) -> None:
    """Each segment of the new playbook has shares of its own, among its members."""
    publish(place, BRAND, fixed("APPLES"), By())
    segments = b"""segments: [{name: tills, if: 'context.device == "till"'}]"""
    subjects = b"context: [{name: device, type: text}]"
    files = {**fixed("MILK"), "segments.yaml": segments, "subjects.yaml": subjects}
    at_tills = [ask._replace(context={"device": "till"}) for ask in asks(3)]
    found = preview(place, BRAND, files, [*at_tills, *asks(5)[3:]])
    assert [one for one in found.changes if one.item == "MILK"] == [
        ShareChange("home", "", "MILK", 0.0, 1.0, 5),
        ShareChange("home", "tills", "MILK", 0.0, 1.0, 3),
    ]


def test_live_states_hold_in_previews(place: Place) -> None:
    """What is killed right now is offered by neither playbook."""
    publish(place, BRAND, fixed("APPLES", "BREAD"), By())
    with Store.open(place.data, map_size=place.map_size, allow_overlay=True) as store:
        store.submit_item_states(BRAND, [StateChange(item="MILK", kill=True)], 1, source="test").result()
    found = preview(place, BRAND, fixed("MILK", "BREAD"), asks(2))
    assert {change.item for change in found.changes} == {"APPLES", "BREAD"}


def test_mistakes_are_told(place: Place) -> None:
    """A wrong playbook is refused with all its mistakes by every trial, as by a publish."""
    wrong = fixed("APPELS")
    for trial in (
        lambda: preview(place, BRAND, wrong, asks(1)),
        lambda: diff(place, BRAND, wrong, ""),
        lambda: check(place, BRAND, wrong),
        lambda: publish(place, BRAND, wrong, By()),
    ):
        with pytest.raises(PlaybookError, match="unknown item `APPELS`; did you mean `APPLES`"):
            trial()


def test_a_diff_counts_what_was_imported_since(place: Place) -> None:
    """Items that were imported after the publish come into force with the next one, so the diff names them."""
    publish(place, BRAND, fixed("APPLES"), By())
    with Store.open(place.data, map_size=place.map_size, allow_overlay=True) as store:
        store.submit_items(BRAND, [Item("TEA")], False).result()
    found = diff(place, BRAND, fixed("BREAD"), "")
    assert (found.against, [(one.what, one.name, one.change) for one in found.changes]) == (
        "1",
        [("placement", "home", "changed"), ("item", "TEA", "added")],
    )
    assert diff(place, BRAND, fixed("APPLES"), "1").changes == found.changes[1:]


def test_a_diff_against_what_is_not_kept(place: Place) -> None:
    """A version that kept no playbook cannot be compared with; the message says why, as for one that never was."""
    build(load(fixed("APPLES")), [], place.catalogue(BRAND))
    with pytest.raises(UnknownName, match="version `1` is of an older server, which kept no playbook"):
        diff(place, BRAND, fixed("APPLES"), "")
    with pytest.raises(UnknownName, match="there is no version `9`"):
        diff(place, BRAND, fixed("APPLES"), "9")


def test_a_rollback_is_a_publish(place: Place) -> None:
    """The old playbook is in force as a new version, with the items of today, and the history says whence it came."""
    publish(place, BRAND, fixed("APPLES"), By("mara"))
    publish(place, BRAND, fixed("BREAD"), By("jo"))
    with Store.open(place.data, map_size=place.map_size, allow_overlay=True) as store:
        store.submit_items(BRAND, [Item("TEA")], False).result()
    assert rollback(place, BRAND, "1", By("kim", "oops")).version == "3"
    newest = published(place.catalogue(BRAND))[0]
    assert (newest.edition.rollback_of, newest.edition.author, newest.edition.note) == ("1", "kim", "oops")
    assert (newest.edition.items, newest.in_force) == (4, True)
    assert [change.name for change in diff(place, BRAND, fixed("APPLES"), "3").changes] == []


def test_the_history_never_runs_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the machine's clock is set back, a version is still no older than the one before it."""
    for now in (5_000, 1_000, 7_000):
        monkeypatch.setattr("maitred_server.publishing.jobs.wall_clock", lambda now=now: now)
        publish(place, BRAND, fixed("APPLES"), By())
    assert [one.edition.published_at for one in published(place.catalogue(BRAND))] == [7_000, 5_000, 5_000]
