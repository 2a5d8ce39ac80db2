"""Counting exposures: what is joined, what is left out, in any order."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from maitred_server.errors import UnknownName
from maitred_server.learn.exposures import Cut, Report, Row, count
from maitred_server.model import Exposure, Kind, Outcome, Reason, Record

NOW = 1_700_000_000_000
SUBJECT = b"\x04shop" + bytes(16)


def shown(decision: str, showing: int = 1, subject: bytes = SUBJECT, **more: Any) -> Record:
    body = Exposure(
        decision, "home", showing, (), "habit", Reason.HABIT, more.pop("arms", ()), "1", "", NOW, 1, 0, **more
    )
    return Record(subject, Kind.PERSON, NOW, NOW, body)


def bought(decision: str, value: float = 2.0, kind: str = "purchase") -> Record:
    return Record(SUBJECT, Kind.PERSON, NOW, NOW, Outcome(kind, value, "MILK", "", (), decision))


def report(records: list[Record], *by: str, everything: bool = False) -> Report:
    cut = Cut("shop", by, everything)
    cut.add(records)
    return cut.report()


def test_order_does_not_matter() -> None:
    """Outcomes before their exposures, showings in any order: the same counts."""
    records = [shown(f"d{n}", showing, dimensions={"region": "ns"[n % 2]}) for n in range(9) for showing in (1, 2)]
    records += [bought(f"d{n}") for n in range(0, 12, 2)]
    expected = report(records, "region")
    assert expected.rows["n",] == Row(5, 10, Counter({"purchase": 5}), {"purchase": 10.0})
    assert expected.rows["s",] == Row(4, 8)
    assert expected.unlinked == 1
    for seed in range(5):
        assert report(random.Random(seed).sample(records, len(records)), "region") == expected


def test_a_decision_counts_for_each_of_its_arms() -> None:
    """Two layers give two rows, an unassigned decision is in the row of none, and pairs are counted as pairs."""
    records = [shown("a", arms=(("one", "x"), ("two", "y"))), shown("b", arms=(("one", "x"),)), shown("c"), bought("a")]
    rows = report(records, "arm").rows
    assert {cell: row.decisions for cell, row in rows.items()} == {("one=x",): 2, ("two=y",): 1, ("-",): 1}
    assert rows["two=y",].outcomes == rows["one=x",].outcomes == {"purchase": 1}
    pairs = report(records, "placement", "arm").rows
    assert pairs["home", "one=x"].decisions == 2


def test_merged_and_overridden_are_left_out_with_their_outcomes() -> None:
    """They are in no row, are counted beside, and their outcomes are not taken for unlinked; `everything` has all."""
    records = [shown("a"), shown("m", merged=True), shown("o", overridden=("one",)), bought("m"), bought("o")]
    found = report(records, "placement")
    assert (found.rows["home",].decisions, found.rows["home",].outcomes) == (1, {})
    assert (found.merged, found.overridden, found.unlinked) == (1, 1, 0)
    found = report(records, "placement", everything=True)
    assert (found.rows["home",].decisions, found.rows["home",].outcomes) == (3, {"purchase": 2})
    assert (found.merged, found.overridden) == (0, 0)


def test_another_brand_is_not_counted() -> None:
    """Only the records of the brand that is asked for count."""
    assert report([shown("a", subject=b"\x05shop2" + bytes(16))], "placement").rows == {}


def test_an_unknown_dimension_is_said() -> None:
    """A dimension that no exposure has is a mistake; one that some have is not."""
    records = [shown("a", dimensions={"till": "4"}), shown("b")]
    assert set(report(records, "till").rows) == {("4",), ("-",)}
    with pytest.raises(UnknownName, match=r"no exposure has a dimension 'tilt'; there are arm, .*till"):
        report(records, "tilt")


def test_a_journal_is_read_to_its_end() -> None:
    """Chunks of any size, with holes in the sequence, are read one after the other."""
    journal = [(sequence, shown(f"d{sequence}")) for sequence in range(3, 40, 2)]

    def read(after: int, limit: int) -> list[tuple[int, Record]]:
        return [entry for entry in journal if entry[0] > after][: min(limit, 4)]

    assert count(read, Cut("shop", ["policy"])).rows["habit",].decisions == len(journal)
