from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from maitred_tools.demo import playbook
from maitred_tools.demo.control_files import MORE, PURPOSE, control_files, read
from maitred_tools.demo.groceries import DataMissingError, Groceries, package_folder
from maitred_tools.demo.playbook import PLACEMENT

SCOPED = ("placements", "rules", "contact_policies", "arbitration")


def _named(content: Any, key: str) -> Iterator[str]:
    """All names that stand in lists under a key."""
    if isinstance(content, list):
        for one in content:
            yield from _named(one, key)
    elif isinstance(content, dict):
        yield from (name for name in content.get(key, ()) if isinstance(name, str))
        for one in content.values():
            yield from _named(one, key)


def _scopes(content: Any) -> list[dict[str, Any]]:
    return [entry["for"] for entries in content.values() for entry in entries]


@pytest.fixture
def whole(shop: Groceries) -> Groceries:
    """A shop that sells all that the files name, and nothing else."""
    items = {name for file in SCOPED for key in ("items", "fallback") for name in _named(read(file), key)}
    groups = sorted({name for file in SCOPED for name in _named(read(file), "groups")})
    departments = tuple(groups[number % len(groups)] for number in range(len(items)))
    return replace(shop, categories=tuple(sorted(items)), departments=departments)


def _published(shop: Groceries, folder: Path) -> Any:
    loader = pytest.importorskip("maitred_server.playbook.loader")
    playbook.write(shop, folder / "playbook")
    return loader.load({path.name: path.read_bytes() for path in (folder / "playbook").iterdir()})


def test_the_server_takes_all_that_is_written(whole: Groceries, tmp_path: Path) -> None:
    """With all goods there is no mistake and no warning, and no segment is left out."""
    loaded = _published(whole, tmp_path)
    assert loaded.warnings == ()
    assert [one.name for one in loaded.control.segments] == [one["name"] for one in read("segments")["segments"]]
    assert len(loaded.control.rules) == len(read("rules")["rules"])


def test_names_are_those_of_the_shop() -> None:
    """Every category and department that the files name is one of the data's, letter by letter."""
    try:
        products = pq.read_table(
            package_folder() / "products.parquet", columns=["department", "product_category"]
        ).to_pydict()
    except DataMissingError:
        pytest.skip("the shopping data is not installed")
    written = [read(file) for file in SCOPED]
    assert set(_named(written, "groups")) - set(products["department"]) == set()
    assert {*_named(written, "items"), *_named(written, "fallback")} - set(products["product_category"]) == set()


def test_what_is_not_sold_is_left_out(shop: Groceries) -> None:
    """A small shop gets no rule about goods it does not have, and no segment that nothing asks for."""
    found = control_files(shop)
    assert found["rules"]["rules"] == []
    assert found["segments"]["segments"] == []
    assert [one["name"] for one in found["contact_policies"]["contact_policies"]] == [
        "not again and again",
        "just bought",
    ]
    (more,) = found["placements"]["placements"]
    assert more["candidates"] == {"groups": ["DELI", "GROCERY", "PASTRY", "PRODUCE"]}
    assert more["reserved"] == [{"slot": 0, "for": {"groups": ["PRODUCE"]}}]


def test_till_welcome_is_not_touched() -> None:
    """Whatever is written is about `till-more` alone: the first placement's figures stay comparable."""
    scopes = [scope for file in ("rules", "contact_policies", "arbitration") for scope in _scopes(read(file))]
    assert {name for scope in scopes for name in scope["placements"]} == {MORE}
    assert {name for one in read("reasons")["reasons"] for name in one["placements"]} == {MORE}
    assert MORE != PLACEMENT
    assert [one["name"] for one in read("placements")["placements"]] == [MORE]


def test_what_households_told_needs_their_consent() -> None:
    """Every trait is for a purpose that needs consent; income is sensitive; purchases are for service."""
    subjects = read("subjects")
    assert [(one["name"], one["consent"]) for one in subjects["purposes"]] == [(PURPOSE, "required")]
    assert {one["purpose"] for one in subjects["traits"]} == {PURPOSE}
    assert [one["name"] for one in subjects["traits"] if one.get("sensitive")] == ["income"]
    assert subjects["events"] == [{"type": "purchase"}]
