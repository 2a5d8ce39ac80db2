"""`maitred subject show`: what is kept about a subject, now or as it was."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.table import Table

from maitred_server import admin_client
from maitred_server.cli_options import AsJson, Key, Server, out
from maitred_server.errors import InvalidRequest, NothingKept
from maitred_server.settings import KINDS

COUNTERS = 30  # that are printed as a table; JSON has all
_UNSAID = "INTENSITY_UNSPECIFIED"


class AsOf(NamedTuple):
    """A place in the past; both 0: now."""

    sequence: int = 0
    at_ms: int = 0


def show(
    id_: Annotated[str, typer.Argument(help="The subject's id.")],
    kind: Annotated[str, typer.Option(help="person, household, device or session.")] = "",
    as_of: Annotated[
        str, typer.Option("--as-of", help="A journal sequence, or a time as 2026-05-01T12:00Z: as it was then.")
    ] = "",
    recent: Annotated[int, typer.Option(min=0, max=256, help="How many of the latest events.")] = 10,
    data: Annotated[Path | None, typer.Option(help="Read this data directory; else the server is asked.")] = None,
    brand: Annotated[str, typer.Option(help="Brand to look in, with --data.")] = "default",
    server: Server = "localhost:7400",
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show what is kept about a subject, now or as it was."""
    then = _as_of(as_of)
    profile: Message
    if data is None:
        profile = admin_client.profile(server, key, id_, kind, recent, then.sequence, then.at_ms)
    else:
        profile = _read(data, brand, id_, kind, recent, then)
    told = MessageToDict(profile, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    if as_json:
        sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    else:
        for table in _tables(told):
            out.print(table)


def _as_of(text: str) -> AsOf:
    if text.isdigit():
        return AsOf(sequence=int(text))
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidRequest(f"{text!r} is neither a sequence nor a time as 2026-05-01T12:00Z", "as-of") from None
    if at is None:
        return AsOf()
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return AsOf(at_ms=round(at.timestamp() * 1_000))


def _read(data: Path, brand: str, id_: str, kind: str, recent: int, then: AsOf) -> Message:
    """From the data directory itself, also while a server runs on it."""
    from maitred_server.decide.worlds import Worlds
    from maitred_server.rpc.profiles import profile_to_wire
    from maitred_server.store import Store
    from maitred_server.store.secrets import KeyDirectory
    from maitred_server.subjects.history import as_of, as_of_time
    from maitred_server.subjects.identity import Pseudonyms

    if kind not in ("", *KINDS):
        raise InvalidRequest(f"a kind is one of {', '.join(KINDS)}", "kind")
    with Store.open(data, read_only=True) as store:
        pseudonyms = Pseudonyms(KeyDirectory(data / "keys").pseudonym_key())
        subject = pseudonyms.subject_key(brand, KINDS[kind or "person"], id_)
        if then.at_ms:
            profile = as_of_time(store, subject, then.at_ms)
        else:
            profile = as_of(store, subject, then.sequence) if then.sequence else store.profile(subject)
        if profile is None:
            raise NothingKept("nothing is kept of this subject", "subject")
        worlds = Worlds(data)
        worlds.poll()
        return profile_to_wire(profile, worlds.world(brand), store.type_name, recent)


def _tables(told: dict[str, Any]) -> Iterable[Table]:
    yield _table("subject", (), _facts(told))
    yield _table("consents", ("purpose", "state", "source", "said"), map(_consent, told["consents"]))
    yield _table("not for them", ("item or group", "since"), map(_objection, told["objections"]))
    yield _table("traits", ("trait", "value", "source", "purpose", "observed"), map(_trait, told["traits"]))
    counters, all_ = told["counters"][:COUNTERS], len(told["counters"])
    left = f" ({len(counters)} of {all_})" if len(counters) < all_ else ""
    yield _table(f"counters{left}", ("type", "about", "count", "value", "first", "last"), map(_counter, counters))
    yield _table("recent events", ("when", "type", "item"), map(_event, told["recent"]))


def _table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(*columns, title=title, title_justify="left", show_header=bool(columns))
    for row in rows:
        table.add_row(*row)
    return table


def _facts(told: dict[str, Any]) -> Iterable[tuple[str, str]]:
    yield "kind", _word(told["kind"], "SUBJECT_KIND_")
    yield "first seen", _when(told["first_seen_ms"])
    yield "last seen", _when(told["last_seen_ms"])
    yield "last record", f"{int(told['journal_sequence']):,}"
    yield "merged", "yes" if told["merged"] else "no"
    yield "intensity", "not said" if told["intensity"] == _UNSAID else _word(told["intensity"], "INTENSITY_")


def _consent(told: dict[str, Any]) -> tuple[str, ...]:
    return told["purpose"], _word(told["state"], "CONSENT_STATE_"), told["source"], _when(told["observed_at_ms"])


def _objection(told: dict[str, Any]) -> tuple[str, ...]:
    return told["item"] or f"group {told['group']}", _when(told["since_ms"])


def _trait(told: dict[str, Any]) -> tuple[str, ...]:
    source = _word(told["source"], "TRAIT_SOURCE_")
    return told["name"], _value(told.get("value", {})), source, told["purpose"], _when(told["observed_at_ms"])


def _counter(told: dict[str, Any]) -> tuple[str, ...]:
    named = (f"{kind} {told[kind]}" for kind in ("group", "placement", "channel") if told[kind])
    about = " ".join(filter(None, (told["item"], told["variant"], *named))) or "all"
    times = _when(told["first_ms"]), _when(told["last_ms"])
    return told["type"], about, f"{int(told['count']):,}", f"{told['value']:,.2f}", *times


def _event(told: dict[str, Any]) -> tuple[str, ...]:
    return _when(told["occurred_at_ms"]), told["type"], " ".join(filter(None, (told["item"], told["variant"])))


def _value(told: dict[str, Any]) -> str:
    """A wire value has one member."""
    if "texts" in told:
        return ", ".join(told["texts"]["texts"])
    if "time_ms" in told:
        return _when(told["time_ms"])
    return str(next(iter(told.values()), ""))


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()


def _when(at_ms: str | int) -> str:
    moment = datetime.fromtimestamp(int(at_ms) / 1_000, UTC)
    return moment.isoformat(sep=" ", timespec="seconds") if int(at_ms) else ""
