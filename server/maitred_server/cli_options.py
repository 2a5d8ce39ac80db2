"""Options and outputs that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

out = Console()
err = Console(stderr=True)

Server = Annotated[str, typer.Option(help="HOST:PORT of the server.", envvar="MAITRED_SERVER")]
Key = Annotated[str | None, typer.Option(help="Access key, when the server wants one.", envvar="MAITRED_KEY")]
Data = Annotated[Path, typer.Option(help="The data directory.", envvar="MAITRED_DATA")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
