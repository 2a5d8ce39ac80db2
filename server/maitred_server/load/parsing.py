"""From what people type to what a load is made of. Every mistake says what would be right (InvalidRequest)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from maitred_server.errors import InvalidRequest
from maitred_server.load.asked import (
    MOST_CALLS,
    MOST_DRAWN,
    MOST_RATE,
    MOST_SECONDS,
    MOST_STEPS,
    Context,
    ContextValue,
    Mix,
    Outcome,
    Placement,
    Step,
    Subjects,
)
from maitred_server.model import Kind

KINDS = ("", *(kind.name.lower() for kind in Kind))
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>us|ms|s|m|h)")
_RAMP = re.compile(r"(?P<low>[^:/]+):(?P<high>[^:/]+):(?P<step>[^:/]+)/(?P<length>[^:/]+)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
DEFAULT_SECONDS = 10.0
MOST_SLOTS = 50
MOST_PLACEMENTS = 16


def duration(text: str, field: str) -> float:
    """Seconds of "500us", "20ms", "30s", "5m" or "1h"."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise InvalidRequest(f"--{field} {text!r} is no time; write it as 30s, 500ms or 5m", field)
    seconds = float(found["number"]) * _SECONDS[found["unit"]]
    if not 0 < seconds <= MOST_SECONDS:
        raise InvalidRequest(f"--{field} {text} is out of bounds: above 0 and at most 24h", field)
    return seconds


def rate(text: str, field: str = "rate") -> float:
    """Calls a second."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= MOST_RATE:
        raise InvalidRequest(
            f"--{field}: {text!r} is no rate; it is above 0 and at most {MOST_RATE:,.0f} calls/s", field
        )
    return value


def steady(rate_: float, length: str | None, calls: int | None) -> Step:
    """One rate, bounded by time, by count or by both."""
    if calls is not None and not 1 <= calls <= MOST_CALLS:
        raise InvalidRequest(f"--calls {calls:,} is out of bounds: 1 to {MOST_CALLS:,}", "calls")
    if length is not None:
        return Step(rate_, duration(length, "duration"), calls or 0)
    return Step(rate_, MOST_SECONDS if calls else DEFAULT_SECONDS, calls or 0)


def ramp(text: str) -> tuple[Step, ...]:
    """The steps of "from:to:step/length", both ends among them."""
    found = _RAMP.fullmatch(text.strip())
    if found is None:
        raise InvalidRequest(
            f"--ramp {text!r} is no ramp; write it as from:to:step/length, e.g. 500:20000:500/5s", "ramp"
        )
    low, high, step = (rate(found[name], "ramp") for name in ("low", "high", "step"))
    length = duration(found["length"], "ramp")
    if high < low:
        raise InvalidRequest(f"--ramp {text}: it goes up, from the lower rate to the higher one", "ramp")
    number = math.floor((high - low) / step + 1e-9) + 1
    if number > MOST_STEPS:
        raise InvalidRequest(f"--ramp {text} has {number:,} steps; at most {MOST_STEPS}: make the steps larger", "ramp")
    if number * length > MOST_SECONDS:
        raise InvalidRequest(f"--ramp {text} takes longer than 24h", "ramp")
    return tuple(Step(low + place * step, length) for place in range(number))


def placements(texts: Sequence[str]) -> tuple[Placement, ...]:
    """The page that is asked: NAME or NAME:slots, each once."""
    found = tuple(map(_placement, texts))
    if not 1 <= len(found) <= MOST_PLACEMENTS:
        raise InvalidRequest(f"--placement is given 1 to {MOST_PLACEMENTS} times: what is asked for?", "placement")
    if len({one.name for one in found}) < len(found):
        raise InvalidRequest("--placement names each placement once", "placement")
    return found


def _placement(text: str) -> Placement:
    name, colon, slots = text.partition(":")
    if not name or (colon and not (slots.isdecimal() and 1 <= int(slots) <= MOST_SLOTS)):
        raise InvalidRequest(
            f"--placement {text!r}: write it as NAME or NAME:slots, with 1 to {MOST_SLOTS} slots", "placement"
        )
    return Placement(name, int(slots or 0))


def mix(text: str) -> Mix:
    """Shares of "decide=1,expose=0.8,outcome=0.1:clicked"; outcomes may be given several times."""
    expose, outcomes = 0.0, []
    for part in filter(None, text.split(",")):
        name, _, value = part.strip().partition("=")
        share, _, type_ = value.partition(":")
        if name == "outcome" and type_:
            outcomes.append(Outcome(type_, _share(share, part)))
        elif name == "expose" and not type_:
            expose = _share(share, part)
        elif not (name == "decide" and not type_ and _share(share, part) == 1):
            raise _wrong_mix(part)
    if any(one.share > expose for one in outcomes):
        raise InvalidRequest("--mix: an outcome comes of what was shown: its share is at most that of expose", "mix")
    return Mix(expose, tuple(outcomes))


def _share(text: str, part: str) -> float:
    try:
        share = float(text)
    except ValueError:
        raise _wrong_mix(part) from None
    if not 0 <= share <= 1:
        raise _wrong_mix(part)
    return share


def _wrong_mix(part: str) -> InvalidRequest:
    return InvalidRequest(
        f"--mix: {part!r} is not understood; write it as decide=1,expose=0.8,outcome=0.1:clicked, with shares of the "
        "answered decisions from 0 to 1 (decide is always 1)",
        "mix",
    )


def subjects(text: str, prefix: str, kind: str) -> Subjects:
    """Who is decided for: FILE, zipf:EXPONENT:COUNT or uniform:COUNT."""
    law, *numbers = text.split(":")
    if law not in ("zipf", "uniform"):
        if not Path(text).is_file():
            raise _wrong_subjects(f"{text!r} is no file")
        return Subjects(file=text, kind=kind)
    try:
        exponent = float(numbers[0]) if law == "zipf" else 0.0
        count = int(numbers[-1])
    except (ValueError, IndexError):
        raise _wrong_subjects(f"{text!r} is not understood") from None
    if len(numbers) != (2 if law == "zipf" else 1) or not 0 <= exponent <= 10 or not 1 <= count <= MOST_DRAWN:
        raise _wrong_subjects(f"{text!r} is out of bounds")
    return Subjects(count=count, exponent=exponent, prefix=prefix, kind=kind)


def _wrong_subjects(what: str) -> InvalidRequest:
    return InvalidRequest(
        f"--subjects {what}; it is a file (one id a line, or .jsonl), uniform:100000, or zipf:1.1:1000000 (exponent "
        f"from 0 to 10, at most {MOST_DRAWN:,} subjects)",
        "subjects",
    )


def context(texts: Iterable[str]) -> Context:
    """The moment: KEY=VALUE as often as needed, and at most one FILE.jsonl."""
    fixed: dict[str, ContextValue] = {}
    files = []
    for text in texts:
        name, equals, value = text.partition("=")
        if equals and name:
            fixed[name] = context_value(_json_or_text(value), name)
        elif Path(text).is_file():
            files.append(text)
        else:
            raise InvalidRequest(f"--context {text!r} is neither KEY=VALUE nor a .jsonl file", "context")
    if len(files) > 1:
        raise InvalidRequest("--context takes one file at most", "context")
    return Context(fixed, "".join(files))


def _json_or_text(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def context_value(value: object, name: str) -> ContextValue:
    """A value that a context may have."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    raise InvalidRequest(f"context {name!r}: a value is a text, a number, true, false or a list of texts", "context")


def kind(text: str) -> str:
    """The name of a subject's kind; empty: the server's default."""
    if text not in KINDS:
        raise InvalidRequest(f"--kind {text!r}: a kind is one of {', '.join(KINDS[1:])}", "kind")
    return text
