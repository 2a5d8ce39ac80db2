"""The command `maitred`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from maitred_server import cli_serve

# Commands, and groups of commands, each with the module that is imported when it is asked for.
ELSEWHERE: Final = {
    "import": "cli_import:import_",
    "check": "cli_check:check",
    "publish": "cli_playbook:publish",
    "diff": "cli_playbook:diff",
    "preview": "cli_playbook:preview",
    "history": "cli_playbook:history",
    "rollback": "cli_playbook:rollback",
    "caps": "cli_caps:caps",
    "explain": "cli_explain:explain",
    "replay": "cli_replay:replay",
    "load": "cli_load:load",
    "status": "cli_state:status",
    "verify": "cli_state:verify",
    "exposures": "cli_state:exposures",
    "rotate-keys": "cli_state:rotate_keys",
    "compact": "cli_store:compact",
    "backup": "cli_store:backup",
    "restore": "cli_store:restore",
    "item": "cli_item:app",
    "subject": "cli_subject:app",
    "policy": "cli_policy:app",
}


class _Commands(TyperGroup):
    """Imports what it is asked for, so that `maitred serve` does not wait for the modules of all others."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every name."""
        return list(dict.fromkeys([*self.commands, *ELSEWHERE]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name; None: there is none, and all are imported, to say what is near."""
        wanted = (
            (cmd_name,) if cmd_name in ELSEWHERE or cmd_name in self.commands else ELSEWHERE
        )  # to name what is near
        for name in wanted:
            if name not in self.commands:
                self.commands[name] = _imported(name)
        return super().get_command(ctx, cmd_name)


def _imported(name: str) -> Any:
    module, _, what = ELSEWHERE[name].partition(":")
    found = getattr(import_module(f"maitred_server.{module}"), what)
    holder = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    if not isinstance(found, typer.Typer):
        holder.command(name)(found)
        return typer.main.get_command(holder)
    holder.add_typer(found, name=name)
    return typer.main.get_group(holder).commands[name]


app = typer.Typer(
    cls=_Commands,
    help="Maitred: a decision server for personalization.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def serve(
    data: Annotated[Path | None, typer.Option(help="The data directory.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT to serve on.")] = None,
    metrics: Annotated[str | None, typer.Option(help="HOST:PORT of Prometheus metrics; '' for none.")] = None,
    front: Annotated[str | None, typer.Option(help="grpcio, asyncio, or envoy: needs maitred[envoy].")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    brand: Annotated[str | None, typer.Option(help="Brand of callers without a key.")] = None,
    default_kind: Annotated[str | None, typer.Option(help="Kind of a subject that names none.")] = None,
    replay_clock: Annotated[bool | None, typer.Option("--replay-clock", help="Take the clock from requests.")] = None,
    ready_file: Annotated[Path | None, typer.Option(help="File to write HOST:PORT to once serving.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any other setting, as name=value.")] = None,
) -> None:
    """Serve decisions. Settings: command line, then MAITRED_..., then the TOML file; see `maitred settings`."""
    given: dict[str, Any] = dict(_pair(text) for text in set_ or [])
    given |= {name: value for name, value in locals().items() if name in cli_serve.NAMES and value is not None}
    cli_serve.serve(given)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is no name=value")
    return name.replace("-", "_"), value


@app.command()
def settings() -> None:
    """Print every setting with its meaning, as Markdown."""
    from maitred_server.settings import table

    sys.stdout.write(table() + "\n")


def main() -> None:
    """Run the command; a mistake is one clear line and status 1, never a traceback."""
    cli_serve.run(app)


if __name__ == "__main__":
    main()
