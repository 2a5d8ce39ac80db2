"""An export: all that is kept, as its schema says, and as a page that lets nothing through."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from maitred_server.errors import NothingKept
from maitred_server.model import (
    Body,
    Consent,
    Consents,
    ConsentState,
    Entry,
    Event,
    Exposure,
    Intensity,
    Kind,
    Merge,
    Objection,
    Outcome,
    Reason,
    Record,
    Shown,
    Trait,
    Traits,
    TraitSource,
)
from maitred_server.store import MemoryStore, Profile
from maitred_server.store.keys import brand_prefix
from maitred_server.subjects.consent import as_consents
from maitred_server.subjects.export import About, Naming, as_json, export
from maitred_server.subjects.export_page import MOST_ROWS, page

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "export.schema.json").read_text())
NOON = 1_700_000_000_000
ANNA, BERT = (brand_prefix("shop.live") + bytes([number]) * 16 for number in (1, 2))
EVIL = '<script>alert("x")</script>\'&'
SLOT = Shown(0, "MILK", "big", ("DAIRY",), 0.5, None, 1.0, Reason.HABIT, features=b"\x00\x08\x00\xf0")
SHOWN = Exposure(
    "d1", "home", 2, (SLOT,), "habit", Reason.HABIT, (("layer", "arm"),), "1", "", NOON, 7, 0, {"device": "kiosk"}
)
LIFE: list[Body] = [
    Event("purchase", "MILK", "", ("DAIRY",), 2.5, 3, {"coupon": True, "list": ("a", "b"), "note": "x", "n": 1.5}),
    Event("visit"),
    Traits((Trait("vegan", True, TraitSource.EXPLICIT, "food", NOON), Trait("likes", ("tea", "jazz")))),
    Traits((Trait("likes", None, observed_at=NOON),)),
    Consents((Consent("ads", ConsentState.DENIED, "web", NOON),)),
    Consents(as_consents(Intensity.EXPLICIT, NOON, "web")),
    Objection("SOAP", reason="too dear", decision_id="d0"),
    Objection(group="WINE"),
    Objection("TEA"),
    Objection("TEA", withdrawn=True),
    SHOWN,
    Outcome("purchase", 3.5, "MILK", "big", ("DAIRY",), "d1", "home"),
    Merge(BERT),
]


def told(*bodies: Body, subject: bytes = ANNA) -> dict[str, Any]:
    store = MemoryStore()
    records = [Record(subject, Kind.PERSON, NOON + n, NOON, body, "crm", "till-4") for n, body in enumerate(bodies)]
    store.submit([Entry(Record(BERT, Kind.DEVICE, NOON, NOON, Event("visit"))), *map(Entry, records)])

    def naming(profile: Profile) -> Naming:
        return Naming(
            lambda code: store.type_name(code) or f"#{code}", lambda key: About(item=f"#{key}" if key else "")
        )

    return export(store, subject, [("layer", "arm")], naming, NOON + 99)


def test_it_is_as_its_schema_says() -> None:
    """A subject with every kind of record is valid, and still after it went through JSON."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    validator.validate(json.loads(as_json(told(*LIFE))))


def test_the_schema_is_strict() -> None:
    """A field more or less is no valid export: the schema is checked against what is really given."""
    exported = told(*LIFE)
    for spoilt in ({**exported, "more": 1}, {name: value for name, value in exported.items() if name != "traits"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(spoilt, SCHEMA)


def test_everything_is_told() -> None:
    """Every record with all it holds; counters under the names that the history knows; pseudonyms of every alias."""
    exported = told(*LIFE)
    assert [one["kind"] for one in exported["history"]] == [
        *("event", "event", "event", "traits", "traits", "consents", "consents"),
        *("objection", "objection", "objection", "objection", "exposure", "outcome", "merge"),
    ]
    assert exported["subject"]["aliases"] == ["02" * 16]
    assert [(one["name"], one["value"]) for one in exported["traits"]] == [("vegan", True)]
    assert [(one["purpose"], one["state"]) for one in exported["consents"]] == [("ads", "denied")]
    assert exported["intensity"] == "explicit"
    (exposure,) = (one for one in exported["history"] if one["kind"] == "exposure")
    assert exposure["details"]["shown"][0]["features"] == [0.5, -1.0]
    assert sorted((one["item"], one["group"]) for one in exported["objections"]) == [("", "WINE"), ("SOAP", "")]
    counters = {(one["type"], one["item"], one["variant"], one["group"]): one["count"] for one in exported["counters"]}
    assert counters["purchase", "MILK", "", ""] == counters["purchase", "", "", "DAIRY"] == 1
    assert counters["visit", "", "", ""] == 2
    assert counters["not_for_me", "SOAP", "", ""] == counters["not_for_me", "", "", "WINE"] == 1
    assert counters["not_for_me", "", "", ""] == 3
    assert not [name for name in counters if name[1].startswith("#")]
    details = {one["kind"]: one["details"] for one in exported["history"]}
    assert details["exposure"]["dimensions"] == {"device": "kiosk"}
    assert details["exposure"]["shown"][0]["reason"] == "habit"
    assert details["outcome"]["value"] == 3.5


def test_history_is_in_words() -> None:
    """Each record is a sentence or two that its subject can read."""
    words = [one["words"] for one in told(*LIFE)["history"]][1:]
    assert words == [
        "purchase of “MILK”, 3 of them, 2.5. Noted with it: coupon: yes; list: “a” and “b”; n: 1.5; note: “x”.",
        "visit.",
        "“vegan” is yes (you told us; for food). “likes” is “tea” and “jazz” (we concluded; for service).",
        "“likes” was removed.",
        "Use for “ads” was denied.",
        "You chose how much may be used: only what you told us yourself is used.",
        "You said that “SOAP” is not for you (why: too dear).",
        "You said that anything of “WINE” is not for you.",
        "You said that “TEA” is not for you.",
        "You took back that “TEA” is not for you.",
        "At “home” you were shown “MILK” (big) (showing 2). Why: habit.",
        "After that: purchase of “MILK” (big), 3.5.",
        "Another id turned out to be yours; what was kept under it is kept here since.",
    ]


def test_nothing_kept_is_said() -> None:
    """Of whom nothing is kept there is no export."""
    with pytest.raises(NothingKept):
        export(MemoryStore(), ANNA, (), lambda profile: Naming(str, lambda key: About()), NOON)


class Tags(HTMLParser):
    """The tags of a page, and what they would load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def evil_life() -> list[Body]:
    shown = Shown(0, EVIL, EVIL, (EVIL,), 0.5, None, 1.0, Reason.HABIT)
    return [
        Event(EVIL, EVIL, EVIL, (EVIL,), attributes={EVIL: EVIL, "more": (EVIL,)}),
        Traits((Trait(EVIL, EVIL, purpose=EVIL), Trait("more", (EVIL,)))),
        Consents((Consent(EVIL, ConsentState.GRANTED, EVIL),)),
        Exposure("d", EVIL, 1, (shown,), EVIL, Reason.HABIT, ((EVIL, EVIL),), "1", "", NOON, 7, 0),
        Outcome(EVIL, 1.0, EVIL, EVIL, (EVIL,), "d"),
        Objection(EVIL, reason=EVIL, decision_id=EVIL),
        Objection(group=EVIL),
    ]


def test_the_page_lets_no_markup_through() -> None:
    """Markup in any field stays text: the page has the same tags and attributes as that of a harmless subject."""
    evil, harmless = (Tags(page(told(*life)).decode()) for life in (evil_life(), LIFE))
    assert evil.names == harmless.names
    assert evil.attributes == harmless.attributes == {"http-equiv", "content", "charset", "name", "class", "lang"}
    assert not {"script", "link", "img", "iframe", "object", "a"} & harmless.names
    text = page(told(*evil_life())).decode()
    assert EVIL not in text
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&#x27;&amp;" in text


def test_the_page_loads_nothing() -> None:
    """Style is in the page, nothing points elsewhere, and the page itself forbids to load or run anything."""
    text = page(told(*LIFE)).decode()
    assert re.findall(r"(?:https?:|url\(|@import|src=|href=)", text) == []
    assert "default-src 'none'" in text


def test_a_long_history_is_cut_on_the_page_alone() -> None:
    """The page has the newest entries and says so; the JSON has all."""
    exported = told(*[Event("visit") for _ in range(MOST_ROWS + 5)])
    text = page(exported).decode()
    assert f"The latest {MOST_ROWS:,} of {MOST_ROWS + 5:,} entries" in text
    assert len(exported["history"]) == MOST_ROWS + 5
