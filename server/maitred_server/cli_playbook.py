"""`maitred publish`, `diff`, `preview`, `history`, `rollback`: the life of a playbook on a running server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.markup import escape
from rich.table import Table

from maitred_server import admin_client
from maitred_server.cli_options import AsJson, Key, Server, err, out
from maitred_server.errors import InvalidRequest

SIGNS: Final = {"added": "[green]+[/]", "removed": "[red]-[/]", "changed": "[yellow]~[/]"}

Folder = Annotated[Path, typer.Argument(help="Folder of the playbook.")]
Author = Annotated[str, typer.Option(help="Who does it, for the history.", envvar="USER")]
Note = Annotated[str, typer.Option(help="What changes and why, for the history.")]


def publish(
    playbook: Folder,
    server: Server = "localhost:7400",
    key: Key = None,
    author: Author = "",
    note: Note = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check.")] = False,
) -> None:
    """Check a playbook and put it in force."""
    answer = admin_client.publish(server, key, playbook, author, note=note, dry_run=dry_run)
    _warn(answer.warnings)
    done = "checked" if dry_run else f"published version {answer.versions.catalogue}"
    counts = f"{answer.placements:,} placements, {answer.items:,} items, {answer.actions:,} actions"
    out.print(f"{done}: {counts}", highlight=False)


def rollback(
    version: Annotated[str, typer.Argument(help="The version to bring back; see `maitred history`.")],
    server: Server = "localhost:7400",
    key: Key = None,
    author: Author = "",
    note: Note = "",
) -> None:
    """Put the playbook of an earlier version in force again, as a new version, with the items there are now."""
    answer = admin_client.rollback(server, key, version, author, note)
    _warn(answer.warnings)
    out.print(f"published version {answer.versions.catalogue}: the playbook of version {version}", highlight=False)


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        err.print(f"[yellow]warning[/] {escape(warning)}", highlight=False)


def history(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many of the newest.")] = 20,
    server: Server = "localhost:7400",
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show the versions that were published, newest first: which, when, by whom, why."""
    answer = admin_client.versions(server, key, limit)
    if as_json:
        _print_json(answer)
        return
    if not answer.versions:
        out.print("nothing was published yet")
        return
    table = Table("version", "published (UTC)", "by", "items", "", "note", title="history", title_justify="left")
    table.columns[0].justify = table.columns[3].justify = "right"
    table.columns[1].no_wrap = table.columns[4].no_wrap = True
    for one in answer.versions:
        items = f"{one.items:,}" if one.published_at_ms else "?"
        table.add_row(one.version, _when(one), escape(one.author) or "unknown", items, _marks(one), escape(one.note))
    out.print(table)


def _when(version: admin_client.PublishedVersion) -> str:
    if not version.published_at_ms:
        return "unknown"
    return datetime.fromtimestamp(version.published_at_ms / 1_000, UTC).isoformat(sep=" ", timespec="seconds")[:19]


def _marks(version: admin_client.PublishedVersion) -> str:
    marks = ["[green]in force[/]"] if version.in_force else []
    marks += [f"rollback to {version.rollback_of}"] if version.rollback_of else []
    marks += [] if version.kept else ["not kept"]
    return ", ".join(marks)


def diff(
    playbook: Folder,
    against: Annotated[str, typer.Option(help="Compare with this version; else with the one in force.")] = "",
    server: Server = "localhost:7400",
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Say in words what a playbook would change."""
    answer = admin_client.diff(server, key, playbook, against)
    if as_json:
        _print_json(answer)
        return
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    for one in answer.changes:
        table.add_row(SIGNS.get(one.change, "?"), _told(one))
    out.print(table, highlight=False)
    base = f"version {answer.against}" if answer.against else "nothing, for no playbook was published yet"
    out.print(f"{_counted(answer.changes)}; compared with {base}", highlight=False)


def _told(change: admin_client.PlaybookChange) -> str:
    name = f" `{change.name}`" if change.name else ""
    text = f": {change.text}" if change.text else ""
    return f"[bold]{escape(change.what + name)}[/]{escape(text)}"


def _counted(changes: Sequence[admin_client.PlaybookChange]) -> str:
    """How many nouns: a line without a name may stand for many."""
    counts = {word: sum(_number(one) for one in changes if one.change == word) for word in SIGNS}
    return ", ".join(f"{number:,} {word}" for word, number in counts.items() if number) or "nothing would change"


def _number(change: admin_client.PlaybookChange) -> int:
    """`and 1,234 more` is so many."""
    words = change.text.split()
    is_sum = not change.name and words[:1] == ["and"] and words[-1:] == ["more"]
    return int(words[1].replace(",", "")) if is_sum else 1


def preview(
    playbook: Folder,
    subjects: Annotated[Path, typer.Option(help='An id a line, or JSON: {"id": ..., "kind": ..., "context": {...}}')],
    top: Annotated[int, typer.Option(min=1, help="How many changes are shown; JSON has all.")] = 30,
    server: Server = "localhost:7400",
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Say who would see what with a playbook, before it is published: for some subjects, by placement and segment."""
    lines = list(read_subjects(subjects))
    waiting = err.status(f"deciding for {len(lines):,} subjects, twice") if err.is_terminal else nullcontext()
    with waiting:
        answer = admin_client.preview(server, key, playbook, lines)
    if as_json:
        _print_json(answer)
    else:
        _show_preview(answer, top)


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A subject at a moment, as a line of a file says it."""

    id: str
    kind: str = ""
    context: dict[str, bool | float | str | list[str]] = {}


def read_subjects(file: Path) -> Iterator[Line]:
    """The subjects in a file. Raises InvalidRequest with the line."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8"
        raise InvalidRequest(f"cannot read {file}: {reason}", "subjects") from None
    if not any(line.strip() for line in lines):
        raise InvalidRequest(f"{file} names no subject: an id a line, or JSON", "subjects")
    for number, text in enumerate(lines, start=1):
        if text.strip():
            yield _line(text.strip(), f"{file}:{number}")


def _line(text: str, at: str) -> Line:
    if not text.startswith("{"):
        return Line(text)
    try:
        return msgspec.json.decode(text, type=Line)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"{at}: {error}", "subjects") from None


def _show_preview(answer: admin_client.PreviewPlaybookResponse, top: int) -> None:
    out.print(f"{answer.subjects:,} subjects; would see another slate:", highlight=False)
    for placement, number in sorted(answer.changed.items()):
        out.print(f"  {escape(placement)}: {number:,} ({number / answer.subjects:.0%})", highlight=False)
    if not answer.changes:
        out.print("no item would be seen by more or fewer of them", highlight=False)
        return
    table = Table("placement", "segment", "item", "now", "then", "change", "of", title_justify="left")
    for column in table.columns[3:]:
        column.justify = "right"
    for one in answer.changes[:top]:
        cells = (escape(one.placement), escape(one.segment) or "[dim]all[/]", escape(one.item) or "[dim]no item[/]")
        table.add_row(*cells, f"{one.before:.1%}", f"{one.after:.1%}", _points(one), f"{one.subjects:,}")
    out.print(table, highlight=False)
    if len(answer.changes) > top:
        out.print(f"and {len(answer.changes) - top:,} smaller changes; --top and --json show them", highlight=False)


def _points(one: admin_client.ShareChange) -> str:
    """In percentage points."""
    return f"[{'green' if one.after > one.before else 'red'}]{(one.after - one.before) * 100:+.1f}[/]"


def _print_json(message: Message) -> None:
    values: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    for version in values.get("versions", ()):  # protobuf writes 64-bit integers as text
        version["published_at_ms"] = int(version["published_at_ms"])
    sys.stdout.write(json.dumps(values, indent=2, ensure_ascii=False) + "\n")
