"""`maitred explain`: how a decision comes about, now or in the past."""

from __future__ import annotations

import base64
import binascii
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict

from maitred_server import admin_client, cli_funnel
from maitred_server.cli_options import AsJson, Key, Server, err, out
from maitred_server.errors import InvalidRequest

ALL = 1_000  # candidates; as many as a server tells


def explain(
    placement: Annotated[list[str] | None, typer.Option(help="A placement; again for a page of several.")] = None,
    subject: Annotated[str, typer.Option(help="The id of the subject to decide for, as things are now.")] = "",
    kind: Annotated[str, typer.Option(help="person, household, device or session; else the server's default.")] = "",
    alias: Annotated[list[str] | None, typer.Option(help="Another id of the subject, as KIND:ID.")] = None,
    context: Annotated[list[str] | None, typer.Option(help="Of the request, as KEY=VALUE; texts, or JSON.")] = None,
    receipt: Annotated[str, typer.Option(help="File of a past decision's receipt, raw or base64; - is stdin.")] = "",
    decision: Annotated[str, typer.Option(help="Which of the receipt's decisions, by its id; else all.")] = "",
    item: Annotated[list[str] | None, typer.Option(help="Only what became of this item; again for more.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=ALL, help="Candidates of a placement that are told.")] = 20,
    server: Server = "localhost:7400",
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Say how a decision comes about: each candidate, where it fell and why, and what the chosen were weighed by.

    Of a request as it would be decided now, or of a decision that was made, from its receipt. Changes nothing.
    """
    told = admin_client.Told(item or (), ALL if item else limit)
    if bool(receipt) == bool(subject):
        raise InvalidRequest("give --subject and --placement to explain a decision of now, or --receipt for a past one")
    if receipt:
        answer = _past(server, key, receipt, placement or [], decision, told)
    else:
        if not placement:
            raise InvalidRequest("--placement is missing: where would be decided?", "placement")
        visit = admin_client.Visit(subject, kind, _aliases(alias or []), dict(map(_pair, context or [])))
        answer = admin_client.explain(server, key, visit, placement, told)
    if as_json:
        _print_json(answer)
    else:
        cli_funnel.show(out, answer, item or [])


def _past(
    server: str, key: str | None, receipt: str, placements: Sequence[str], decision: str, told: admin_client.Told
) -> admin_client.Explained:
    if len(placements) > 1:
        raise InvalidRequest("with --receipt give one --placement, or none for all of its answer", "placement")
    with err.status("deciding again"):
        return admin_client.explain_past(server, key, _receipt(receipt), "".join(placements), decision, told)


def _receipt(place: str) -> bytes:
    """The bytes of a receipt, however they were written down. Raises InvalidRequest."""
    try:
        content = sys.stdin.buffer.read() if place == "-" else Path(place).read_bytes()
    except OSError as error:
        raise InvalidRequest(f"cannot read {place}: {error.strerror}", "receipt") from None
    try:
        return base64.b64decode(content.strip(), altchars=b"-_" if {*b"-_"} & {*content} else None, validate=True)
    except binascii.Error:
        return content


def _aliases(given: Sequence[str]) -> list[tuple[str, str]]:
    pairs = [text.partition(":") for text in given]
    if wrong := [text for text, (kind, _, id_) in zip(given, pairs, strict=True) if not kind or not id_]:
        raise InvalidRequest(f"{wrong[0]!r} is no alias; write it as household:ID", "alias")
    return [(kind, id_) for kind, _, id_ in pairs]


def _pair(text: str) -> tuple[str, bool | float | str | list[str]]:
    """`device=phone`, `temperature=21.5`, `member=true`, `tags=["a", "b"]`, `store="4011"`."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise InvalidRequest(f"{text!r} is no context; write it as device=phone", "context")
    try:
        read: Any = json.loads(value)
    except ValueError:
        return name, value
    is_list = isinstance(read, list) and all(isinstance(one, str) for one in read)
    return name, read if is_list or isinstance(read, bool | int | float | str) else value


def _print_json(answer: admin_client.Explained) -> None:
    values = MessageToDict(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    values["decided_at_ms"] = answer.decided_at_ms  # protobuf writes 64-bit integers as text
    sys.stdout.write(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
