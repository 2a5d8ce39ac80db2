"""The SDK as its users meet it: light to import, and every public name real and documented."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "sdk.md"
PUBLIC = ["maitred", "maitred.testing"]
# All that `import maitred` may load beside Python's own modules. grpcio brings typing_extensions and Cython's runtime.
MAY_LOAD = {"maitred", "grpc", "google", "typing_extensions", "cython_runtime"}
# Prints the top-level modules that the import adds to those of a bare interpreter.
PROBE = """
import sys
before = set(sys.modules)
import maitred
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def loaded() -> set[str]:
    answer = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    return {name for name in answer.stdout.split() if not name.startswith("_cython_")}


def test_importing_the_sdk_loads_little() -> None:
    """`import maitred` loads grpc and protobuf and nothing else that is not Python's own: no numpy, no lmdb."""
    assert loaded() - set(sys.stdlib_module_names) - MAY_LOAD == set()


def test_importing_the_sdk_starts_no_thread() -> None:
    """`import maitred` alone starts nothing, so that a process may fork after it."""
    probe = "import maitred, threading; print(threading.active_count())"
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["1"]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_exist(name: str) -> None:
    """`__all__` names only what is there, each once."""
    module = importlib.import_module(name)
    assert [one for one in module.__all__ if not hasattr(module, one)] == []
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_documented(name: str) -> None:
    """Every public name stands in docs/sdk.md and has a docstring of its own."""
    module, text = importlib.import_module(name), DOCUMENT.read_text()
    public = [one for one in module.__all__ if not one.startswith("__")]
    assert [one for one in public if f"`{one}" not in text and f".{one}`" not in text] == []
    assert [one for one in public if not getattr(getattr(module, one), "__doc__", None)] == []


def test_both_clients_have_the_same_verbs() -> None:
    """`Client` and `AsyncClient` offer the same public methods, and docs/sdk.md names each."""
    import maitred

    sync, asynchronous = (
        {name for name in dir(one) if not name.startswith("_")} for one in (maitred.Client, maitred.AsyncClient)
    )
    assert sync == asynchronous
    assert [verb for verb in sorted(sync) if f"{verb}(" not in DOCUMENT.read_text()] == []
