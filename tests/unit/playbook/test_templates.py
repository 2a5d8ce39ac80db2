"""Texts with places that are filled in."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some
from maitred_server.playbook.templates import LONGEST_VALUE, Filled, Vocabulary, check

ONLY_NAMES = "a place holds a name and filters, as {{ subject.first_name | title }}, nothing else"
ONLY_PLACES = "only places are filled in: {{ NAME }}; statements ({% %}) are not taken"
WRITE_LAST = "`last.purchase`: write last.TYPE.name or last.TYPE.id, e.g. last.purchase.name"
FILTERS = "unknown filter `attr`; known are `capitalize`, `lower`, `title`, `trim`, `upper`"
IN_SCRIPT = "a place stands inside of <script>, where no value is safe; put it into text"
IN_HREF = "a place stands in the attribute `href`, where no value is safe; put it into text"
UNQUOTED = "a place stands in an attribute without quotes; write the attribute's value in quotes"
WORDS = Vocabulary(["first_name", "shoe size"], ["store"], ["price"], sensitive=["illness"])


def fill(text: str, content_type: str = "text/plain", **values: dict[str, object]) -> str | None:
    return Filled(text, content_type).fill(values)


def test_places_are_filled_in() -> None:
    """Names, names that are no identifiers, numbers as people write them, lists and filters."""
    text = '{{ subject.first_name | title }} ({{ subject["shoe size"] }}) likes {{ subject.likes }}: {{ item.price }}'
    subject: dict[str, object] = {"first_name": "ann", "shoe size": 38.0, "likes": ("tea", "rye")}
    assert fill(text, subject=subject, item={"price": 2.5}) == "Ann (38) likes tea, rye: 2.5"


@pytest.mark.parametrize(
    "subject",
    [{}, {"first_name": None}, {"first_name": ""}, {"first_name": True}],
    ids=["absent", "none", "empty", "flag"],
)
@pytest.mark.parametrize("text", ["Hi {{ subject.first_name }}", "Hi {{ subject.first_name | upper }}"])
def test_a_missing_value_leaves_nothing_half_said(text: str, subject: dict[str, object]) -> None:
    """Without the value there is no text at all, with and without a filter."""
    assert fill(text, subject=subject) is None


@given(some.text())
def test_no_value_breaks_out_of_its_format(name: str) -> None:
    """Whatever a value is, JSON stays JSON of the same shape, and HTML gains neither a tag nor a quote."""
    cut = name[:LONGEST_VALUE]
    as_json = fill('{"a": ["Hi {{ subject.n }}!"], "b": 1}', "application/json", subject={"n": name})
    as_html = fill('<p title="{{ subject.n }}">{{ subject.n }}</p>', "text/html; charset=utf-8", subject={"n": name})
    if not name:
        assert (as_json, as_html) == (None, None)
        return
    assert json.loads(as_json or "") == {"a": [f"Hi {cut}!"], "b": 1}
    assert as_html is not None
    assert (as_html.count("<"), as_html.count(">"), as_html.count('"')) == (2, 2, 2)


@pytest.mark.parametrize(
    ("text", "content_type", "said"),
    [
        ("{{ subjekt.x }}", "text/plain", "unknown name `subjekt` in a place; did you mean `subject`?"),
        ("{{ subject.fist_name }}", "text/plain", "unknown trait `fist_name`; did you mean `first_name`?"),
        ("{{ item.prize }}", "text/plain", "unknown attribute `prize`; did you mean `price`?"),
        ("{{ subject.illness }}", "text/plain", "trait `illness` is sensitive: it is never used"),
        ("{{ last.purchase }}", "text/plain", WRITE_LAST),
        ("{{ 1 + 1 }}", "text/plain", ONLY_NAMES),
        ("{{ lipsum() }}", "text/plain", ONLY_NAMES),
        ("{% if a %}{% endif %}", "text/plain", ONLY_PLACES),
        ("{{ item.id | attr }}", "text/plain", FILTERS),
        ("nothing", "text/plain", "nothing is filled in here; a place is written {{ subject.first_name }}"),
        ('{"a": {{ item.id }}}', "application/json", "content that is JSON has its places inside of texts"),
        ("<script>{{ item.id }}</script>", "text/html", IN_SCRIPT),
        ("<a href='{{ item.id }}'>", "text/html", IN_HREF),
        ("<p title={{ item.id }}>", "text/html", UNQUOTED),
    ],
)
def test_what_is_wrong_is_said_at_publish(text: str, content_type: str, said: str) -> None:
    """Each mistake in a template has one message, with what would be right."""
    assert check(text, content_type, WORDS) == [said]


def test_what_is_right_is_taken() -> None:
    """All roots and filters pass the check."""
    text = "{{ subject.first_name|trim }} {{ context.store }} {{ item.id }} {{ last.view.id }} {{ because.name|lower }}"
    assert check(text, "text/plain", WORDS) == []
