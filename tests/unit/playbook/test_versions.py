"""The history of versions: who put what in force, what is kept of it, and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest
from maitred_server.errors import RecordDamaged, UnknownName
from maitred_server.model import Item, Variant
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.editions import EDITION, Publication, kept
from maitred_server.playbook.loader import load
from maitred_server.playbook.versions import KEEP, Keeping, Version, find, prune, published
from maitred_server.store.published import HISTORY

FILES = {"playbook.yaml": b"name: shop\n", "placements.yaml": b"placements: [{name: home, policy: popular}]\n"}
ITEMS = (Item("milk", ("dairy",), {"price": 2.5}, (Variant("", b"Milk"),)), Item("bread"))
DAY_MS = 86_400_000


def publish(folder: Path, at: int = 1_000, files: dict[str, bytes] = FILES, **more: str) -> str:
    publication = Publication(files, at, **more)
    return build(load(files), ITEMS, folder, publication).version


def names(folder: Path, limit: int | None = None) -> list[str]:
    return [one.edition.version for one in published(folder, limit)]


def test_nothing_was_published(tmp_path: Path) -> None:
    """Without a publish there is no history, and nothing to bring back."""
    assert published(tmp_path / "none") == []
    with pytest.raises(UnknownName, match="there is no version `1`; none is kept"):
        find(tmp_path, "1")


def test_who_when_and_why(tmp_path: Path) -> None:
    """The history says of each version who put it in force, when and why; newest first."""
    publish(tmp_path, at=1_000, author="mara", note="spring")
    publish(tmp_path, at=2_000, author="jo", key="web", rollback_of="1")
    second, first = published(tmp_path)
    assert (first.edition.version, first.edition.author, first.edition.note) == ("1", "mara", "spring")
    assert (first.edition.published_at, first.edition.items, first.in_force, first.kept) == (1_000, 2, False, True)
    assert (second.edition.author, second.edition.key, second.edition.rollback_of) == ("jo", "web", "1")
    assert (second.in_force, second.kept) == (True, True)
    assert names(tmp_path, limit=1) == ["2"]


def test_the_files_come_back_as_they_were(tmp_path: Path) -> None:
    """Files and imported items are kept byte for byte, also of a path that no folder may have; only the owner reads
    them.
    """
    files = {**FILES, "items.jsonl": b'{"id": "tea"}\n', "../notes.md": b"mine"}
    version = build(load(FILES), ITEMS, tmp_path, Publication(files, 1)).version
    found = kept(tmp_path, version)
    assert found.files == files
    assert sorted(found.imported, key=lambda item: item.id) == sorted(ITEMS, key=lambda item: item.id)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / version).iterdir()} == {0o600}
    assert (tmp_path / HISTORY).stat().st_mode & 0o777 == 0o600


def test_what_is_kept_is_checked(tmp_path: Path) -> None:
    """A changed byte in what is kept is noticed; it is never published again."""
    version = publish(tmp_path)
    for path in (path for path in (tmp_path / version).iterdir() if path.name.startswith("kept-")):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(RecordDamaged, match="checksum"):
            kept(tmp_path, version)
        path.write_bytes(content)
    assert kept(tmp_path, version).files == FILES


def test_equal_files_are_linked(tmp_path: Path) -> None:
    """What a version has as its predecessor had it takes no room again; what differs stands alone."""
    publish(tmp_path)
    publish(tmp_path, files={**FILES, "placements.yaml": b"placements: [{name: home, policy: habit}]\n"})
    first, second = ({path.name: path.stat().st_ino for path in (tmp_path / name).iterdir()} for name in "12")
    own = {name for name in second if first.get(name) != second[name]}
    assert {name for name in own if not name.startswith("kept-")} == {EDITION, "manifest", "playbook.msgpack"}
    assert len([name for name in own if name.startswith("kept-")]) == 1
    assert Catalogue.open(tmp_path, "1", whole=True).placements["home"].policy == "popular"
    assert Catalogue.open(tmp_path, "2", whole=True).placements["home"].policy == "habit"


def test_a_damaged_column_is_not_linked(tmp_path: Path) -> None:
    """What the disk changed in a version is written anew in the next one."""
    publish(tmp_path)
    column = tmp_path / "1" / "item_keys.npy"
    column.write_bytes(column.read_bytes()[:-1] + b"?")
    publish(tmp_path)
    assert Catalogue.open(tmp_path, "2", whole=True).item_count == 2


@pytest.mark.parametrize("cut", [1, 20])
def test_a_torn_line_is_passed_over(tmp_path: Path, cut: int) -> None:
    """After a power cut in the middle of a line the version's folder still says it, and the next line is whole."""
    publish(tmp_path, author="mara")
    publish(tmp_path, author="jo")
    history = tmp_path / HISTORY
    history.write_bytes(history.read_bytes()[:-cut])
    assert [one.edition.author for one in published(tmp_path)] == ["jo", "mara"]
    publish(tmp_path, author="kim")
    assert [one.edition.author for one in published(tmp_path)] == ["kim", "jo", "mara"]


def test_a_version_of_an_older_server(tmp_path: Path) -> None:
    """A version without history is listed as unknown, and cannot be brought back; the message says why."""
    build(load(FILES), ITEMS, tmp_path)
    publish(tmp_path)
    assert [(one.edition.version, one.edition.published_at, one.kept) for one in published(tmp_path)] == [
        ("2", 1_000, True),
        ("1", 0, False),
    ]
    with pytest.raises(UnknownName, match="`1` is of an older server, which kept no playbook; kept are 2"):
        find(tmp_path, "1")
    with pytest.raises(UnknownName, match="older server"):
        kept(tmp_path, "1")


def test_versions_are_kept_as_long_as_their_records(tmp_path: Path) -> None:
    """A version goes when the last record that may name it is past its age; the newest always stay, and the history
    of all.
    """
    for number in range(KEEP + 3):
        publish(tmp_path, at=number * DAY_MS)
    assert prune(tmp_path, Keeping(), now_ms=1_000 * DAY_MS) == []
    assert prune(tmp_path, Keeping(journal_ms=10 * DAY_MS), now_ms=12 * DAY_MS) == ["1"]  # it ended on day 1
    assert prune(tmp_path, Keeping(journal_ms=10 * DAY_MS), now_ms=1_000 * DAY_MS) == ["2", "3"]
    assert len(names(tmp_path)) == KEEP + 3
    assert [one.kept for one in published(tmp_path)] == [True] * KEEP + [False] * 3
    with pytest.raises(UnknownName, match="version `3` is not kept any more; kept are 23, 22"):
        find(tmp_path, "3")


def test_a_bound_on_versions(tmp_path: Path) -> None:
    """With a bound the oldest go whatever may name them, but never the newest."""
    for number in range(KEEP + 3):
        publish(tmp_path, at=number)
    assert prune(tmp_path, Keeping(most=KEEP + 2), now_ms=0) == ["1"]
    assert prune(tmp_path, Keeping(most=1), now_ms=0) == ["2", "3"]


def test_the_version_in_force_is_never_removed(tmp_path: Path) -> None:
    """Not even when newer versions stand beside it that were never put in force."""
    for number in range(KEEP + 2):
        publish(tmp_path, at=number)
    (tmp_path / "CURRENT").write_text("1\n")
    assert prune(tmp_path, Keeping(most=KEEP), now_ms=0) == ["2"]


def test_an_unknown_version_names_those_that_are_kept(tmp_path: Path) -> None:
    """Of many the newest are named and the others counted."""
    for number in range(KEEP + 2):
        publish(tmp_path, at=number)
    with pytest.raises(UnknownName) as refused:
        find(tmp_path, "99")
    listed = ", ".join(str(number) for number in range(KEEP + 2, 2, -1))
    assert refused.value.message == f"there is no version `99`; kept are {listed} and 2 older"


def test_only_the_end_of_a_long_history_is_read(tmp_path: Path) -> None:
    """A limit gives the newest, also when the line at which reading begins is cut."""
    for number in range(5):
        publish(tmp_path, at=number, note="n" * 1_000)
    (tmp_path / HISTORY).write_bytes(b"x" * 100_000 + b"\n" + (tmp_path / HISTORY).read_bytes())
    assert names(tmp_path, limit=2) == ["5", "4"]
    assert isinstance(published(tmp_path, limit=1)[0], Version)
