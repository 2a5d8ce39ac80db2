"""The report of a measurement: for scripts, for people, for the docs."""

from __future__ import annotations

from pathlib import Path

import pytest
from maitred_tools.bench import report
from maitred_tools.bench.growth import Life, grown
from maitred_tools.bench.measure import Round


def rounds(server_us: float) -> list[Round]:
    return [Round(server_us + change, 1000.0, 400.0, 900.0, 500.0, 1500.0) for change in (-10, 0, 10)]


@pytest.fixture
def measured() -> report.Report:
    found = {"aio": rounds(250), "decide": rounds(500), "sync": rounds(300)}
    return report.stamp("python -m maitred_tools.bench") | report.compared(found) | {"stages_us": {"profile": 8.0}}


def test_the_cheaper_echo_is_the_reference(measured: report.Report) -> None:
    """The ratio is against whichever echo server used less; both are kept in the report."""
    assert measured["echo"]["front"] == "aio"
    assert (measured["echo"]["server_us"], measured["decide"]["server_us"]) == (250.0, 500.0)
    assert measured["decide"]["ratio_to_echo"] == 2.0
    assert sorted(measured["echo_fronts"]) == ["aio", "sync"]


def test_the_report_says_when_and_where(measured: report.Report) -> None:
    """A figure without its machine, versions and command is worth little; all are in the report and its line."""
    assert set(measured["machine"]) == {"cpu", "cores", "memory_gib", "system", "load_average"}
    assert {"python", *report.LIBRARIES} == set(measured["versions"])
    assert "`python -m maitred_tools.bench`" in report.stamped(measured)


def test_tables_have_median_and_range(measured: report.Report) -> None:
    """Each figure stands with the least and the most of the rounds."""
    text = report.markdown(report.COMPARED, report.compared_rows(measured))
    assert "| server CPU, us a call | 250.0 (240.0-260.0) | 500.0 (490.0-510.0) |" in text.splitlines()
    assert report.stage_rows(measured) == [("profile", "8.0"), ("all", "8.0")]


def test_growth_compares_the_sizes() -> None:
    """The small store comes first, with its figures beside those of the large one."""
    small, large = (Life(start, 100.0, 60.0, 500.0, 1000.0, 2000.0) for start in (0.5, 0.6))
    rows = report.grown_rows(grown({1_000_000: [large], 10_000: [small]}))
    assert rows[:2] == [
        ("profiles", "10,000", "1,000,000"),
        ("start to first answer, s", "0.50 (0.50-0.50)", "0.60 (0.60-0.60)"),
    ]


def test_a_section_of_a_page_is_replaced_alone(tmp_path: Path) -> None:
    """What stands around the section stays, and a page without it is refused unchanged."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- decide -->\nold\n<!-- /decide -->\nafter\n")
    report.write_section(page, "decide", "new")
    assert page.read_text() == "before\n<!-- decide -->\nnew\n<!-- /decide -->\nafter\n"
    with pytest.raises(ValueError, match="no section growth"):
        report.write_section(page, "growth", "new")
    assert page.read_text() == "before\n<!-- decide -->\nnew\n<!-- /decide -->\nafter\n"
