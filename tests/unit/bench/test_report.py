"""The report: sections are merged, failures told, figures put into the docs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from maitred_tools.bench import __main__ as command
from maitred_tools.bench import report
from maitred_tools.bench.measure import Figures
from maitred_tools.bench.section import QUICK, Bench, Section, Table


def section(name: str, value: float) -> Section:
    return Section(
        name, name, "", lambda _: {"x": value}, lambda found: [Table("T", ("", "x"), [("x", f"{found['x']}")])]
    )


def failing(name: str) -> Section:
    def measure(_: Bench) -> Figures:
        raise RuntimeError("no luck")

    return section(name, 0.0)._replace(measure=measure)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(command, "SECTIONS", (section("one", 1.0), section("two", 2.0)))
    return Bench(tmp_path, QUICK)


def test_a_section_is_measured_without_losing_the_others(bench: Bench) -> None:
    """What is measured again is replaced, the rest keeps its figures and its own stamp."""
    assert command.run(bench, [section("one", 1.0), section("two", 2.0)]) == []
    before = command.read(bench.build)["sections"]
    command.run(bench, [section("two", 3.0)])
    after = command.read(bench.build)["sections"]
    assert (after["one"], after["two"]["figures"]) == (before["one"], {"x": 3.0})


def test_a_failure_is_told_and_loses_nothing(bench: Bench) -> None:
    """A section that fails is named with its reason; its figures of before, and the other sections, stay."""
    command.run(bench, [section("one", 1.0)])
    assert command.run(bench, [failing("one"), section("two", 2.0)]) == ["one"]
    found = json.loads((bench.build / "report.json").read_text())
    assert found["problems"] == {"one": "RuntimeError: no luck"}
    assert [one["figures"]["x"] for one in found["sections"].values()] == [1.0, 2.0]
    command.run(bench, [section("one", 4.0)])
    assert command.read(bench.build)["problems"] == {}


def test_sections_are_chosen_by_name() -> None:
    """They come in the report's order; an unknown one is refused with those that there are."""
    assert command.named("process, decide") == ["decide", "process"]
    assert command.named("") == command.NAMES
    with pytest.raises(ValueError, match="unknown section `decid`; there are decide, process"):
        command.named("decid")


def test_a_smaller_store_is_the_largest_of_all() -> None:
    """Fewer profiles leave no larger store in the section on growth."""
    assert command.scaled(QUICK, 5_000, None, 50)[:4] == (5_000, QUICK.rounds, 50, 50)
    assert command.scaled(QUICK, 5_000, None, None).stores == (2_000, 5_000)


def test_figures_are_put_into_the_docs(measured: Mapping[str, Any], tmp_path: Path) -> None:
    """Targets and the tables of each section stand between the page's marks; a page without them is refused."""
    stamp = report.stamp("python -m maitred_tools.bench")
    whole = {"sections": {name: {"stamp": stamp, "figures": one} for name, one in measured.items()}}
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- {name} -->\n<!-- /{name} -->\n" for name in ("targets", *command.NAMES)))
    command.put_into(page, whole)
    text = page.read_text()
    assert "| SDK: cached decide, us | at most 2 | 1.9 | yes |  |" in text.splitlines()
    assert "| start, empty | 0.50 (0.50-0.50) |" in text.splitlines()
    (tmp_path / "empty.md").touch()
    with pytest.raises(ValueError, match="no section targets"):
        command.put_into(tmp_path / "empty.md", whole)


def test_the_docs_have_a_place_for_every_section() -> None:
    """The page of benchmarks has the marks of all sections."""
    text = (Path(__file__).parents[3] / "docs" / "benchmarks.md").read_text()
    assert [name for name in ("targets", *command.NAMES) if f"<!-- {name} -->\n" not in text] == []


def test_the_report_says_when_and_where() -> None:
    """A figure without its machine, versions and command is worth little; all are in the report and its line."""
    stamp = report.stamp("python -m maitred_tools.bench")
    assert set(stamp["machine"]) == {"cpu", "cores", "memory_gib", "system", "load_average"}
    assert {"python", *report.LIBRARIES} == set(stamp["versions"])
    assert "`python -m maitred_tools.bench`" in report.stamped(stamp)


def test_a_section_of_a_page_is_replaced_alone(tmp_path: Path) -> None:
    """What stands around the section stays, and a page without it is refused unchanged."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- decide -->\nold\n<!-- /decide -->\nafter\n")
    report.write_section(page, "decide", "new")
    assert page.read_text() == "before\n<!-- decide -->\nnew\n<!-- /decide -->\nafter\n"
    with pytest.raises(ValueError, match="no section growth"):
        report.write_section(page, "growth", "new")
    assert page.read_text() == "before\n<!-- decide -->\nnew\n<!-- /decide -->\nafter\n"
