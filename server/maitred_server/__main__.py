"""The command `maitred`; `python -m maitred_server` is the same."""

import sys
from functools import partial

from maitred_server import cli_serve


def main() -> None:
    """Serve, when that is told plainly; else any command."""
    told = cli_serve.plainly(sys.argv[2:]) if sys.argv[1:2] == ["serve"] else None
    if told is not None:
        cli_serve.run(partial(cli_serve.serve, told))
        return
    from maitred_server import cli  # and with it the library of commands

    cli.main()


if __name__ == "__main__":
    main()
