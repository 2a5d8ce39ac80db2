"""The second placement in the terminal: its slots, its segments, what was said, and what was refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.markup import escape
from rich.table import Table


def tables(report: dict[str, Any]) -> Iterator[Table]:
    """None without visits to the placement."""
    more, refusals = report["till_more"], report["refusals"]
    if not more["said"]:
        return
    yield _rates("till-more, by kind of slot", "slot", {k: one for k, one in more["slots"].items() if one["visits"]})
    yield _rates("till-more, by segment (rules over what households told)", "segment", more["segments"])
    yield _said(more)
    if refusals["decisions"]:
        yield _fell(refusals)


def _rates(title: str, what: str, rates: dict[str, Any]) -> Table:
    table = _table(title, what, "hit rate", "interval", "visits", "households")
    for name, found in rates.items():
        low, high = found["interval"]
        sizes = f"{found['visits']:,}", f"{found['households']:,}"
        table.add_row(escape(name), f"{found['hit_rate']:.4f}", f"{low:.4f} to {high:.4f}", *sizes)
    return table


def _said(more: dict[str, Any]) -> Table:
    table = _table(f"what was said most, of {more['texts']:,} texts", "reason", "said", "bought")
    for one in more["said"]:
        table.add_row(escape(one["text"]), f"{one['times']:,}", f"{one['bought'] / one['times']:.1%}")
    return table


def _fell(refusals: dict[str, Any]) -> Table:
    left = ", ".join(f"{one['name']} {one['left']:,.1f}" for one in refusals["stages"])
    table = _table("what closed candidates, mean of a decision", "rule or policy", "stage", "candidates")
    for one in refusals["fell"]:
        if one["by"]:
            table.add_row(escape(one["by"]), escape(one["stage"]), f"{one['candidates']:,.2f}")
    table.caption = (
        f"left after each stage: {left}; {refusals['repeated']:,} of {refusals['decisions']:,} repeated exactly"
    )
    table.caption_justify = "left"
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="left" if name == "stage" else "right")
    return table
