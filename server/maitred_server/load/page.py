"""A load on one page that needs nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from maitred_server.load import plots
from maitred_server.load.measured import Measured, Row
from maitred_server.load.summary import milliseconds

NAMES = ("p50", "p90", "p99", "p99.9", "max")
PERCENTS = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0)


def render(figures: dict[str, Any], measured: Measured) -> str:
    """The page as HTML text."""
    style = files("maitred_server.load").joinpath("page.css").read_text(encoding="utf-8")
    sections = (_heading(figures), _notes(figures), _tiles(figures), *_sections(figures, measured))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>maitred load</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>'
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _sections(figures: dict[str, Any], measured: Measured) -> Iterator[str]:
    if figures["knee"]:
        yield _knee(figures, measured)
    yield _section(
        "Latency over time",
        "Each second's percentiles, counted from the moment at which a call was meant to be sent.",
        plots.latency_over_time(measured),
    )
    yield _section("Rate over time", "", plots.rates_over_time(measured) + _seconds(measured))
    yield _percentiles(measured)
    yield _statuses(figures["result"])
    if figures["setup"]["asked"]["mix"]["expose"]:
        yield _feedback(figures["result"]["feedback"])
    yield _setup(figures)


def _heading(figures: dict[str, Any]) -> str:
    setup, result = figures["setup"], figures["result"]
    names = ", ".join(one["name"] for one in setup["asked"]["placements"])
    steps = setup["plan"]["steps"]
    ramp = f"A ramp from {steps[0]['rate']:,.0f} to {steps[-1]['rate']:,.0f} calls/s"
    what = ramp if figures["knee"] else f"{result['rate']:,.0f} calls/s"
    lead = f"{names} at {setup['server']}, {setup['began_at'].replace('T', ' ').replace('+00:00', ' UTC')}"
    return f'<h1>{escape(what)}</h1><p class="lead">{escape(lead)}</p>'


def _notes(figures: dict[str, Any]) -> str:
    broken = "".join(f'<li class="bad">{escape(one["words"])}</li>' for one in figures["budgets"] if one["broken"])
    held = "".join(
        f'<li class="good">budget {escape(one["fail_if"])} holds</li>'
        for one in figures["budgets"]
        if not one["broken"]
    )
    said = "".join(f"<li>{escape(note)}</li>" for note in figures["notes"])
    return f'<section class="notes"><ul>{broken}{held}{said}</ul></section>' if broken or held or said else ""


def _tiles(figures: dict[str, Any]) -> str:
    result = figures["result"]
    latency, at = result["latency_us"], " at the knee" if figures["knee"] and figures["knee"]["rate"] else ""
    tiles = (
        (f"{result['answered_per_s']:,.0f}/s", f"answered{at}, of {result['rate']:,.0f}/s wanted"),
        (f"{milliseconds(latency['p50'])} ms", "median latency"),
        (f"{milliseconds(latency['p99'])} ms", "99% within this"),
        (f"{milliseconds(latency['p99.9'])} ms", "99.9% within this"),
        (f"{sum(result['failed'].values()):,}", f"failed, of {result['wanted']:,} calls"),
    )
    boxes = "".join(f'<div class="tile"><b>{big}</b><span>{small}</span></div>' for big, small in tiles)
    return f'<div class="tiles">{boxes}</div>'


def _knee(figures: dict[str, Any], measured: Measured) -> str:
    knee = figures["knee"]
    rows = []
    for number, step in enumerate(figures["steps"]):
        word = (
            "<b>knee</b>"
            if number == knee["step"]
            else "keeps up"
            if step["keeps_up"]
            else '<span class="bad">over</span>'
        )
        late = milliseconds(step["generator_late_us"]["p99"]) + (" (late)" if step["generator_late"] else "")
        rows.append(
            (
                f"{step['rate']:,.0f}",
                f"{step['answered_per_s']:,.0f}",
                *(milliseconds(step["latency_us"][name]) for name in NAMES),
                f"{sum(step['failed'].values()):,}",
                late,
                word,
            )
        )
    head = ("wanted/s", "answered/s", *(f"{name} ms" for name in NAMES), "failed", "generator late p99 ms", "")
    text = (
        "The knee is the highest step of which at least 98% were answered in time, with a p99 of at most "
        f"{milliseconds(knee['limit_p99_us'])} ms. The tiles above are of that step."
    )
    return _section("The knee", text, plots.latency_by_rate(measured, knee["limit_p99_us"]) + _table(head, rows))


def _percentiles(measured: Measured) -> str:
    compared = plots.compared(measured)
    head = ("percentile", *(f"{name}, ms" for _, name, _ in compared))
    rows = [
        (f"{percent:g}%", *(milliseconds(step.count.latency.percentile(percent)) for _, _, step in compared))
        for percent in PERCENTS
    ]
    text = "How long the slowest one in ten, in a hundred, in a thousand took."
    return _section("Latency by percentile", text, plots.latency_by_percentile(measured) + _table(head, rows))


def _seconds(measured: Measured) -> str:
    head = (
        "second",
        "wanted/s",
        "sent",
        "answered",
        "failed",
        *(f"{name} ms" for name in NAMES),
        "generator late p99 ms",
    )
    groups = plots.grouped(measured.rows)
    size = max((len(group) for group in groups), default=1)
    said = "Every second" if size == 1 else f"The slowest second in each {size}"
    rows = [_second(max(group, key=lambda row: row.latency_us.get("p99", 0.0))) for group in groups]
    return f"<details><summary>{said} as a table</summary>{_table(head, rows)}</details>"


def _second(row: Row) -> tuple[str, ...]:
    latency = tuple(milliseconds(row.latency_us[name]) if row.latency_us else "" for name in NAMES)
    counts = (f"{row.rate:,.0f}", f"{row.sent:,}", f"{row.came:,}", f"{row.failed:,}")
    return (f"{row.at_s:.1f}", *counts, *latency, milliseconds(row.late_p99_us))


def _statuses(result: dict[str, Any]) -> str:
    counts = {"OK": result["answered"], **result["failed"]}
    rows = [(escape(name), f"{count:,}", f"{count / max(1, result['wanted']):.3%}") for name, count in counts.items()]
    return _section("Statuses", "How the calls ended.", _table(("status", "calls", "share"), rows))


def _feedback(feedback: dict[str, Any]) -> str:
    rows = [
        ("events acknowledged", f"{feedback['accepted']:,}"),
        ("events received before", f"{feedback['duplicates']:,}"),
        *((f"refused with {escape(name)}", f"{count:,}") for name, count in feedback["refused"].items()),
        *((f"failed with {escape(name)}", f"{count:,}") for name, count in feedback["failed"].items()),
        ("never sent", f"{feedback['dropped']:,}"),
        ("Record calls", f"{feedback['calls']:,}"),
        *((f"acknowledged {name}, ms", milliseconds(feedback["acknowledged_us"][name])) for name in NAMES),
    ]
    text = "Exposures and outcomes in batches; latency from the sending of a batch to its acknowledgement."
    return _section("Feedback", text, _table(("", ""), rows))


def _setup(figures: dict[str, Any]) -> str:
    told = {**figures["setup"], "machine": figures["machine"], "versions": figures["versions"]}
    terms = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in _flat(told))
    return _section("What was asked, and from where", "", f"<dl>{terms}</dl>")


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name} ")
        elif value not in ("", None):
            yield prefix + name.replace("_", " "), _shown(name, value)


def _shown(name: str, value: Any) -> str:
    if name == "steps":
        return _steps(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(":".join(str(one) for one in item.values() if one) for item in value) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _steps(steps: Sequence[dict[str, Any]]) -> str:
    first, last = steps[0], steps[-1]
    if len(steps) > 1:
        return f"{len(steps)} from {first['rate']:,.0f} to {last['rate']:,.0f} calls/s, {first['seconds']:g} s each"
    length = f"until {first['calls']:,} calls" if first["calls"] else f"for {first['seconds']:g} s"
    return f"{first['rate']:,.0f} calls/s {length}"


def _section(title: str, text: str, body: str) -> str:
    note = f'<p class="note">{escape(text)}</p>' if text else ""
    return f"<section><h2>{escape(title)}</h2>{note}{body}</section>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells are HTML, headings are text."""
    headings = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{headings}</tr></thead><tbody>{body}</tbody></table></div>'
