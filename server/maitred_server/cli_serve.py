"""`maitred serve` told in plain pairs, `--name value`, begins without the library of commands: importing that takes a
fifth of a start. Whatever is told otherwise (`--help`, a slip of the pen) goes the way of all commands.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from maitred_server.errors import MaitredError, PlaybookError
from maitred_server.settings import load

PAIRS: Final = frozenset(
    {"data", "config", "listen", "metrics", "front", "workers", "brand", "default_kind", "ready_file"}
)
FLAGS: Final = frozenset({"replay_clock"})
NAMES: Final = PAIRS | FLAGS
OTHER: Final = "set"  # any other setting, as name=value


def plainly(words: Sequence[str]) -> dict[str, str] | None:
    """What is told, by name; None: not in plain pairs."""
    settings: dict[str, str] = {}
    options: dict[str, str] = {}
    rest = iter(words)
    for option in rest:
        name = option.removeprefix("--").replace("-", "_")
        value = "true" if name in FLAGS else next(rest, "-")
        if name == OTHER:
            name, equals, value = value.partition("=")
            settings[name.replace("-", "_")] = value if equals else "-"
        elif name in NAMES:
            options[name] = value
        else:
            return None
        if not option.startswith("--") or "-" in (value[:1], settings.get(name)):
            return None
    return settings | options


def serve(given: Mapping[str, Any]) -> None:
    """Run the server until it is told to stop. Raises MaitredError."""
    others = {name: value for name, value in given.items() if name != "config"}
    settings = load(others, Path(given["config"]) if given.get("config") else None)
    from maitred_server import runtime  # numpy, LMDB and gRPC load only where they are used

    runtime.serve(settings)


def run(command: Callable[[], None]) -> None:
    """Run a command; a mistake is one clear line and status 1, never a traceback."""
    try:
        command()
    except MaitredError as error:
        from maitred_server.cli_options import err  # rich loads only where something is said

        mistakes = error.mistakes if isinstance(error, PlaybookError) else [f"maitred: {error.message}"]
        for mistake in mistakes:
            err.print(str(mistake), markup=False, highlight=False)
        sys.exit(1)
