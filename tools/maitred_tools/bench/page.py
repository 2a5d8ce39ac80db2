"""`report.html`: the whole report on one page that needs nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, Final

from maitred_tools.bench import report
from maitred_tools.bench.section import Section, Table
from maitred_tools.bench.targets import Target
from maitred_tools.demo.parts import scrolled, section, table

PALETTE: Final = (
    *("#2a6fd0", "#d9622b", "#17966c", "#b5891d", "#8a4fc4", "#c23b72"),
    *("#3aa0b8", "#6b8e23", "#a0522d", "#5f6b7a", "#d48806", "#7a8fd0", "#2f4858", "#c9a0dc"),
)
STYLE: Final = """
svg .whisker { stroke: var(--ink); stroke-width: 1.3; fill: none; }
figure { margin: 18px 0 0; } figcaption { font-size: 0.92rem; color: var(--soft); }
h3 { font-size: 0.98rem; font-weight: 600; margin: 22px 0 0; }
.targets td { white-space: normal; } .targets td:first-child { width: 46%; }
.targets td:nth-child(2), .targets th:nth-child(2), .targets td:last-child { text-align: left; }
.targets td:nth-child(-n + 3) + td, .targets td:nth-child(2) { white-space: nowrap; }
.numbers td { white-space: normal; } .numbers th { white-space: normal; vertical-align: bottom; }
"""
WORDS: Final = {True: '<span class="good">met</span>', False: '<span class="bad">missed</span>', None: ""}


def render(whole: Mapping[str, Any], sections: Sequence[Section], reached: Sequence[Target]) -> str:
    """The page as HTML text, of a report."""
    found = whole["sections"]
    parts = [_targets(reached), _problems(whole["problems"])]
    parts += [_section(one, found[one.name]) for one in sections if one.name in found]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Maitred measured</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_style()}</style></head>'
        f"<body><main>{_heading(reached)}{''.join(parts)}</main></body></html>\n"
    )


def _style() -> str:
    house = files("maitred_tools.demo").joinpath("page.css").read_text(encoding="utf-8")
    colours = "".join(
        f"svg .c{number} {{ fill: {colour}; }} svg .s{number} {{ stroke: {colour}; }}\n"
        for number, colour in enumerate(PALETTE)
    )
    return house + colours + STYLE


def _heading(reached: Sequence[Target]) -> str:
    met, measured = (sum(one.met is wanted for one in reached) for wanted in (True, False))
    return (
        "<h1>What Maitred costs</h1>"
        f'<p class="lead">{met} of {met + measured} targets that were measured are met. Every figure is beside its '
        "reference, of the same run. Times are CPU of the server, unless they say otherwise; a figure is the median "
        "over rounds in turn, with the least and the most of them.</p>"
    )


def _targets(reached: Iterable[Target]) -> str:
    rows = [
        (escape(one.name), one.target, f"<b>{one.reached}</b>", WORDS[one.met], escape(one.note)) for one in reached
    ]
    return section("Targets", "", table(("", "target", "value", "", ""), rows, "targets"))


def _problems(problems: Mapping[str, str]) -> str:
    if not problems:
        return ""
    items = "".join(f"<li>{escape(name)}: {escape(problem)}</li>" for name, problem in problems.items())
    return f'<section class="problem"><h2>Not measured</h2><ul>{items}</ul></section>'


def _section(of: Section, stamped: Mapping[str, Any]) -> str:
    figures = stamped["figures"]
    charts = "".join(map(scrolled, of.charts(figures)))
    tables = "".join(f"<h3>{escape(one.title)}</h3>{_table(one)}" for one in of.tables(figures))
    said = escape(report.stamped(stamped["stamp"]).replace("`", ""))
    return section(of.title, escape(of.text.replace("`", "")), f'{charts}{tables}<p class="note">{said}</p>')


def _table(one: Table) -> str:
    return table(one.header, (map(escape, row) for row in one.rows))
