"""An export as one page for people: plain language, no script, nothing loaded from anywhere.

Every text in it may come from outside, markup included; nothing gets into the page but through `_text`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from maitred_server.model import Intensity
from maitred_server.subjects.words import INTENSITIES, listed, shown

MOST_ROWS = 2_000  # of history, newest; the JSON has all

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2129; --soft: #626b7a; --line: #e3e6ec; --paper: #fff; --ground: #f4f5f8;
  --accent: #2d5bd0; --yes: #1c7c4a; --no: #b3372f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaf0; --soft: #9aa3b2; --line: #2e3440; --paper: #1a1d24;
  --ground: #111318; --accent: #8eaefc; --yes: #6fd19c; --no: #f1938b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 0 0 .2rem; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: 1.25rem 1.4rem 1.4rem;
  margin-top: 1.25rem; }
p { margin: .2rem 0 .8rem; }
.soft, .lead { color: var(--soft); } .lead { font-size: 1.05rem; max-width: 44rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1.4rem 0 0; }
.tile { background: var(--paper); border: 1px solid var(--line); border-radius: 12px; padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .88rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .95rem; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .82rem; padding: .35rem .9rem .35rem 0; }
td { border-top: 1px solid var(--line); padding: .45rem .9rem .45rem 0; vertical-align: top;
  overflow-wrap: break-word; }
td.time { white-space: nowrap; color: var(--soft); font-variant-numeric: tabular-nums; }
td.number { font-variant-numeric: tabular-nums; }
.granted { color: var(--yes); font-weight: 600; } .denied, .revoked { color: var(--no); font-weight: 600; }
code { font: .85em ui-monospace, SFMono-Regular, Menlo, monospace; overflow-wrap: anywhere; }
@media print { body { background: #fff; } section, .tile { break-inside: avoid-page; } }
"""
_HEAD = (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    '<meta name="referrer" content="no-referrer">\n'
    f"<title>What is kept about you</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
)
_SOURCES = {"explicit": "you told us", "inferred": "concluded from what happened", "contextual": "true at the time"}
_COUNTED = {"exposure": "shown to you", "not_for_me": "you said: not for me"}


def page(exported: Mapping[str, Any]) -> bytes:
    """The page of an export (see `subjects.export`), UTF-8."""
    parts = (_HEAD, *_opening(exported), *_sections(exported), "</main>\n</body>\n</html>\n")
    return "".join(parts).encode()


def _opening(exported: Mapping[str, Any]) -> Iterable[str]:
    who = exported["subject"]
    yield "<h1>What is kept about you</h1>\n"
    yield (
        f'<p class="lead">This is all that the decision server of “{_text(exported["brand"])}” keeps about you, as of '
        f"{_time(exported['exported_at'])}. Your id is kept only as a pseudonym, which cannot be turned back into it."
        "</p>\n"
    )
    tiles = (
        (f"{len(exported['history']):,}", "entries in your history"),
        (f"{len(exported['traits']):,}", "things noted about you"),
        (f"{len(exported['consents']):,}", "permissions you gave or refused"),
        (_day(who["first_seen"]), "first seen"),
        (_day(who["last_seen"]), "last seen"),
    )
    boxes = "".join(f'<div class="tile"><b>{_text(value)}</b><span>{_text(name)}</span></div>' for value, name in tiles)
    yield f'<div class="tiles">{boxes}</div>\n'


def _sections(exported: Mapping[str, Any]) -> Iterable[str]:
    yield _section(
        "What you allowed",
        "For what your data may be used. The latest word for each purpose counts.",
        _table(("Purpose", "Your word", "Said where", "When"), map(_consent, exported["consents"])),
    )
    yield _section("How much may be used", "You can change this at any time.", _intensity(exported["intensity"]))
    yield _section(
        "What is not for you",
        "What you asked not to be shown.",
        _table(("What", "Since"), map(_objection, exported["objections"])),
    )
    yield _section(
        "What is noted about you",
        "Properties, where each came from, and what it may be used for.",
        _table(("What", "Value", "How it is known", "For", "Since"), map(_trait, exported["traits"])),
    )
    yield _section(
        "Which groups you are in",
        "Visitors are divided into groups by chance, to see what works better.",
        _table(("Division", "Group"), ([_cell(one["layer"]), _cell(one["arm"])] for one in exported["arms"])),
    )
    yield _section(
        "How often",
        "Your history in numbers, the most frequent first. Decisions use these.",
        _table(("What happened", "With what", "Times", "Sum", "First", "Last"), map(_counter, exported["counters"])),
    )
    yield _section("What happened", _about_history(exported["history"]), _history(exported["history"]))
    yield _section("Under which pseudonyms", "What your data is filed under.", _pseudonyms(exported["subject"]))


def _section(title: str, about: str, content: str) -> str:
    return f'<section>\n<h2>{_text(title)}</h2>\n<p class="soft">{_text(about)}</p>\n{content}</section>\n'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join(f"<tr>{''.join(row)}</tr>\n" for row in rows)
    if not body:
        return "<p>Nothing.</p>\n"
    head = "".join(f"<th>{_text(name)}</th>" for name in heads)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n'


def _consent(one: Mapping[str, Any]) -> list[str]:
    state = f'<td class="{_text(one["state"])}">{_text(one["state"])}</td>'
    return [_cell(one["purpose"]), state, _cell(one["source"] or "—"), _when(one["observed_at"])]


def _intensity(level: str | None) -> str:
    return f"<p>{_text(INTENSITIES[Intensity[level.upper()]] if level else 'You said nothing about it')}.</p>\n"


def _objection(one: Mapping[str, Any]) -> list[str]:
    about = f"“{one['item']}”" if one["item"] else f"anything of “{one['group']}”"
    return [_cell(about), _when(one["since"])]


def _trait(one: Mapping[str, Any]) -> list[str]:
    value = shown(tuple(one["value"]) if isinstance(one["value"], list) else one["value"])
    known = _SOURCES[one["source"]]
    return [_cell(one["name"]), _cell(value), _cell(known), _cell(one["purpose"]), _when(one["observed_at"])]


def _counter(one: Mapping[str, Any]) -> list[str]:
    times = f'<td class="number">{one["count"]:,}</td>'
    total = format(one["value"], ",.2f") if one["value"] else "—"
    worth = f'<td class="number">{total}</td>'
    return [_cell(_happened(one["type"])), _cell(_with(one)), times, worth, _when(one["first"]), _when(one["last"])]


def _happened(counter_type: str) -> str:
    return _COUNTED.get(counter_type) or counter_type.replace("outcome.", "after a decision: ", 1)


def _with(one: Mapping[str, Any]) -> str:
    if one["group"]:
        return f"anything of “{one['group']}”"
    if one["placement"] == "*":
        return "all that was shown"
    if place := one["placement"] or one["channel"]:
        return f"what was shown at “{place}”"
    variant = f" ({one['variant']})" if one["variant"] else ""
    return f"“{one['item']}”{variant}" if one["item"] else "anything"


def _about_history(history: Sequence[Mapping[str, Any]]) -> str:
    if len(history) > MOST_ROWS:
        return f"The latest {MOST_ROWS:,} of {len(history):,} entries, newest first; the JSON file has all."
    return "Every entry, newest first."


def _history(history: Sequence[Mapping[str, Any]]) -> str:
    return _table(("When", "What", "Where", "Told by", "For"), map(_entry, reversed(history[-MOST_ROWS:])))


def _entry(one: Mapping[str, Any]) -> list[str]:
    where, by = one["touchpoint"] or "—", one["source"] or "—"
    return [_when(one["occurred_at"]), _cell(one["words"]), _cell(where), _cell(by), _cell(one["purpose"])]


def _pseudonyms(who: Mapping[str, Any]) -> str:
    told = listed([f"<code>{_text(key)}</code>" for key in (who["pseudonym"], *who["aliases"])])
    kind = f"You are kept as a {_text(who['kind'])}."
    joined = " Several ids turned out to be yours and were joined." if who["merged"] else ""
    return f"<p>{kind}{joined} {told}</p>\n"


def _cell(value: str) -> str:
    return f"<td>{_text(value)}</td>"


def _when(at: str | None) -> str:
    return f'<td class="time">{_time(at)}</td>'


def _time(at: str | None) -> str:
    return _text(at[:16].replace("T", " ") + " UTC") if at else "—"


def _day(at: str | None) -> str:
    return at[:10] if at else "—"


def _text(value: object) -> str:
    return escape(str(value), quote=True)
