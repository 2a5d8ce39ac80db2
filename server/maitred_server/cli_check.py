"""`maitred check`: everything that is wrong with a playbook, and what is probably not meant, without a server."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from maitred_server.admin_client import read_playbook as read_folder
from maitred_server.cli_options import AsJson, err, out
from maitred_server.errors import Mistake, PlaybookError

if TYPE_CHECKING:
    from maitred_server.model import Item
    from maitred_server.playbook.lint import Scene
    from maitred_server.playbook.nouns import Playbook
    from maitred_server.store import Store


class Findings(NamedTuple):
    """What is wrong, and what is probably not meant."""

    mistakes: Sequence[Mistake]
    warnings: Sequence[Mistake] = ()


def check(
    playbook: Annotated[Path, typer.Argument(help="Folder of the playbook.")],
    data: Annotated[
        Path | None, typer.Option(help="A data directory: for items that were imported, and warnings that need data.")
    ] = None,
    brand: Annotated[str, typer.Option(help="Brand to look in, with --data.")] = "default",
    strict: Annotated[bool, typer.Option("--strict", help="End with 1 on warnings too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find every mistake in a playbook, each with its place and what would be right; then what is probably not meant.

    Works on files alone, without a server. Ends with 1 when there are mistakes.
    """
    files = read_folder(playbook)
    if data is None:
        found = _check(files, None, None, brand)
    else:
        from maitred_server.store import Store

        with Store.open(data, read_only=True) as store:
            found = _check(files, list(store.items(brand)), store, brand)
    _as_json(found) if as_json else _in_words(found, len(files), data is None)
    if found.mistakes or (strict and found.warnings):
        raise typer.Exit(1)


def _check(files: dict[str, bytes], imported: list[Item] | None, store: Store | None, brand: str) -> Findings:
    from maitred_server.playbook.lint import Scene, lint
    from maitred_server.playbook.loader import read_playbook
    from maitred_server.policy import POLICIES

    own_items = any(name.startswith("items.") for name in files)
    known = imported if imported is not None or not own_items else []
    read = read_playbook(files, known, frozenset(POLICIES))
    if read.mistakes:
        return Findings(read.mistakes)
    items = {item.id: item for item in known or ()} | {item.id: item for item in read.playbook.items}
    try:
        told = _built_warnings(read.playbook, known) if known is not None else read.playbook.warnings
    except PlaybookError as error:
        return Findings(error.mistakes)
    scene = Scene(read.playbook, items, read.places)
    observed = _observed(scene, store, brand) if store is not None else ()
    return Findings((), [*(Mistake("playbook", 0, text) for text in told), *lint(scene), *observed])


def _built_warnings(playbook: Playbook, imported: Sequence[Item]) -> tuple[str, ...]:
    """What a publish would warn of. Raises PlaybookError."""
    from maitred_server.playbook.build import build

    with TemporaryDirectory() as scratch:
        return build(playbook, imported, Path(scratch)).warnings


def _observed(scene: Scene, store: Store, brand: str) -> Iterator[Mistake]:
    from maitred_server.playbook.lint.crowded import crowded
    from maitred_server.playbook.lint.observed import nobody_in, observe, without_content

    if not scene.control.segments and not any(one.traits for one in scene.control.learning):
        return
    with _progress() as progress:
        task = progress.add_task("reading the journal", total=store.last_sequence())
        seen = observe(store.read_journal, brand, lambda sequence: progress.update(task, completed=sequence))
    yield from nobody_in(scene, seen, store.profile, time.time_ns() // 1_000_000)
    yield from without_content(scene, seen)
    yield from crowded(scene, seen, store.profile)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def _in_words(found: Findings, files: int, alone: bool) -> None:
    for mistake in found.mistakes:
        out.print(_line(mistake, ""), soft_wrap=True)
    for warning in found.warnings:
        out.print(_line(warning, "warning: "), soft_wrap=True)
    counts = [_counted(len(found.mistakes), "mistake")]
    if not found.mistakes:
        counts.append(_counted(len(found.warnings), "warning"))
    out.print(f"{', '.join(counts)} in {_counted(files, 'file')}", highlight=False, soft_wrap=True)
    if alone and any(mistake.message.startswith(("unknown item", "unknown group")) for mistake in found.mistakes):
        out.print("Items that were imported are known with --data DIRECTORY only.", highlight=False, soft_wrap=True)


def _line(mistake: Mistake, label: str) -> Text:
    colour = "yellow" if label else "red"
    return Text.assemble((f"{mistake.place}:", f"bold {colour}"), f" {label}{mistake.message}")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _as_json(found: Findings) -> None:
    told = {name: [one._asdict() for one in mistakes] for name, mistakes in found._asdict().items()}
    sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
