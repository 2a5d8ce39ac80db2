"""What is compiled goes into the wheel where there is a compiler, and is done without where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "server" / "maitred_server" / "compiled"
LIBRARIES = (".so", ".pyd")


def copied(folder: Path) -> Path:
    """The checkout's own files, where nothing was compiled yet."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listing.stdout.split("\0")):
        if name.startswith(("sdk/", "server/", "tools/")) or "/" not in name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def wheel_of(checkout: Path, **variables: str) -> Path:
    """Built there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAITRED_")} | variables
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", "."]
    subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True)
    (built,) = (checkout / "dist").glob("*.whl")
    return built


def libraries(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(LIBRARIES)]
    return sorted(name.rpartition("/")[2].partition(".")[0] for name in names)


def told(pure: str) -> str:
    """What a process says is in use."""
    program = "from maitred_server import compiled; print(*compiled.built())"
    environment = os.environ | {"MAITRED_PURE_PYTHON": pure}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def test_every_compiled_module_has_its_types() -> None:
    """Beside each source is a stub, so that callers are checked."""
    assert {one.stem for one in SOURCES.glob("*.pyx")} == {one.stem for one in SOURCES.glob("*.pyi")}


@pytest.mark.parametrize(
    "variables", [{"CC": "false"}, {"MAITRED_PURE_PYTHON": "1"}], ids=["no compiler", "not wanted"]
)
def test_without_a_compiler_the_wheel_is_pure(tmp_path: Path, variables: dict[str, str]) -> None:
    """It is built all the same, holds no library, and fits any machine; libraries of other sources are gone."""
    checkout = copied(tmp_path)
    stale = checkout / "server" / "maitred_server" / "compiled" / f"gone{sysconfig.get_config_var('EXT_SUFFIX')}"
    stale.write_bytes(b"of sources of before")
    wheel = wheel_of(checkout, **variables)
    assert (libraries(wheel), wheel.name.endswith("-py3-none-any.whl")) == ([], True)
    assert not stale.exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler")
def test_the_wheel_carries_what_was_compiled(tmp_path: Path) -> None:
    """With a compiler it holds a library for each source, and is for this machine's kind alone."""
    wheel = wheel_of(copied(tmp_path))
    assert libraries(wheel) == sorted(one.stem for one in SOURCES.glob("*.pyx"))
    assert not wheel.name.endswith("-any.whl")


def test_pure_python_can_be_asked_for() -> None:
    """With MAITRED_PURE_PYTHON=1 a process uses nothing that was compiled; with 0 all that was built."""
    pytest.importorskip("maitred_server.compiled.slate", reason="nothing was compiled here")
    assert (told("1"), told("0").split()) == ("", sorted(one.stem for one in SOURCES.glob("*.pyx")))
