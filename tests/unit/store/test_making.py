"""Batches that are made when their turn has come: once, by whoever comes first, and only while the writer waits."""

from __future__ import annotations

import threading

import pytest
from maitred_server.model import Entry, Event, Kind, Record
from maitred_server.store.keys import brand_prefix
from maitred_server.store.making import Maker, Making

ENTRY = Entry(Record(brand_prefix("shop") + b"anna".ljust(16), Kind.PERSON, 1, 1, Event("view")))
WAIT_S = 5.0


class Recipe:
    """Makes one entry, and tells when and how often."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.times = 0

    def __call__(self) -> list[Entry]:
        self.times += 1
        self.called.set()
        return [ENTRY]


def test_a_batch_is_made_once() -> None:
    """Asked twice, it is the same batch, and what makes it was called once."""
    recipe = Recipe()
    job = Making(recipe, 1)
    assert job.made() is job.made()
    assert recipe.times == 1


def test_what_cannot_be_made_says_so_each_time() -> None:
    """The error of making is raised to everybody who asks."""

    def fail() -> list[Entry]:
        raise ValueError("no")

    job = Making(fail, 1)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            job.made()


def test_the_maker_makes_what_waits_while_the_writer_waits() -> None:
    """Before the transaction nothing is made; within it, what waits is, without the writer."""
    maker, recipe = Maker(), Recipe()
    try:
        maker.add(Making(recipe, 1))
        assert not recipe.called.is_set()
        with maker.waiting():
            assert recipe.called.wait(WAIT_S)
    finally:
        maker.close()
    assert recipe.times == 1


def test_the_maker_rests_while_the_writer_computes() -> None:
    """What comes while the writer computes is made when it goes into the commit."""
    maker, recipe = Maker(), Recipe()
    try:
        with maker.waiting():
            with maker.computing():
                maker.add(Making(recipe, 1))
                before = recipe.times
            assert recipe.called.wait(WAIT_S)
    finally:
        maker.close()
    assert (before, recipe.times) == (0, 1)
