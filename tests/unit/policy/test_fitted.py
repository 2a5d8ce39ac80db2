"""Models in snapshot files: what is opened is what was saved, mapped, and nothing else passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from maitred_server.errors import RecordDamaged
from maitred_server.policy.fitted import Fitted, Stamp, arrays_of
from maitred_server.policy.linear import Deltas, Model
from maitred_server.policy.snapshot import PolicySnapshot

STAMP = Stamp(12, 7, 20_000, 3)


def deltas(keys: int, types: int, width: int, seed: int) -> Deltas:
    random = np.random.default_rng(seed)
    return Deltas(
        np.arange(keys, dtype=np.uint64) * np.uint64(1 << 57),
        random.normal(size=(keys, types, width)),
        random.normal(size=(keys, width, width)),
        random.uniform(1.0, 9.0, keys),
    )


def fitted(items: int, types: int = 2, width: int = 5) -> Fitted:
    random = np.random.default_rng(items)
    columns = (np.arange(width, dtype=np.int32), np.array([0, width - 1], np.int32), np.zeros(0, np.int32))
    levels = (deltas(3, types, width, 1), deltas(items, types, 2, 2), deltas(items, types, 0, 3))
    wide, inverse = random.normal(size=(types, width)), random.normal(size=(width, width))
    model = Model(wide, inverse, 4.5, random.normal(size=types), columns, levels, (1.0, 2.0, 3.0, 4.0))
    return Fitted("space", tuple(f"type-{number}" for number in range(types)), model, STAMP)


def saved(path: Path, models: dict[str, Fitted]) -> Path:
    PolicySnapshot(f"12-0{STAMP.suffix}", 12, {}, 0, models).save(path)
    return path


@pytest.mark.parametrize("items", [0, 1, 40])
def test_what_is_opened_is_what_was_saved(tmp_path: Path, items: int) -> None:
    """Several models, with and without keys, come back with every number, and their names and stamps."""
    before = {"home": fitted(items), "banner": fitted(3, types=1, width=1)}
    opened = PolicySnapshot.open(saved(tmp_path / "1.snapshot", before))
    assert list(opened.models) == ["home", "banner"]
    for name, one in before.items():
        again = opened.models[name]
        assert [a.tobytes() for a in arrays_of(again.model)] == [a.tobytes() for a in arrays_of(one.model)]
        assert (again.space, again.responses, again.stamp) == (one.space, one.responses, one.stamp)
        assert [c.tolist() for c in again.model.columns] == [c.tolist() for c in one.model.columns]
        assert (again.model.penalties, again.model.exposures) == (one.model.penalties, one.model.exposures)


def test_arrays_are_mapped_and_cannot_be_written(tmp_path: Path) -> None:
    """Weights are views of the file."""
    opened = PolicySnapshot.open(saved(tmp_path / "1.snapshot", {"home": fitted(9)}))
    model = opened.model("home")
    assert model is not None
    assert {one.flags.writeable for one in arrays_of(model) if one.size} == {False}
    assert not model.wide.flags.owndata


def test_a_file_without_models_has_the_old_format(tmp_path: Path) -> None:
    """Such files are as they were before there were models, and are read."""
    path = saved(tmp_path / "1.snapshot", {})
    assert int.from_bytes(path.read_bytes()[8:12], "little") == 1
    assert PolicySnapshot.open(path).model("home") is None


@pytest.mark.parametrize("at", [60, 400, -1])
def test_damage_is_found(tmp_path: Path, at: int) -> None:
    """A byte that changed anywhere in the models is found before anything is served by them."""
    path = saved(tmp_path / "1.snapshot", {"home": fitted(9)})
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(RecordDamaged):
        PolicySnapshot.open(path)


def test_names_of_versions_are_stamps() -> None:
    """The name of a snapshot with models says what they were made from; others have no stamp."""
    assert Stamp.of(f"12-0{STAMP.suffix}") == STAMP
    assert [Stamp.of(version) for version in ("12", "12-3", "x", "1-2-3")] == [None] * 4
