"""The same decisions without what was compiled, in a process of their own: `python -m maitred_tools.bench.uncompiled`.

Whether anything was compiled is settled when Python starts, so one process cannot measure both.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from maitred_server import compiled

from maitred_tools.bench import seed, stages
from maitred_tools.bench.section import Table
from maitred_tools.throwaway import accept_any_disk

PURE: Final = "MAITRED_PURE_PYTHON"
WITHOUT: Final = {PURE: "1"}
NONE: Final = "none"
_MAPPED: Final = re.compile(r"/maitred_server/compiled/(\w+)\.")


def in_use() -> list[str]:
    """What of it this process has loaded."""
    return in_use_by([os.getpid()])


def in_use_by(pids: Sequence[int]) -> list[str]:
    """The compiled parts that are mapped into any of these processes: not what should be in use, but what is."""
    return sorted({name for pid in pids for name in _MAPPED.findall(Path(f"/proc/{pid}/maps").read_text())})


def told(names: Sequence[str]) -> str:
    """In words."""
    return ", ".join(names) or NONE


def table(where: str, names: Sequence[str]) -> Table:
    """One row: what was in use."""
    return Table("Compiled parts", ("compiled parts in use", where), [("maitred_server.compiled", told(names))])


def there() -> bool:
    """Whether there is anything to leave out."""
    return bool(compiled.built())


@contextmanager
def inside(data: Path) -> Iterator[stages.Decide]:
    """As `stages.inside`, in a process that leaves aside what was compiled."""
    command = [sys.executable, "-m", "maitred_tools.bench.uncompiled", str(data)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=os.environ | WITHOUT, text=True, **pipes) as child:  # type: ignore[call-overload]

        def decide(requests: Sequence[bytes]) -> dict[str, float]:
            child.stdin.write(json.dumps([one.hex() for one in requests]) + "\n")
            child.stdin.flush()
            if not (line := child.stdout.readline()):
                raise RuntimeError("the process without compiled parts ended")
            found: dict[str, float] = json.loads(line)
            return found

        yield decide


def main(data: Path) -> None:
    """Decide what each line asks for; a line of stages for each. Raises RuntimeError if something compiled is used."""
    accept_any_disk()
    with stages.inside(data, seed.BRAND) as decide:
        for line in sys.stdin:
            found = decide([bytes.fromhex(one) for one in json.loads(line)])
            if names := in_use():
                raise RuntimeError(f"compiled parts are in use: {told(names)}")
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
