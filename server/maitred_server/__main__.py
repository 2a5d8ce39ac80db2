"""`python -m maitred_server` is `maitred`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; where only the SDK is installed, say how to get it."""
    try:
        from maitred_server import cli
    except ModuleNotFoundError as error:
        sys.exit(f"maitred: there is no `{error.name}`; this command needs `pip install 'maitred[server]'`")
    cli.main()


if __name__ == "__main__":
    main()
