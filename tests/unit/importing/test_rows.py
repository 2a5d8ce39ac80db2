"""From lines to what they tell: what is right is taken whole, what is wrong costs itself and says why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from maitred_server.importing.parser import Parser, Reading, no_groups
from maitred_server.importing.rows import Defaults, Reject, Told
from maitred_server.importing.sources import LONGEST_LINE, Lines
from maitred_server.model import Consent, Consents, ConsentState, Event, Kind, Trait, Traits, TraitSource

NOW = 1_750_000_000_000
MAY = 1_714_557_600_000  # 2024-05-01T10:00:00Z
CANARY = "canary-4f1c"
STANDARD = Defaults()


def read(kind: str, *lines: bytes, defaults: Defaults = STANDARD) -> tuple[list[Told], list[Reject]]:
    rejects: list[Reject] = []
    parser = Parser(
        Reading(kind, None, None, defaults), lambda item: ("SHOES",) if item == "TRAIL" else no_groups(item)
    )
    told = [one for _, found in parser.told(Lines(1, b"\n".join(lines)), NOW, rejects) for one in found]
    return told, rejects


def event(**fields: Any) -> bytes:
    return json.dumps({"subject": "anna", "type": "view", "time": MAY} | fields).encode()


def profile(**fields: Any) -> bytes:
    return json.dumps({"subject": "anna"} | fields).encode()


def test_an_event_is_taken_whole() -> None:
    """Every field of a line is in the record, with the groups of its item; numbers are floats, moments milliseconds."""
    line = event(
        kind="household",
        event_id="o-1",
        item="TRAIL",
        variant="red",
        value=3,
        quantity=2,
        time="2024-05-01T12:00:00+02:00",
        attributes={"n": 7, "f": True, "t": "x", "l": ["a", "b"], "at": {"time": "2024-05-01"}, "v": {"value": 1}},
        source="orders",
        touchpoint="web",
        purpose="marketing",
    )
    attributes: dict[str, Any] = {"n": 7.0, "f": True, "t": "x", "l": ("a", "b"), "at": MAY - 36_000_000, "v": 1.0}
    body = Event("view", "TRAIL", "red", ("SHOES",), 3.0, 2, attributes)
    expected = Told(Kind.HOUSEHOLD, "anna", MAY, body, "orders", "web", "marketing", "o-1")
    assert read("events", line) == ([expected], [])


def test_what_a_row_does_not_say_holds_for_all() -> None:
    """Kind, source, touchpoint and purpose are those of the import when a row names none."""
    defaults = Defaults(Kind.DEVICE, "crm", "phone", "service")
    told, _ = read("events", event(), event(source="web"), defaults=defaults)
    assert [one[0:1] + one[4:7] for one in told] == [
        (Kind.DEVICE, "crm", "phone", "service"),
        (Kind.DEVICE, "web", "phone", "service"),
    ]


def test_a_profile_is_traits_and_consents() -> None:
    """Short forms take source, purpose and time from the row; long forms say them; null removes a trait."""
    traits = {"age": 41, "gone": None, "city": {"value": "Ghent", "source": "explicit", "observed_at": MAY - 1}}
    consents = {
        "email": "granted",
        "ads": {"state": "denied", "source": "banner", "observed_at": "2024-05-01T10:00:00Z"},
    }
    told, rejects = read("profiles", profile(time=MAY, traits=traits, consents=consents, source="crm"))
    assert rejects == []
    assert [one.body for one in told] == [
        Traits(
            (
                Trait("age", 41.0, TraitSource.INFERRED, "service", MAY),
                Trait("gone", None, TraitSource.INFERRED, "service", MAY),
                Trait("city", "Ghent", TraitSource.EXPLICIT, "service", MAY - 1),
            )
        ),
        Consents(
            (Consent("email", ConsentState.GRANTED, "crm", MAY), Consent("ads", ConsentState.DENIED, "banner", MAY))
        ),
    ]


def test_without_a_time_a_profile_was_observed_now() -> None:
    """The import's own time stands in for one that is missing."""
    told, _ = read("profiles", profile(traits={"age": 41}))
    assert (told[0].occurred_at, told[0].body) == (NOW, Traits((Trait("age", 41.0, observed_at=NOW),)))


@pytest.mark.parametrize(
    ("kind", "line", "field", "reason"),
    [
        ("events", b"nonsense", "", "no JSON"),
        ("events", b"[]", "", "Expected `object`"),
        ("events", b'{"subject": "\xff"}', "", "no text"),
        ("events", b"{" + b" " * LONGEST_LINE + b"}", "", "longer than"),
        ("events", event(subject=""), "subject", "missing"),
        ("events", event(subject="x" * 257), "subject", "longer than 256"),
        ("events", event(subject=7), "subject", "Expected `str`"),
        ("events", event(type=""), "type", "missing"),
        ("events", event(type="a\nb"), "type", "control character"),
        ("events", event(tme=1), "", "unknown field `tme`"),
        ("events", event(time=None), "time", "missing"),
        ("events", event(time="soon"), "time", "ISO 8601"),
        ("events", event(time=-5), "time", "after 1970"),
        ("events", event(time=NOW + 90_000_000), "time", "future"),
        ("events", event(time=10**18), "time", "2200"),
        ("events", event(kind="robot"), "kind", "person, household, device, session"),
        ("events", event(value=1e16), "value", "up to 1e+15"),
        ("events", event(quantity=0), "quantity", "1 to"),
        ("events", event(attributes={"a": {}}), "attributes.a", "neither value nor time"),
        ("events", event(attributes={"a": "x" * 1025}), "attributes.a", "longer than 1024"),
        ("events", event(attributes={"": "x"}), "attributes key", "missing"),
        ("events", event(attributes={str(n): n for n in range(33)}), "attributes", "more than 32"),
        ("events", event(attributes={"a": [1]}), "attributes[...][0]", "Expected `str`"),
        ("profiles", profile(), "traits", "neither traits nor consents"),
        ("profiles", profile(traits={"a": {"value": 1, "source": "guess"}}), "traits.a.source", "inferred"),
        ("profiles", profile(consents={"a": "maybe"}), "consents.a", "granted, denied, revoked"),
        ("profiles", profile(traits={str(n): n for n in range(65)}), "traits", "more than 64"),
        ("profiles", profile(consents={str(n): "granted" for n in range(33)}), "consents", "more than 32"),
        ("profiles", profile(traits={"a": {"value": 1, "observed_at": NOW * 2}}), "traits.a.observed_at", "future"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_row_costs_itself_and_says_why(kind: str, line: bytes, field: str, reason: str) -> None:
    """Each mistake is told with its field; the rows around it are taken."""
    good = event() if kind == "events" else profile(traits={"a": 1})
    told, rejects = read(kind, good, line, good)
    assert len(told) == 2
    assert [(reject.line, reject.field) for reject in rejects] == [(2, field)]
    assert reason in rejects[0].reason


@pytest.mark.parametrize(
    "field", ["subject", "kind", "type", "item", "value", "quantity", "time", "attributes", "source"]
)
@pytest.mark.parametrize("value", [CANARY * 30, CANARY + "\n", [CANARY], {"a": {CANARY: 1}}, {"a": [CANARY, 1]}])
def test_reasons_never_repeat_what_stood_there(field: str, value: Any) -> None:
    """Whatever is wrong with a value, neither field nor reason repeats it; the text does."""
    _, rejects = read("events", event(**{field: value}))
    for reject in rejects:
        assert CANARY not in reject.reason.replace("unknown field `canary-4f1c`", "")
        assert CANARY not in reject.field
        assert CANARY in reject.text


def test_empty_lines_are_no_rows_but_count_as_lines() -> None:
    """A reject names the line of the file, empty lines counted."""
    _, rejects = read("events", b"", b"  ", b"x", b"")
    assert [reject.line for reject in rejects] == [3]
