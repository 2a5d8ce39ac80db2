"""`python -m maitred_tools.demo`; see `command`."""

from __future__ import annotations

import sys

try:
    from maitred_tools.demo.command import main
except ModuleNotFoundError as error:
    sys.exit(f"the demo needs {error.name}, which is not installed: pip install 'maitred[demo]'")

if __name__ == "__main__":
    sys.exit(main())
