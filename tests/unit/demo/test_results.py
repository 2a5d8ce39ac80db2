from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from maitred import Choice, Decision, Reason
from maitred_tools.demo import summary
from maitred_tools.demo.funnel import Funnel
from maitred_tools.demo.latency import Buckets, ClientLatency
from maitred_tools.demo.more import More
from maitred_tools.demo.page import render
from maitred_tools.demo.reference import Reference
from maitred_tools.demo.results import Events, Results, write_json
from maitred_tools.demo.tally import Served, Tally
from rich.console import Console

DAY = 86_400_000
START = 1_483_271_606_000


def _results(visits: int = 40, gap_ms: int = DAY) -> Results:
    """Households 0-3 (habit) hit 2 of 3, 4-7 (popular) 1 of 3, 8 (uniform) none, 9 (holdout) 1; ten visits a round."""
    tally, latency = Tally(), ClientLatency()
    for visit in range(visits):
        household = visit % 10
        group = ["habit", "popular", "uniform", "holdout"][(household >= 4) + (household >= 8) + (household >= 9)]
        hits = {"habit": 2, "popular": 1, "uniform": 0, "holdout": 1}[group]
        tally.add(Served(visit, household, START + visit * gap_ms, group, group.upper(), 3, hits))
        latency.record(1_000_000 + visit * 10_000)
    reference = Reference(
        {policy: (np.arange(visits) % 2).astype(np.float64) for policy in ("habit", "popular", "uniform")}
    )
    return Results(tally, latency, Buckets(), Events(90, 90, 90, 90), reference, recorded=90, seconds=2.0)


def test_keys_of_the_report() -> None:
    """Scripts find visits, precision, events, latencies and speed under their documented keys."""
    report = _results().report()
    assert report["visits"] == 40
    assert report["precision_at_3"]["habit"]["second_half"] == pytest.approx(2 / 3, abs=1e-6)
    assert report["precision_at_3"]["uniform"]["all"] == 0
    assert report["events"] == {"sent": 90, "acknowledged": 90, "journalled": 90, "counted": 90}
    assert set(report["client_ms"]) == {"p50", "p90", "p99", "p999"}
    assert set(report["server_us"]) == {"p50", "p99"}
    assert report["decisions_per_second"] == 20


def test_report_is_plain_json(tmp_path: Path) -> None:
    """The file holds the very report, without NaN or anything that JSON does not have."""
    results = _results()
    write_json(results, tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == results.report()


def test_holdout_counts_for_no_policy() -> None:
    """A held out household is in no policy's figures, though the popular policy served it."""
    report = _results().report()
    assert report["precision_at_3"]["popular"]["households"]["all"] == 4
    assert report["holdout"]["households"]["all"] == 1


def test_second_half_is_of_the_visits_replayed() -> None:
    """The second half begins in the middle of the visits replayed, not of the year."""
    tally = Tally()
    for visit in range(6):
        tally.add(Served(visit, 1, START, "habit", "HABIT", 3, 3 * (visit >= 3)))
    half = tally.columns().of("habit").second_half(6)
    assert half.precision().value == 1
    assert half.visit.tolist() == [3, 4, 5]


def test_reference_is_of_the_same_visits() -> None:
    """The reference beside a policy is over that policy's own visits only: here it hits at odd visits, once."""
    report = _results().report()
    assert report["precision_at_3"]["habit"]["reference"]["all"] == pytest.approx(1 / 6, abs=1e-6)
    assert report["precision_at_3"]["uniform"]["reference"]["all"] == 0
    assert report["holdout"]["reference"]["second_half"] == pytest.approx(1 / 3, abs=1e-6)


@pytest.mark.parametrize("place", ["acknowledged", "journalled", "counted"])
def test_a_lost_event_is_a_problem(place: str) -> None:
    """One event less at any of the places fails the run."""
    results = _results()
    found = replace(results, events=replace(results.events, **{place: 89})).problems()
    assert len(found) == 1
    assert f"{place} 89" in found[0]


def test_an_event_that_was_never_sent_is_a_problem() -> None:
    """The till's own count of what it recorded is held against what the SDK says it sent."""
    assert len(replace(_results(), recorded=91).problems()) == 1


def test_a_visit_that_fell_back_is_a_problem() -> None:
    """A visit without a fresh decision of the server fails the run."""
    results = _results()
    results.tally.add(Served(40, 1, START, "none", "ERROR", 0, 0))
    assert any("no fresh decision" in problem for problem in results.problems())


def test_all_well_is_no_problem() -> None:
    """A run with equal counts and fresh decisions has no problems."""
    assert _results().problems() == []


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [f"{name}={value}" for name, value in attrs if name in ("src", "href", "srcset")]


def test_page_needs_nothing_from_elsewhere() -> None:
    """The page has no script, no link, no source and no import: all of it is in the one file."""
    page = render(_results())
    links = _Links()
    links.feed(page)
    assert links.outside == []
    assert not {"script", "link", "img", "iframe"} & set(links.tags)
    assert "@import" not in page
    assert "url(" not in page


def test_charts_are_named_for_those_who_do_not_see_them() -> None:
    """Each chart is well-formed SVG, is an image with a label, and marks say their figures."""
    page = render(_results())
    charts = ["<svg" + part.partition("</svg>")[0] + "</svg>" for part in page.split("<svg")[1:]]
    trees = [ElementTree.fromstring(chart) for chart in charts]
    assert len(trees) == 3
    assert all(tree.get("role") == "img" and tree.get("aria-label") for tree in trees)
    assert all(tree.findall(".//title") for tree in trees)


@pytest.mark.parametrize(("visits", "gap_ms"), [(1, 0), (2, 0), (10, 60_000), (200, 4 * DAY)])
def test_page_of_any_length(visits: int, gap_ms: int) -> None:
    """One visit, visits of one instant, of a few minutes or of years: there is always a page without NaN."""
    page = render(_results(visits, gap_ms))
    assert page.startswith("<!doctype html>")
    assert "nan" not in page.lower().replace("tenant", "")


def test_page_of_a_failed_run_says_so() -> None:
    """A run that failed says on its page what failed, and does not claim equal counts."""
    results = _results()
    page = render(replace(results, events=replace(results.events, counted=89)))
    assert "This run failed" in page
    assert "All four are equal" not in page


def test_summary_names_policies_and_problems() -> None:
    """The terminal shows each policy's figures and, in words, what failed."""
    console = Console(record=True, width=120, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        summary.show(console, replace(_results(), recorded=91).report())
    text = console.export_text()
    assert "0.6667" in text
    assert "the till recorded 91 events and 90 were sent" in text


def _with_more() -> Results:
    """Two households, the first a family, and what a sample of one decision said."""
    more, funnel = More(), Funnel()
    page = Decision(
        "till-more",
        (
            Choice("APPLES", slot=0, reason_text="Because you bought <Apples>"),
            Choice("BREAD", slot=2, reason_text="Something new for you", stretch=True),
        ),
        Reason.HABIT,
    )
    for household in range(40):
        more.add(household % 2, page, {"APPLES"})
    funnel.decisions, funnel.repeated = 1, 1
    funnel.left.update({"candidates": 10, "suitability": 8, "slate": 2})
    funnel.fell.update({("suitability", "tobacco at the kiosk"): 2, ("slate", ""): 6})
    return replace(_results(), more=more, segments={0: ["families"], 1: ["strangers"]}, funnel=funnel)


def test_keys_of_what_people_control() -> None:
    """The report says hit rates by kind of slot and segment, what was said, what was left and what closed it."""
    report = _with_more().report()
    more, refusals = report["till_more"], report["refusals"]
    rates = {kind: (rate["hit_rate"], rate["visits"]) for kind, rate in more["slots"].items()}
    assert rates == {"ordinary": (0.0, 0), "reserved": (1.0, 40), "stretch": (0.0, 40)}
    segments = {name: (one["share_of_visits"], one["hit_rate"]) for name, one in more["segments"].items()}
    assert segments == {"families": (0.5, 0.5), "strangers": (0.5, 0.5)}
    assert [(one["text"], one["times"], one["bought"]) for one in more["said"]] == [
        ("Because you bought <Apples>", 40, 40),
        ("Something new for you", 40, 0),
    ]
    assert [(one["name"], one["left"]) for one in refusals["stages"]] == [
        ("candidates", 10),
        ("suitability", 8),
        ("slate", 2),
    ]
    assert refusals["fell"][1] == {"stage": "suitability", "by": "tobacco at the kiosk", "candidates": 2}


def test_two_decisions_a_visit() -> None:
    """Visits a second and decisions a second are told apart: a visit has one decision of each placement."""
    report = _with_more().report()
    assert (report["visits_per_second"], report["decisions_per_second"]) == (20, 40)


def test_a_decision_that_is_not_repeated_is_a_problem() -> None:
    """A decision that comes out differently without a note fails the run."""
    results = _with_more()
    results.funnel.differ = 1
    assert results.problems() == ["1 of 1 decisions came out differently again"]


def test_page_shows_reasons_and_refusals() -> None:
    """The page says what people were told, escaped, and which rule closed how many candidates."""
    page = render(_with_more())
    assert "Because you bought &lt;Apples&gt;" in page
    assert "<Apples>" not in page
    assert "tobacco at the kiosk</td><td>suitability</td><td>2.00" in page
    assert "All came out as they did before" in page


def test_summary_shows_reasons_and_refusals() -> None:
    """The terminal shows hit rates by slot and segment, what was said, and what closed candidates."""
    console = Console(record=True, width=120, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        summary.show(console, _with_more().report())
    text = console.export_text()
    for expected in ("stretch", "families", "Something new for you", "tobacco at the kiosk", "1 of 1 repeated exactly"):
        assert expected in text
