"""Make the Python stubs from `protos/`, or check that the committed ones are what the generator makes."""

from __future__ import annotations

import argparse
import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUBS = ROOT / "sdk" / "maitred" / "v1"


def generate(generator: str, into: Path) -> None:
    """Write `maitred/v1/*_pb2.py` and `.pyi` below `into`."""
    protos = sorted(str(path.relative_to(ROOT / "protos")) for path in (ROOT / "protos").rglob("*.proto"))
    command = [generator, "-m", "grpc_tools.protoc", "-I", str(ROOT / "protos")]
    subprocess.run([*command, f"--python_out={into}", f"--pyi_out={into}", *protos], check=True)


def stale(generator: str) -> list[str]:
    """Names of stubs that differ from what the generator makes now."""
    with tempfile.TemporaryDirectory() as folder:
        generate(generator, Path(folder))
        fresh = {path.name: path for path in (Path(folder) / "maitred" / "v1").iterdir()}
        committed = {path.name: path for path in STUBS.glob("*_pb2*")}
        names = sorted(fresh.keys() | committed.keys())
        return [
            name
            for name in names
            if name not in fresh
            or name not in committed
            or not filecmp.cmp(fresh[name], committed[name], shallow=False)
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generator", default=sys.executable, help="a Python that has grpcio-tools")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the stubs are not fresh")
    options = parser.parse_args()
    if not options.check:
        generate(options.generator, ROOT / "sdk")
        return 0
    names = stale(options.generator)
    for name in names:
        print(f"sdk/maitred/v1/{name} is not what protos/ gives; run `make protos`", file=sys.stderr)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
