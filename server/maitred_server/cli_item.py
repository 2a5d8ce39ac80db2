"""`maitred item`: the live state of items and groups."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer
from rich.table import Table

from maitred_server import admin_client
from maitred_server.cli_options import AsJson, Key, Server, err, out
from maitred_server.errors import InvalidRequest

BATCH = 10_000  # states in a call
COLUMNS = ("item", "group", "stock", "price", "paused", "kill")

app = typer.Typer(help="Live state of items: stock, price, paused, kill.", no_args_is_help=True)

Item = Annotated[str, typer.Argument(help="The item.")]
Group = Annotated[str, typer.Option(help="All items of this group instead.")]


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to set, as a line of a file says it. What is not given stays as it is."""

    item: str = ""
    group: str = ""
    stock: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    price: float | None = None
    paused: bool | None = None
    kill: bool | None = None
    reset: bool = False


class Line(NamedTuple):
    """A line of a file: its state, or what is wrong with it."""

    number: int
    state: State | None
    mistake: str = ""


@app.command("set")
def set_(
    item: Item = "",
    group: Group = "",
    stock: Annotated[int | None, typer.Option(min=0, help="How many are left.")] = None,
    price: Annotated[float | None, typer.Option(min=0, help="The price now.")] = None,
    paused: Annotated[bool | None, typer.Option("--pause/--resume", help="Do not offer it for now.")] = None,
    kill: Annotated[bool | None, typer.Option("--kill/--revive", help="Nobody is to be offered it.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Forget what was set before.")] = False,
    server: Server = "localhost:7400",
    key: Key = None,
) -> None:
    """Set what is true of an item right now. What is not given stays as it is; in force within a second."""
    state = State(item, group, stock, price, paused, kill, reset)
    answer = admin_client.set_item_states(server, key, [msgspec.to_builtins(state)])
    for _, message in answer.refused:
        raise InvalidRequest(message)
    out.print(f"set, journal sequence {answer.sequence}", highlight=False)


@app.command()
def show(
    item: Item = "", group: Group = "", server: Server = "localhost:7400", key: Key = None, as_json: AsJson = False
) -> None:
    """Show the live state of an item or a group; without a name of all that have one, at most 10,000."""
    states = admin_client.item_states(server, key, [item] if item else [], [group] if group else [])
    if as_json:
        sys.stdout.write(json.dumps(states, indent=2) + "\n")
        return
    table = Table(*COLUMNS, title="live state")
    for state in states:
        table.add_row(*(_cell(state, name) for name in COLUMNS))
    out.print(table)


def _cell(state: Mapping[str, Any], name: str) -> str:
    value = state.get(name)
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else str(value)


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="JSONL, or CSV with a header: item, group, stock, price ...")],
    server: Server = "localhost:7400",
    key: Key = None,
) -> None:
    """Set the states in a file, 10,000 a call. Wrong lines are told and left out; ends with 1 when there are any."""
    lines = list(read(file))
    right, wrong = [line for line in lines if line.state], [line for line in lines if not line.state]
    for at in range(0, len(right), BATCH):
        wrong += _send(server, key, right[at : at + BATCH])
    for line in sorted(wrong):
        err.print(f"{file}:{line.number}: {line.mistake}", markup=False, highlight=False, soft_wrap=True)
    out.print(f"{len(lines) - len(wrong):,} states set, {len(wrong):,} lines refused", highlight=False)
    if wrong:
        raise typer.Exit(1)


def _send(server: str, key: str | None, lines: Sequence[Line]) -> list[Line]:
    """Set states; the lines that the server refused."""
    answer = admin_client.set_item_states(server, key, [msgspec.to_builtins(line.state) for line in lines])
    return [Line(lines[position].number, None, message) for position, message in answer.refused]


def read(file: Path) -> Iterator[Line]:
    """The lines of a file that ends in .csv, or else of JSON. Raises InvalidRequest when it is no such file."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            yield from _of_csv(text) if file.suffix.lower() == ".csv" else _of_json(text)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest(f"cannot read {file}: {getattr(error, 'strerror', None) or error}", "file") from None


def _of_json(text: Iterable[str]) -> Iterator[Line]:
    for number, line in enumerate(text, start=1):
        if line.strip():
            yield _line(number, lambda line=line: msgspec.json.decode(line, type=State))  # type: ignore[misc]


def _of_csv(text: Iterable[str]) -> Iterator[Line]:
    reader = csv.DictReader(text)
    if unknown := sorted(set(reader.fieldnames or ()) - set(State.__struct_fields__)):
        known = ", ".join(State.__struct_fields__)
        raise InvalidRequest(f"unknown columns {', '.join(unknown)}; known are {known}", "file")
    for row in reader:
        cells = {name: cell for name, cell in row.items() if cell}
        yield _line(reader.line_num, lambda cells=cells: msgspec.convert(cells, State, strict=False))  # type: ignore[misc]


def _line(number: int, state: Callable[[], State]) -> Line:
    try:
        return Line(number, state())
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        return Line(number, None, str(error))
