"""The figures of an evaluation as one page: a picture of the estimates with their intervals, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from maitred_server.errors import InvalidRequest
from maitred_server.evaluate.intervals import Interval
from maitred_server.evaluate.report import Evaluation, Figure

WIDTH, LEFT, RIGHT, ROW = 920, 150, 130, 40

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
:root {{ color-scheme: light dark; --paper: #fbfaf8; --ink: #1d1c1a; --soft: #5f5c57; --hair: #d5d1ca;
  --mark: #2a6fd0; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper: #161614; --ink: #f0eee9; --soft: #aaa69e; --hair: #45433f; --mark: #5b9bf0; }}
}}
body {{ margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }}
main {{ max-width: 960px; margin: 0 auto; padding: 40px 24px; }}
h1 {{ font-size: 1.5rem; margin: 0 0 8px; }} .verdict {{ font-size: 1.1rem; }} .soft {{ color: var(--soft); }}
svg {{ width: 100%; height: auto; font-family: inherit; }}
text {{ fill: var(--soft); font-size: 13px; font-variant-numeric: tabular-nums; }} text.name {{ fill: var(--ink); }}
.asymptotic {{ stroke: var(--mark); stroke-width: 5; opacity: .3; stroke-linecap: round; }}
.bootstrap {{ stroke: var(--mark); stroke-width: 1.5; }} .dot {{ fill: var(--mark); }}
.logged {{ stroke: var(--ink); stroke-dasharray: 3 4; }} .grid {{ stroke: var(--hair); opacity: .6; }}
</style></head><body><main>
<h1>{title}</h1>
<p class="verdict">{verdict}</p>
{chart}
<p class="soft">Reward a decision, with {confidence:.0%} intervals: wide bars asymptotic, thin lines bootstrap.
The dashed line is what the log itself earned. {decisions:,} decisions; an effective sample of {effective:,.0f};
the largest weight is {largest:.4g}.</p>
{warnings}
</main></body></html>
"""


def write(path: Path, found: Evaluation) -> None:
    """Write the page. Raises InvalidRequest when the file cannot be written."""
    try:
        path.write_text(render(found), encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"cannot write {path}: {error.strerror}", "html") from None


def render(found: Evaluation) -> str:
    """The page as HTML, all of it in one file."""
    warnings = "".join(f"<li>{escape(text)}</li>" for text in found.warnings)
    return _PAGE.format(
        title=escape(f"What {found.policy} would have earned"),
        verdict=escape(found.verdict.sentence),
        chart=_chart(found),
        confidence=found.confidence,
        decisions=found.decisions,
        effective=found.effective_sample,
        largest=found.largest_weight,
        warnings=f'<ul class="soft">{warnings}</ul>' if warnings else "",
    )


class _Axis:
    """From rewards to pixels, over all that is drawn."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        ends = [end for one in figures for interval in (one.normal, one.bootstrap) for end in (*interval, one.value)]
        self.low, self.high = min(ends), max(ends)

    def __call__(self, value: float) -> float:
        return LEFT + (value - self.low) / ((self.high - self.low) or 1.0) * (WIDTH - RIGHT - LEFT)


def _chart(found: Evaluation) -> str:
    figures = [*found.estimates, found.logged]
    x, height = _Axis(figures), len(figures) * ROW + 34
    at = x(found.logged.value)
    body = [
        *_grid(x, height),
        f'<line class="logged" x1="{at:.1f}" x2="{at:.1f}" y1="6" y2="{height - 28}"/>',
        *(part for number, one in enumerate(figures) for part in _row(one, x, number * ROW + 26)),
    ]
    said = escape(f"Estimates of {found.policy} with intervals. {found.verdict.sentence}")
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{said}">{"".join(body)}</svg>'


def _grid(x: _Axis, height: int) -> Iterable[str]:
    for quarter in range(5):
        value = x.low + (x.high - x.low) * quarter / 4
        at = x(value)
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="6" y2="{height - 28}"/>'
        yield f'<text x="{at:.1f}" y="{height - 8}" text-anchor="middle">{value:.3g}</text>'


def _row(one: Figure, x: _Axis, y: float) -> Iterable[str]:
    yield f'<text class="name" x="{LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(one.name)}</text>'
    yield _bar("asymptotic", one.normal, x, y)
    yield _bar("bootstrap", one.bootstrap, x, y)
    said = f"{one.name}: {one.value:.4g}, {one.normal.low:.4g} to {one.normal.high:.4g}"
    yield f'<circle class="dot" cx="{x(one.value):.1f}" cy="{y}" r="5"><title>{escape(said)}</title></circle>'
    yield f'<text class="name" x="{WIDTH - RIGHT + 14}" y="{y + 4}">{one.value:.4g}</text>'


def _bar(kind: str, interval: Interval, x: _Axis, y: float) -> str:
    return f'<line class="{kind}" x1="{x(interval.low):.1f}" x2="{x(interval.high):.1f}" y1="{y}" y2="{y}"/>'
