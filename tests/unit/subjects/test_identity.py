from __future__ import annotations

import pytest
from maitred_server.model import Kind
from maitred_server.store.keys import brand_of, brand_prefix
from maitred_server.subjects.identity import Pseudonyms

KEY = bytes(range(32))


def test_a_subject_key_holds_no_part_of_the_id() -> None:
    """A stored key shows its brand and nothing of the raw id."""
    key = Pseudonyms(KEY).subject_key("shop", Kind.PERSON, "ada@example.org")
    assert b"ada" not in key
    assert brand_of(key) == "shop"
    assert len(key) == len(brand_prefix("shop")) + 16


def test_key_brand_kind_and_id_each_make_another_subject() -> None:
    """Two subjects share a key only when installation, brand, kind and id are all the same."""
    ours, theirs = Pseudonyms(KEY), Pseudonyms(KEY[::-1])
    keys = {
        ours.subject_key("shop", Kind.PERSON, "42"),
        ours.subject_key("shop", Kind.HOUSEHOLD, "42"),
        ours.subject_key("shop", Kind.PERSON, "43"),
        ours.subject_key("shop2", Kind.PERSON, "42"),
        theirs.subject_key("shop", Kind.PERSON, "42"),
    }
    assert len(keys) == 5
    assert ours.subject_key("shop", Kind.PERSON, "42") in keys


def test_pseudonyms_stay_the_same_for_ever() -> None:
    """A known key and id give the pseudonym that they gave when this test was written: stored profiles stay
    reachable.
    """
    key = Pseudonyms(KEY).subject_key("shop", Kind.HOUSEHOLD, "household-900")
    assert key.hex() == "0473686f70fc347f99ed9f64c43b917d672e0649ed"


def test_a_short_key_is_refused() -> None:
    """A pseudonym key of any other length than 32 bytes is a mistake, not a weaker key."""
    with pytest.raises(ValueError, match="32 bytes"):
        Pseudonyms(b"short")
