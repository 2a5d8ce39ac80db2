"""A playbook with twenty planted mistakes, of twenty kinds, over all its files."""

from __future__ import annotations

from pathlib import Path

import pytest
from maitred_server.errors import Mistake, PlaybookError
from maitred_server.playbook.loader import load
from maitred_server.playbook.schema import FILES

FOLDER = Path(__file__).parents[2] / "playbooks" / "twenty_mistakes"
# file, line, column, what stands there, message
PLANTED = [
    ("playbook.yaml", 3, 10, "5", "`share`: a share is from 0 to 1; write 0.05 for 5 %"),
    ("playbook.yaml", 7, 46, "hom:", "unknown placement `hom`; did you mean `home`?"),
    ("placements.yaml", 8, 15, "gift-crad", "unknown item `gift-crad`; did you mean `gift-card`?"),
    ("placements.yaml", 12, 24, "pricee", "no item has a number as attribute `pricee`; did you mean `price`?"),
    ("placements.yaml", 19, 14, ".bsket", "unknown context attribute `bsket`; did you mean `basket`?"),
    ("subjects.yaml", 4, 23, "nubmer", "unknown type `nubmer`; did you mean `number`?"),
    ("subjects.yaml", 5, 39, "marketting", "unknown purpose `marketting`; did you mean `marketing`?"),
    ("segments.yaml", 3, 16, ".agee", "unknown trait `agee`; did you mean `age`?"),
    ("segments.yaml", 5, 9, "item.price", "a segment is about the subject; it cannot use `item`"),
    ("segments.yaml", 7, 9, "'\"evenings", "segments use each other in a ring: `mornings`, `evenings`, `mornings`"),
    ("rules.yaml", 4, 18, "in", "unknown segment `adlts`; did you mean `adults`?"),
    ("rules.yaml", 9, 22, "> 5", "`>` does not take a text and a whole number"),
    (
        "rules.yaml",
        12,
        9,
        "item.size",
        "attribute `size` is a number in item `skis` and a text in item `no`; rules need one type",
    ),
    ("contact_policies.yaml", 4, 11, "0", "`most` is at least 1"),
    (
        "contact_policies.yaml",
        11,
        11,
        "Europe/Berlim",
        "unknown time zone `Europe/Berlim`; did you mean `Europe/Berlin`?",
    ),
    ("arbitration.yaml", 4, 11, "item:", "unknown key `item`; did you mean `items`?"),
    ("reasons.yaml", 3, 11, '"Because', "unknown attribute `nmae`; did you mean `name`?"),
    ("groups.yaml", 4, 18, "subject.health", "trait `health` is sensitive: it is kept, and never used"),
    ("items.yaml", 5, 9, "no", '`id`: no is read as true or false; write "no", in quotes, to mean the text'),
    ("items.jsonl", 2, 70, '> 3.0"]}', "syntax error: extraneous input '>'"),
]


def files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in FOLDER.iterdir()}


def test_all_twenty_are_found() -> None:
    """One reading finds every planted mistake at its file, line and column, in these words, and nothing else."""
    with pytest.raises(PlaybookError) as caught:
        load(files(), ())
    found = [(one.file, one.line, one.column, one.message) for one in caught.value.mistakes]
    assert found == [(file, line, column, message) for file, line, column, _, message in PLANTED]
    assert len(found) == 20


def test_every_file_has_one() -> None:
    """The planted mistakes are spread over every kind of file that there is."""
    assert {file for file, *_ in PLANTED} == set(files()) == set(FILES)


def test_the_places_are_those_of_the_culprits() -> None:
    """At each place stands what its message is about."""
    for file, line, column, culprit, message in PLANTED:
        there = files()[file].decode().splitlines()[line - 1][column - 1 :]
        assert there.startswith(culprit), message


def test_mistakes_are_told_by_place() -> None:
    """A mistake reads as `file:line:column: message`, without what is not known."""
    assert str(Mistake("a.yaml", 3, "no", 7)) == "a.yaml:3:7: no"
    assert str(Mistake("a.yaml", 3, "no")) == "a.yaml:3: no"
    assert str(Mistake("a.yaml", 0, "no")) == "a.yaml: no"
