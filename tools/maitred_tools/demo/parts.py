"""What pages are made of: sections, tables, figures with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def section(title: str, text: str, body: str) -> str:
    """A card with a heading. `text` and `body` are HTML."""
    note = f'<p class="note">{text}</p>' if text else ""
    return f"<section><h2>{escape(title)}</h2>{note}{body}</section>"


def scrolled(chart: str) -> str:
    """What may be wider than a narrow screen."""
    return f'<div class="scroll">{chart}</div>'


def table(head: Iterable[str], rows: Iterable[Iterable[str]], kind: str = "numbers") -> str:
    """Cells are HTML, headings are text."""
    headings = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return scrolled(f'<table class="{kind}"><thead><tr>{headings}</tr></thead><tbody>{body}</tbody></table>')


def with_interval(value: float, interval: Sequence[float]) -> str:
    """A share with its 95% interval."""
    return f"<b>{value:.4f}</b><small>{interval[0]:.4f} to {interval[1]:.4f}</small>"


def meter(share: float) -> str:
    """A bar as long as a share of the most that there is."""
    return f'<span class="meter"><i style="width:{100 * min(1.0, share):.1f}%"></i></span>'
