"""Charts and the page: well-formed, self-contained, with every section, target and figure that there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import pytest
from maitred_tools.bench import charts, page, report
from maitred_tools.bench.__main__ import SECTIONS
from maitred_tools.bench.targets import targets

STAMP = report.stamp("python -m maitred_tools.bench")


def parsed(chart: str) -> ElementTree.Element:
    return ElementTree.fromstring(chart)


def texts(chart: str) -> list[str]:
    return [one.text or "" for one in parsed(chart).iter("text")]


def test_bars_have_their_figures_and_whiskers() -> None:
    """Each bar says its value, and its whisker goes from the least to the most."""
    chart = charts.bars("Title", [charts.Bar("a <b>", 1.5, 1.0, 2.0), charts.Bar("c", 0.5, 0.4, 0.6)], "times", 1.0)
    assert {"a <b>", "1.5", "c", "0.5", "times"} <= set(texts(chart))
    assert [one.get("class") for one in parsed(chart).iter("path")] == ["whisker", "whisker"]
    assert [one.text for one in parsed(chart).iter("title")] == ["a <b>: 1.5 (1 to 2)", "c: 0.5 (0.4 to 0.6)"]


def test_parts_of_a_bar_lie_end_to_end() -> None:
    """Parts begin where those before them end; one part has one colour in all bars."""
    chart = charts.stacked("Title", {"x": {"a": 10.0, "b": 30.0}, "y": {"b": 20.0}}, "us")
    found = [one for one in parsed(chart).iter("rect") if one.get("height") == "18"]
    first, second, other = ((float(one.get("x", 0)), float(one.get("width", 0)), one.get("class")) for one in found)
    assert second[0] == pytest.approx(first[0] + first[1] + 0.8, abs=0.1)
    assert (first[0], second[2]) == (other[0], other[2])
    assert "40" in texts(chart)


def test_lines_name_their_places_and_ends() -> None:
    """The axis has the sizes that were measured; each line is named with its last figure."""
    chart = charts.lines(
        "Title", {"p50": [charts.Point(10_000, 100.0), charts.Point(1_000_000, 105.0)]}, "us", "profiles"
    )
    assert {"10,000", "1 million", "p50 105"} <= set(texts(chart))


def test_the_page_has_every_section_and_needs_nothing(measured: Mapping[str, Any]) -> None:
    """Titles, targets and problems are in it; nothing is loaded from anywhere."""
    sections = {name: {"stamp": STAMP, "figures": figures} for name, figures in measured.items()}
    text = page.render({"sections": sections, "problems": {"sdk": "it <broke>"}}, SECTIONS, targets(measured))
    assert all(f"<h2>{section.title}</h2>" in text for section in SECTIONS)
    assert [text.count(f">{word}</span>") for word in ("met", "missed")] == [8, 4]
    assert "sdk: it &lt;broke&gt;" in text
    assert not any(word in text for word in ("<script", "<link", "http://", "https://", "src="))


def test_every_section_has_rows_for_its_figures(measured: Mapping[str, Any]) -> None:
    """No table is empty, and each row is as long as its header."""
    for section in SECTIONS:
        for one in section.tables(measured[section.name]):
            assert one.rows, one.title
            assert {len(row) for row in one.rows} == {len(one.header)}, one.title
