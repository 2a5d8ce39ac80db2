"""Policy snapshots: what is saved is what is read, or nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.errors import RecordDamaged
from maitred_server.policy.snapshot import Column, PolicySnapshot, open_snapshot
from maitred_server.store.keys import type_code

SUMS = st.dictionaries(
    st.sampled_from(["purchase", "exposure", "outcome.click"]),
    st.dictionaries(st.integers(0, 2**64 - 1), st.integers(0, 2**62), max_size=20),
    max_size=3,
)


def snapshot_of(sums: dict[str, dict[int, int]], version: str = "12", cursor: int = 12) -> PolicySnapshot:
    columns = {
        type_code(name): Column(
            np.array(sorted(counts), np.uint64), np.array([counts[key] for key in sorted(counts)], np.int64)
        )
        for name, counts in sums.items()
    }
    return PolicySnapshot(version, cursor, columns)


@settings(deadline=None)
@given(sums=SUMS, asked=st.lists(st.integers(0, 2**64 - 1), max_size=5))
def test_counts_are_those_of_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, sums: dict[str, dict[int, int]], asked: list[int]
) -> None:
    """Saved and opened, a snapshot answers for any keys in any order what a plain dictionary would; 0 for the rest."""
    path = tmp_path_factory.mktemp("snapshot") / "12.snapshot"
    snapshot_of(sums).save(path)
    opened = PolicySnapshot.open(path)
    assert (opened.version, opened.cursor) == ("12", 12)
    for name in ("purchase", "exposure", "outcome.click", "never"):
        keys = asked + list(sums.get(name, {}))
        expected = [sums.get(name, {}).get(key, 0) for key in keys]
        counts = opened.counts(name, np.array(keys, np.uint64))
        assert np.dtype(np.int64) == counts.dtype
        assert expected == counts.tolist()


def test_any_flipped_byte_is_noticed(tmp_path: Path) -> None:
    """Whichever byte of the file changes, opening it raises RecordDamaged: no wrong count is served."""
    path = tmp_path / "1.snapshot"
    snapshot_of({"purchase": {1: 5, 2**63: 7}}).save(path)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(RecordDamaged):
            PolicySnapshot.open(path)


def test_a_file_cut_short_or_padded_is_refused(tmp_path: Path) -> None:
    """A torn file of any length, and one with something after its end, raise RecordDamaged."""
    path = tmp_path / "1.snapshot"
    snapshot_of({"purchase": {1: 5}}).save(path)
    whole = path.read_bytes()
    for content in [whole[:length] for length in range(len(whole))] + [whole + bytes(16)]:
        path.write_bytes(content)
        with pytest.raises(RecordDamaged):
            PolicySnapshot.open(path)


def test_an_opened_snapshot_outlives_its_file(tmp_path: Path) -> None:
    """A snapshot that is in use stays whole when a newer one replaces its file, and when the file is removed."""
    path = tmp_path / "1.snapshot"
    snapshot_of({"purchase": {1: 5}}).save(path)
    opened = open_snapshot(tmp_path, "1")
    snapshot_of({"purchase": {1: 6}}).save(path)
    path.unlink()
    assert opened.counts("purchase", np.array([1], np.uint64)).tolist() == [5]


def test_columns_cannot_be_written(tmp_path: Path) -> None:
    """What was opened is read-only: nobody changes what others are served."""
    path = tmp_path / "1.snapshot"
    snapshot_of({"purchase": {1: 5}}).save(path)
    counts = PolicySnapshot.open(path).columns[type_code("purchase")].counts
    with pytest.raises(ValueError, match="read-only"):
        counts[0] = 6


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses, the file is as it was and nothing is left beside it."""
    path = tmp_path / "1.snapshot"
    snapshot_of({"purchase": {1: 5}}).save(path)

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        snapshot_of({"purchase": {1: 6}}).save(path)
    assert [path] == list(tmp_path.iterdir())
    assert PolicySnapshot.open(path).counts("purchase", np.array([1], np.uint64)).tolist() == [5]
