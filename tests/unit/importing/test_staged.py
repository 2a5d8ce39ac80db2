"""The staging file: everything comes back subject by subject, in order, and a torn end is not believed."""

from __future__ import annotations

import random
from pathlib import Path

from maitred_server.importing.rows import Reject
from maitred_server.importing.staged import Staged, StagingFile, block
from maitred_server.model import Event, Kind, Record
from maitred_server.store.keys import brand_prefix

SUBJECTS = [brand_prefix("shop") + random.Random(number).randbytes(16) for number in range(50)]


def staged(number: int) -> Staged:
    subject = SUBJECTS[random.Random(number).randrange(50)]
    return Record(subject, Kind.PERSON, 0, number, Event("view", f"I{number % 7}")), bytes([number % 250] * 16)


def filled(path: Path, blocks: int) -> None:
    file = StagingFile(path)
    for number in range(blocks):
        told = [staged(number * 100 + place) for place in range(100)]
        file.append(block(103, told, [Reject(number, "time", "wrong", "row")] * 3))
    file.append(block(2, [], []))
    file.sync()
    file.close()


def test_records_come_back_by_subject_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Opened anew, the file has every record once, sorted by subject, those of a subject in the source's order."""
    filled(tmp_path / "staged", 4)
    file = StagingFile(tmp_path / "staged")
    found = [one for some in file.by_subject() for one in some]
    expected = sorted((staged(number) for number in range(400)), key=lambda one: one[0].subject)
    assert (found, file.blocks, file.rows, file.records, file.rejected) == (expected, 5, 414, 400, 12)
    assert list(file.rejects()) == [Reject(number, "time", "wrong", "row") for number in range(4) for _ in range(3)]
    file.close()


def test_a_torn_end_is_left_out_and_written_over(tmp_path: Path) -> None:
    """However much of the last blocks is missing or wrong, what is whole before them stays, and can be gone on with."""
    path = tmp_path / "staged"
    filled(path, 3)
    whole, rng = path.read_bytes(), random.Random(1)
    for _ in range(40):
        torn = bytearray(whole[: rng.randrange(len(whole))])
        if torn and rng.random() < 0.5:
            torn[rng.randrange(len(torn))] ^= 1
        path.write_bytes(torn)
        file = StagingFile(path)
        blocks, rows = file.blocks, file.rows
        assert (rows, blocks < 4) == (103 * blocks, True)
        file.append(block(1, [staged(1)], []))
        file.close()
        again = StagingFile(path)
        assert (again.blocks, again.rows) == (blocks + 1, rows + 1)
        assert sum(map(len, again.by_subject())) == 100 * blocks + 1
        again.close()


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    """The staging file is private."""
    filled(tmp_path / "staged", 1)
    assert (tmp_path / "staged").stat().st_mode & 0o777 == 0o600
