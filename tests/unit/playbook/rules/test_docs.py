"""docs/rules.md: its examples answer as it says, its mistakes are worded as it says, its list is what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from maitred_server.playbook import rules
from maitred_server.playbook.rules import Declarations, RuleError, RuleFailure, environment, limits
from maitred_server.playbook.rules.functions import OVERLOADS

PAGE = (Path(__file__).parents[4] / "docs" / "rules.md").read_text()
NOW = 1_760_000_000_000
DECLARED = Declarations(
    subject={
        "age": "number",
        "visits": "whole",
        "name": "text",
        "tags": "texts",
        "since": "time",
        "shoe size": "number",
        "member": "flag",
    },
    context={"device": "text", "basket": "number"},
    item={"price": "number", "origin": "text", "tags": "texts"},
    segments=("regulars",),
)
SYMBOLS = {"_[_]": "[ ]", "_?_:_": "? :", "@in": "in"}


def table(heading: str) -> list[list[str]]:
    """The cells of the first table after some words, without its head."""
    rows = PAGE[PAGE.index(heading) :].split("\n|", 2)[2].split("\n\n")[0].splitlines()
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row.strip("|"))] for row in rows]


def values() -> dict[str, dict[str, object]]:
    """The example's subject, context and item."""
    found = re.search(r"```json\n(.*?)```", PAGE, re.S)
    assert found is not None
    roots = json.loads(found[1])
    return {
        root: {name: tuple(value) if isinstance(value, list) else value for name, value in of.items()}
        for root, of in roots.items()
    }


@pytest.mark.parametrize(("expression", "expected"), table("| rule | answers |"))
def test_examples(expression: str, expected: str) -> None:
    """Each example answers what stands beside it."""
    given = values()
    rule = rules.compile(expression.strip("`"), DECLARED)
    result = rule.result(given["subject"], given["context"], NOW, given["item"])
    assert ("error" if isinstance(result, RuleFailure) else str(result).lower()) == expected


def test_the_list_is_complete() -> None:
    """The table names every operator and function that there is, and no other."""
    named = {name for row in table("| operator or function") for name in re.findall(r"`([^`]+)`", row[0])}
    offered = {SYMBOLS.get(one.function, one.function.replace("_", "")) for one in OVERLOADS.values()}
    assert named == offered - {"@notstrictlyfalse"}


def test_the_mistakes_shown_are_real_ones() -> None:
    """Each mistake is reported where and how the page says."""
    shown = PAGE[PAGE.index("## Mistakes") :].split("```text\n")[1].split("```")[0].strip().split("\n\n")
    for example in shown:
        expression, expected = example.split("\n")
        with pytest.raises(RuleError) as caught:
            rules.compile(expression, DECLARED)
        assert f"{caught.value.line}:{caught.value.column}: {caught.value.message}" == expected


def test_the_limits_are_the_real_ones() -> None:
    """The table of limits has the numbers of the code."""
    most = [int(row[1].replace(",", "")) for row in table("| of an expression")]
    assert most == [environment.LONGEST, limits.MOST_NODES, limits.MOST_DEPTH, limits.MOST_STEPS]


def test_types_are_the_real_ones() -> None:
    """The table of types has each declared type with its type in CEL."""
    shown = {row[0].strip("`"): row[1].strip("`") for row in table("| declared type")}
    assert shown == dict(rules.declarations.CEL_TYPES)
