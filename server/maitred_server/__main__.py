"""The command `maitred`; `python -m maitred_server` is the same."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial


def main() -> None:
    """Run the command; where only the SDK is installed, say how to get it."""
    try:
        command = _told()
    except ModuleNotFoundError as error:
        sys.exit(f"maitred: there is no `{error.name}`; this command needs `pip install 'maitred[server]'`")
    command()


def _told() -> Callable[[], None]:
    """What to do: serve, when that is told plainly; else any command."""
    from maitred_server import cli_serve

    told = cli_serve.plainly(sys.argv[2:]) if sys.argv[1:2] == ["serve"] else None
    if told is not None:
        return partial(cli_serve.run, partial(cli_serve.serve, told))
    from maitred_server import cli  # and with it the library of commands

    return cli.main


if __name__ == "__main__":
    main()
