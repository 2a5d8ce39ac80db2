"""What is built installs and runs outside the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"maitred", "maitred_server", "maitred_tools"}
IMPORT = "import maitred, maitred.testing, maitred.v1.decision_pb2; print(maitred.__file__)"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built once."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def contents(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def stated(wheel: Path) -> list[str]:
    """What the wheel requires when no extra is asked for."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        required = Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", [])
    return [line for line in required if "extra ==" not in line]


def bare_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAITRED_"))}


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """Three packages and the metadata: no tests, no protos, no environment."""
    tops = {name.partition("/")[0] for name in contents(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_the_wheel_holds_every_source_file(wheel: Path) -> None:
    """Each module and data file of the packages is in the wheel, the type marker and the stubs too."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "sdk", "server", "tools"], cwd=ROOT, capture_output=True, text=True
    )
    names = [name.partition("/")[2] for name in tracked.stdout.split("\0") if name]
    sources = [name for name in names if name.partition("/")[0] in PACKAGES]
    assert set(sources) - set(contents(wheel)) == set()
    assert {"maitred/py.typed", "maitred/v1/decision_pb2.pyi"} <= set(contents(wheel))


def test_the_wheel_carries_the_licence(wheel: Path) -> None:
    """The licence travels with the package."""
    assert [name for name in contents(wheel) if name.endswith("/licenses/LICENSE")]


def test_a_plain_install_is_the_sdk(wheel: Path) -> None:
    """Without an extra only grpcio and protobuf are required."""
    assert sorted(re.split(r"[<>=~ ]", line)[0] for line in stated(wheel)) == ["grpcio", "protobuf"]


def test_the_wheel_runs_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Installed into a folder of its own, the SDK is imported from there."""
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    environment = bare_environment() | {"PYTHONPATH": str(site)}
    answer = subprocess.run(
        [sys.executable, "-c", IMPORT], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert Path(answer.stdout.strip()).is_relative_to(site)


def test_the_command_says_what_a_plain_install_lacks() -> None:
    """Where only the SDK is installed `maitred` names the extra on one line, with status 1."""
    program = "import sys; sys.modules['typer'] = None; from maitred_server.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-c", program, "status"], capture_output=True, text=True)
    told = "maitred: there is no `typer`; this command needs `pip install 'maitred[server]'`\n"
    assert (ended.returncode, ended.stderr) == (1, told)


def test_the_stubs_accept_the_oldest_protobuf_that_is_allowed() -> None:
    """The generator that made the stubs is the lower bound of protobuf: 6.30."""
    stub = (ROOT / "sdk" / "maitred" / "v1" / "decision_pb2.py").read_text()
    assert "# Protobuf Python Version: 6.30." in stub
    assert "protobuf<8,>=6.30" in [line.replace(" ", "") for line in metadata.requires("maitred") or []]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_fresh_environment_gets_the_sdk_alone(tmp_path: Path) -> None:
    """`pip install .` in an empty environment brings grpcio, protobuf and what grpcio needs; the SDK then runs."""
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", str(ROOT)], check=True, env=bare_environment(), cwd=tmp_path
    )
    listing = subprocess.run([python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True)
    installed = {one["name"].lower() for one in json.loads(listing.stdout)}
    assert installed - {"pip", "setuptools", "typing_extensions"} == {"maitred", "grpcio", "protobuf"}
    subprocess.run([python, "-c", IMPORT], check=True, cwd=tmp_path, env=bare_environment(), capture_output=True)
