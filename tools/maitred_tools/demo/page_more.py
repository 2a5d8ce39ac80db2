"""The page's part about the second placement: its slots, what was said, its segments, and what was refused."""

from __future__ import annotations

from html import escape
from typing import Any

from maitred_tools.demo.parts import meter, section, table, with_interval

_KINDS = {
    "ordinary": "the best by <i>habit</i>, weighted, at most one of a department",
    "reserved": "the best of the fresh fruit and vegetables",
    "stretch": "the best from outside of the departments where the household usually buys",
}
_STAGES = {
    "candidates": "all that may stand there",
    "live state": "in stock, not paused",
    "eligibility": "may have it",
    "applicability": "relevant now",
    "suitability": "in the customer's interest",
    "not for me": "not objected to",
    "contact policy": "not shown or bought too often",
    "once a page": "not shown above already",
    "slate": "shown",
}


def render(report: dict[str, Any]) -> str:
    """The sections as HTML; none without visits to the placement."""
    more, refusals = report["till_more"], report["refusals"]
    if not more["said"]:
        return ""
    return (
        _slots(more)
        + _said(more, report["visits"])
        + _segments(more)
        + (_refused(refusals) if refusals["decisions"] else "")
    )


def _slots(more: dict[str, Any]) -> str:
    rows = [
        (f"{kind}<small>{text}</small>", with_interval(found["hit_rate"], found["interval"]), *_sizes(found))
        for kind, text in _KINDS.items()
        if (found := more["slots"][kind])["visits"]
    ]
    return section(
        "Three more, within what people wrote",
        "The second placement, <i>till-more</i>, for all households: one slot reserved, one ordinary, one to stretch. "
        "It shows nothing that <i>till-welcome</i> shows above it, so its figures are not to be held against those. "
        "A slot counts as stretched only where the household has departments of its own; before that, and in the "
        "holdout, it is an ordinary one.",
        table(("slot", "hit rate", "visits", "households"), rows, "spoken"),
    )


def _said(more: dict[str, Any], visits: int) -> str:
    most = more["said"][0]["times"]
    rows = [
        (escape(one["text"]) or "<i>nothing</i>", meter(one["times"] / most), f"{one['times']:,}", _share(one))
        for one in more["said"]
    ]
    return section(
        "What people were told",
        f"Each offer of <i>till-more</i> says why it is there. The {len(rows)} reasons that were said most often, of "
        f"{more['texts']:,} different ones over {visits:,} visits, and how often what they were said of was bought.",
        table(("reason", "", "said", "bought"), rows, "bars"),
    )


def _share(one: dict[str, Any]) -> str:
    return f"{one['bought'] / one['times']:.1%}"


def _segments(more: dict[str, Any]) -> str:
    rows = [
        (
            escape(name),
            with_interval(found["hit_rate"], found["interval"]),
            f"{found['share_of_visits']:.1%}",
            *_sizes(found),
        )
        for name, found in more["segments"].items()
    ]
    return section(
        "Who was served",
        "Segments are rules over what households told of themselves when they joined the loyalty program, and agreed "
        "to have used. A household can be in several. Income was told too; it is declared as sensitive: kept, and "
        "beyond the reach of any rule.",
        table(("segment", "hit rate", "share of visits", "visits", "households"), rows),
    )


def _sizes(found: dict[str, Any]) -> tuple[str, str]:
    return f"{found['visits']:,}", f"{found['households']:,}"


def _refused(refusals: dict[str, Any]) -> str:
    stages, decisions = refusals["stages"], refusals["decisions"]
    most = stages[0]["left"] or 1
    left = [(_stage(one["name"]), meter(one["left"] / most), f"{one['left']:,.1f}") for one in stages]
    fell = [
        (escape(one["by"]), escape(one["stage"]), f"{one['candidates']:,.2f}") for one in refusals["fell"] if one["by"]
    ]
    return section(
        "What was refused, and why",
        f"The server made {decisions:,} decisions of <i>till-more</i>, spread over the run, again from their receipts "
        f"and told what became of each candidate. {_again(refusals)} "
        "Figures are numbers of candidates, in the mean of a decision.",
        table(("after the stage", "", "left"), left, "bars")
        + table(("rule or policy", "stage", "closed"), fell, "named"),
    )


def _again(refusals: dict[str, Any]) -> str:
    if refusals["repeated"] == refusals["decisions"]:
        return "All came out as they did before."
    said = "; ".join(f"“{escape(note)}” ({count:,})" for note, count in refusals["notes"].items())
    return f"{refusals['repeated']:,} came out as they did before. Of the others the server said: {said or 'nothing'}."


def _stage(name: str) -> str:
    return f"{escape(name)} <small>{_STAGES.get(name, '')}</small>"
