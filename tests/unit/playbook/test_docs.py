"""docs/playbook.md and docs/control.md: their example is a playbook, their tables have every field with its default."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from maitred_server.errors import PlaybookError
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.lint import Scene, lint
from maitred_server.playbook.loader import load, read_playbook
from maitred_server.playbook.schema import FILES, json_schema
from maitred_server.playbook.schema.expressions import ScopePart
from maitred_server.playbook.schema.header import (
    ArmPart,
    DimensionsPart,
    EligiblePart,
    HoldoutPart,
    LayerPart,
    StagePart,
    ValueBandPart,
)
from maitred_server.playbook.schema.items import GroupPart, ItemPart, VariantPart
from maitred_server.playbook.schema.learning import LearningPart, ResponsePart
from maitred_server.playbook.schema.placements import PinPart, PlacementPart, ReservedPart, WorthPart
from maitred_server.playbook.schema.rules import (
    ContactPolicyPart,
    ContextWeightPart,
    LeverPart,
    QuietHoursPart,
    RulePart,
)
from maitred_server.playbook.schema.subjects import (
    ContextPart,
    EventPart,
    PurposePart,
    SegmentPart,
    SubjectsFile,
    TraitPart,
)
from maitred_server.playbook.schema.wording import ReasonPart, ReasonsFile
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

DOCS = Path(__file__).parents[3] / "docs"
PAGE = "\n".join((DOCS / name).read_text() for name in ("playbook.md", "control.md"))
EXAMPLE = {
    match["file"]: match["body"].encode()
    for match in re.finditer(r"^`(?P<file>[\w.]+)`\n\n```\w+\n(?P<body>.*?)^```", PAGE, re.M | re.S)
}
TABLES = {
    "## Placements": PlacementPart,
    "| field of a layer": LayerPart,
    "| field of `eligible`": EligiblePart,
    "| field of an arm": ArmPart,
    "| field of `holdout`": HoldoutPart,
    "| field of `dimensions`": DimensionsPart,
    "| field of `stage`": StagePart,
    "| field of `value_band`": ValueBandPart,
    "| field of an item": ItemPart,
    "| field of a variant": VariantPart,
    "| field of a group": GroupPart,
    "| field of a pin": PinPart,
    "| field of `reserved`": ReservedPart,
    "| field of `value`": WorthPart,
    "| field of `learning`": LearningPart,
    "| field of a response": ResponsePart,
    "| field of `subjects`": SubjectsFile,
    "| field of a purpose": PurposePart,
    "| field of a trait": TraitPart,
    "| field of a key of the context": ContextPart,
    "| field of an event": EventPart,
    "| field of a segment": SegmentPart,
    "| field of a rule": RulePart,
    "| field of `for`": ScopePart,
    "| field of a contact policy": ContactPolicyPart,
    "| field of `quiet_hours`": QuietHoursPart,
    "| field of a lever": LeverPart,
    "| field of a context weight": ContextWeightPart,
    "| field of `reasons`": ReasonsFile,
    "| field of a reason": ReasonPart,
}


def rows(title: str) -> dict[str, str]:
    """The first and the last column of the table below a title."""
    text = PAGE[PAGE.index(title) :].split("\n\n")[0 if title.startswith("|") else 1]
    cells = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    return {row[0].strip().strip("`"): row[-1].strip() for row in cells}


def test_the_example_is_a_playbook(tmp_path: Path) -> None:
    """The example loads without mistakes or warnings, builds, and holds what the text says of it."""
    assert set(EXAMPLE) == set(FILES)
    playbook = load(EXAMPLE, ())
    assert build(playbook, (), tmp_path).warnings == ()
    catalogue = Catalogue.open(tmp_path)
    banner = catalogue.placements["home-banner"]
    assert [catalogue.item(action) for action in banner.order] == ["apples", "rye-bread"]
    assert [catalogue.item(action) for action in banner.fallback] == ["gift-card"]
    assert [(layer.name, layer.holdout) for layer in catalogue.layers] == [("holdout", True), ("till policies", False)]


@pytest.mark.parametrize(("title", "model"), TABLES.items(), ids=[model.__name__ for model in TABLES.values()])
def test_tables_have_every_field(title: str, model: type[BaseModel]) -> None:
    """Each table names the fields that there are, says which are required, and gives plain defaults as they are."""
    table = rows(title)
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    assert set(table) == set(fields)
    for name, field in fields.items():
        assert (table[name] == "required") == field.is_required()
        if shown := plain(field.default):
            assert table[name].strip("`") == shown


def test_the_example_has_no_warnings() -> None:
    """Nothing in the example is what `maitred check` would warn of."""
    reading = read_playbook(EXAMPLE, ())
    items = {item.id: item for item in reading.playbook.items}
    assert [str(warning) for warning in lint(Scene(reading.playbook, items, reading.places))] == []


def test_the_schema_is_the_published_one() -> None:
    """docs/playbook.schema.json is what the models make; `json.dumps(json_schema(), indent=1)` writes it anew."""
    assert json.loads((DOCS / "playbook.schema.json").read_text()) == json_schema()


@pytest.mark.parametrize("file", EXAMPLE)
def test_the_schema_takes_the_example(file: str) -> None:
    """A validator of JSON Schema finds nothing wrong with the example, and something with a mistyped key in it."""
    schema = jsonschema.Draft202012Validator(json_schema())
    content = yaml.safe_load(EXAMPLE[file])
    assert [error.message for error in schema.iter_errors(content)] == []
    assert not schema.is_valid(content | {"nmae": "x"})


def plain(default: Any) -> str | None:
    """A default as the page writes it; None for those that need words."""
    if default is PydanticUndefined or default is None or default in ("", []) or default == {} or is_part(default):
        return None
    return str(default)


def is_part(default: Any) -> bool:
    return isinstance(default, BaseModel)


def test_the_mistakes_shown_are_real_ones() -> None:
    """The messages that the page shows are worded as the loader words them."""
    wrong = EXAMPLE | {"placements.yaml": b"placements:\n  - name: till-welcome\n    policy: habbit\n"}
    message = re.search(r"^placements.yaml:3:13: .*$", PAGE, re.M)
    assert message is not None
    with pytest.raises(PlaybookError, match=re.escape(message[0])):
        load(wrong, ())
