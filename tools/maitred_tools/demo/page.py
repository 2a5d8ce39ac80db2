"""`report.html`: the run on one page that needs nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from importlib.resources import files
from typing import Any

from maitred_tools.demo import charts, page_more, windows
from maitred_tools.demo.learned import sentences
from maitred_tools.demo.parts import scrolled, section, table, with_interval
from maitred_tools.demo.results import Results
from maitred_tools.demo.tally import HOLDOUT, POLICIES, Columns

_EVENTS = {
    "sent": "sent by the SDK for the till",
    "acknowledged": "confirmed to the SDK as being on disk",
    "journalled": "found by a scan of the journal",
    "counted": "found by a scan of the profiles' counters",
}


def render(results: Results) -> str:
    """The page as HTML text."""
    report, columns = results.report(), results.tally.columns()
    sections = (
        _problems(report["problems"]),
        _tiles(report),
        _over_time(columns),
        _policies(report),
        page_more.render(report),
        _latency(results, report),
        _reasons(report["reasons"]),
        _events(results),
        _measured(report),
    )
    style = files("maitred_tools.demo").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Maitred at the till</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>'
        f"<body><main>{_heading(report, columns)}{''.join(sections)}</main></body></html>\n"
    )


def _heading(report: dict[str, Any], columns: Columns) -> str:
    first, last = windows.day(int(columns.at_ms.min())), windows.day(int(columns.at_ms.max()))
    return (
        f"<h1>{report['visits']:,} visits to the till</h1>"
        f'<p class="lead">Real shopping visits from {first} to {last}, replayed in time order against a live '
        "Maitred server through its SDK. At each visit the till asked for three categories of goods, and in the same "
        "call for three more within what people wrote: rules, caps, segments, reserved and stretch slots. A hit is an "
        "offered category that was then found in the basket. The server knew only what had been bought before.</p>"
    )


def _problems(problems: Sequence[str]) -> str:
    if not problems:
        return ""
    items = "".join(f"<li>{escape(problem)}</li>" for problem in problems)
    return f'<section class="problem" style="margin:0 0 20px"><h2>This run failed</h2><ul>{items}</ul></section>'


def _tiles(report: dict[str, Any]) -> str:
    precision, client = report["precision_at_3"], report["client_ms"]
    events = report["events"]
    equal = len(set(events.values())) == 1
    tiles = (
        (
            _percent(precision["habit"]["second_half"]),
            "of the offers by <i>habit</i> were bought, second half of the visits",
        ),
        (
            _percent(precision["learned"]["second_half"]),
            "of the offers by what is <i>learned</i>, on other households",
        ),
        (
            f"{client['p50']:.2f} ms",
            f"median page of two decisions as the till saw it; 99% within {client['p99']:.2f} ms",
        ),
        (
            f"{events['sent']:,}",
            "events sent, each " + ("counted exactly once" if equal else "should be counted once: not so"),
        ),
    )
    return f'<div class="tiles">{"".join(_tile(big, text) for big, text in tiles)}</div>'


def _tile(big: str, text: str) -> str:
    return f'<div class="tile"><b>{big}</b><span>{text}</span></div>'


def _over_time(columns: Columns) -> str:
    series = windows.lines(columns)
    if not series:
        return ""
    chart = charts.lines(
        "Hit rate over time by policy",
        "; ".join(f"{line.name} ends at {line.points[-1].value:.1%}" for line in series),
        series,
        windows.ticks(columns),
    )
    said = "".join(f"<li>{escape(point.label)}</li>" for line in series for point in line.points)
    days = (columns.at_ms.max() - columns.at_ms.min()) / 86_400_000 / (len(windows.edges(columns.at_ms)) - 1)
    return section(
        "Hit rate over time, by policy",
        f"Share of the offered categories that were bought, in windows of {_days(days)}. Bands are 95% intervals; "
        "visits of one household are not independent, so the household is the unit (ratio estimator, clustered).",
        f'<div class="scroll">{chart}</div><details><summary>The figures in words</summary><ul>{said}</ul></details>',
    )


def _days(days: float) -> str:
    return f"about {days:.0f} days" if days >= 1.5 else f"about {max(1, round(days * 24))} hours"


def _policies(report: dict[str, Any]) -> str:
    rows = [_policy_row(policy, report["precision_at_3"][policy]) for policy in POLICIES]
    if report["holdout"]["visits"]["all"]:
        rows.append(_policy_row(HOLDOUT, report["holdout"]))
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences(report))
    return section(
        "Policies",
        "Households are split between the policies by the server itself, and stay where they are. Households in the "
        "holdout are served the baseline, <i>popular</i>, and count for no policy. This is <i>till-welcome</i>, asked "
        "first: what people wrote for <i>till-more</i> does not touch it. The reference is what the policy "
        "would have scored at the very same visits of the second half, worked out without a server: exactly, but for "
        "what the server's learner had not read yet, and for the luck of <i>uniform</i>. <i>learned</i> has none: it "
        "is the policy <i>greedy</i> over a model that the server learns, while it serves, of all that is shown here.",
        table(("policy", "precision@3, second half", "reference", "precision@3, all", "visits", "households"), rows)
        + said,
    )


def _policy_row(name: str, found: dict[str, Any]) -> tuple[str, ...]:
    return (
        f'<span class="key {name}"></span>{name}',
        with_interval(found["second_half"], found["interval"]["second_half"]),
        _known(found["reference"]["second_half"]),
        with_interval(found["all"], found["interval"]["all"]),
        f"{found['visits']['all']:,}",
        f"{found['households']['all']:,}",
    )


def _known(share: float | None) -> str:
    return "" if share is None else f"{share:.4f}"


def _latency(results: Results, report: dict[str, Any]) -> str:
    client, server = report["client_ms"], report["server_us"]
    counts = results.latency.counts()
    if not counts:
        return ""
    chart = charts.histogram(
        "Decision latency at the client",
        ", ".join(f"{name} {value:.2f} ms" for name, value in client.items()),
        counts,
        {"p50": client["p50"], "p99": client["p99"]},
    )
    rows = (
        ("client, ms", *(f"{client[name]:.2f}" for name in ("p50", "p90", "p99", "p999"))),
        ("server, µs", _micro(server["p50"]), "", _micro(server["p99"]), ""),
    )
    return section(
        "How long a page took",
        "A page is two decisions in one call. At the client: the whole call through the SDK, from one thread, on the "
        "machine that the server ran on too. "
        "At the server: inside both, interpolated in the buckets of its own histogram.",
        scrolled(chart) + table(("", "p50", "p90", "p99", "p99.9"), rows),
    )


def _micro(value: float | None) -> str:
    return "not known" if value is None else f"{value:,.0f}"


def _reasons(reasons: dict[str, int]) -> str:
    chart = charts.bars(
        "Decisions by reason", ", ".join(f"{name} {count:,}" for name, count in reasons.items()), list(reasons.items())
    )
    return section(
        "Why the till got what it got", "The reason that each decision of till-welcome came with.", scrolled(chart)
    )


def _events(results: Results) -> str:
    rows = [(name, f"<b>{count:,}</b>", _EVENTS[name]) for name, count in asdict(results.events).items()]
    verdict = (
        '<span class="good">All four are equal:</span> nothing was lost and nothing counted twice.'
        if results.events.equal()
        else '<span class="bad">They differ.</span>'
    )
    kills = results.unacknowledged
    killed = f" The server was killed {len(kills)} time(s), with {sum(kills):,} events on their way." if kills else ""
    return section(
        "Every event, counted at four places", verdict + killed, table(("", "events", "what it counts"), rows, "said")
    )


def _measured(report: dict[str, Any]) -> str:
    speed, fallbacks = report["visits_per_second"], report["fallbacks"]
    facts = {
        **report["measured"],
        "speed": f"{speed:,} visits a second, each two decisions and feedback; {report['seconds']:,} seconds in all",
        "fell back": f"{fallbacks['unexpected']:,} visits; {fallbacks['outage']:,} answers in outages made on purpose",
    }
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(text))}</dd>" for name, text in facts.items())
    return section("How this was measured", "", f"<dl>{rows}</dl>")


def _percent(share: float) -> str:
    return f"{share:.1%}"
