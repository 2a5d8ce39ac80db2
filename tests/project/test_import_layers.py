"""Imports point one way, and every module has its layer. Read from the source, so that nothing hides in a function."""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

# docs/architecture.md has this order. A part of the server imports those of its own row and of the rows before.
SERVER = (
    ("model", "errors", "compiled"),
    ("store",),
    ("subjects", "policy", "playbook"),
    ("decide", "learn"),
    ("rpc",),
    ("runtime",),
    ("cli",),
)
# Parts that share the row of another.
BESIDE = {
    "compacting": "runtime",
    "admin_client": "cli",
    "cli_apprentice": "cli",
    "cli_check": "cli",
    "cli_caps": "cli",
    "cli_estimates": "cli",
    "cli_explain": "cli",
    "cli_funnel": "cli",
    "cli_import": "cli",
    "cli_item": "cli",
    "cli_load": "cli",
    "cli_options": "cli",
    "cli_playbook": "cli",
    "cli_policy": "cli",
    "cli_replay": "cli",
    "cli_serve": "cli",
    "cli_show": "cli",
    "cli_state": "cli",
    "cli_store": "cli",
    "cli_subject": "cli",
    "envoy_app": "runtime",
    "envoy_process": "runtime",
    "evaluate": "learn",
    "first": "errors",
    "import_client": "cli",
    "importing": "runtime",
    "load": "cli",
    "processes": "runtime",
    "publishing": "runtime",
    "replaying": "runtime",
    "__main__": "cli",
}
APART = {frozenset(pair) for pair in (("decide", "learn"), ("decide", "evaluate"), ("learn", "evaluate"))}
# What stands beside the order: what each may import, and which parts may use it.
ASIDE = {"settings": {"model", "errors"}, "telemetry": {"model", "errors", "settings", "decide"}}
USES_ASIDE = {"rpc", "runtime", "envoy_app", "publishing", "compacting", "cli", "cli_import", "cli_serve", "cli_show"}
# The only homes of these libraries in the server.
HOMES = {
    "grpc": (
        "maitred_server.rpc.grpc_front",
        "maitred_server.rpc.queue",
        "maitred_server.admin_client",
        "maitred_server.load.wire",
    ),
    "grpc_health": ("maitred_server.rpc.grpc_front", "maitred_server.rpc.health", "maitred_server.rpc.envoy"),
    "connectrpc": ("maitred_server.rpc.envoy",),
    "pyvoy": ("maitred_server.rpc.envoy",),
    "grpc_reflection": ("maitred_server.rpc.grpc_front", "maitred_server.rpc.queue"),
    "maitred": (
        "maitred_server.rpc",
        "maitred_server.admin_client",
        "maitred_server.import_client",
        "maitred_server.load",
    ),
    "hdrh": ("maitred_server.load.latency",),
    "lmdb": ("maitred_server.store",),
    "typer": tuple(
        f"maitred_server.{name}"
        for name in (
            "cli",
            "cli_apprentice",
            "cli_caps",
            "cli_check",
            "cli_explain",
            "cli_import",
            "cli_item",
            "cli_load",
            "cli_options",
            "cli_playbook",
            "cli_policy",
            "cli_import",
            "cli_item",
            "cli_options",
            "cli_replay",
            "cli_show",
            "cli_state",
            "cli_store",
            "cli_subject",
        )
    ),
    "maitred_tools": (),
}
TOOLS = {"load", "throwaway", "baskets", "bench", "demo", "learn", "replay", "faults"}
SDK_LIBRARIES = {"grpc", "google.protobuf"}


class Import(NamedTuple):
    """`module` imports `target`, both by their full names."""

    module: str
    target: str


def modules(folder: Path) -> dict[str, Path]:
    """Every module below a source folder by its full name."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(known: dict[str, Path]) -> list[Import]:
    """Every import in the modules, wherever it stands in them."""
    return [
        Import(name, target)
        for name, path in known.items()
        for node in ast.walk(ast.parse(path.read_text()))
        for target in targets(node, name, path, known)
    ]


def targets(node: ast.AST, name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules that a statement of module `name` imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        base = origin(node, name, path)
        for alias in node.names:
            whole = f"{base}.{alias.name}"
            yield whole if whole in known or base in {"google", "maitred"} else base


def origin(node: ast.ImportFrom, name: str, path: Path) -> str:
    """The full name of what stands between `from` and `import`."""
    if not node.level:
        return node.module or ""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, node.module] if node.module else package)


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def part(name: str) -> str:
    """The part of its package that a module belongs to: "store" for `maitred_server.store.env`, "" for the root."""
    return name.partition(".")[2].partition(".")[0]


def row(name: str) -> int:
    """Where a part stands in the order; what has no layer stands behind all."""
    name = BESIDE.get(name, name)
    return next((number for number, names in enumerate(SERVER) if name in names), len(SERVER))


def allowed(importer: str, imported: str) -> bool:
    """Whether a part of the server may import another."""
    if importer == imported or not imported:
        return True
    if frozenset({importer, imported}) in APART:
        return False
    if importer in ASIDE:
        return imported in ASIDE[importer]
    if imported in ASIDE:
        return importer in USES_ASIDE
    return bool(importer) and row(imported) <= row(importer)


def nameless(folder: Path) -> list[str]:
    """Modules that no layer names."""
    layers = {
        "maitred_server": {"", *ASIDE, *BESIDE, *(name for names in SERVER for name in names)},
        "maitred_tools": {"", *TOOLS},
        "stubs": {""},
    }
    return [name for name in modules(folder) if part(name) not in layers.get(name.partition(".")[0], ())]


def server_violations(folder: Path) -> list[Import]:
    """Imports that the order of the server's parts, or the home of a library, forbids."""
    return [one for one in imports(modules(folder)) if against_order(one) or away_from_home(one)]


def against_order(one: Import) -> bool:
    return within(one.target, "maitred_server") and not allowed(part(one.module), part(one.target))


def away_from_home(one: Import) -> bool:
    homes = HOMES.get(one.target.partition(".")[0])
    return homes is not None and not any(within(one.module, home) for home in homes)


def sdk_violations(folder: Path) -> list[Import]:
    """Imports of the SDK that are neither its own, nor Python's, nor of its two libraries."""
    own = {"maitred", *SDK_LIBRARIES}
    return [
        one
        for one in imports(modules(folder))
        if one.target.partition(".")[0] not in sys.stdlib_module_names
        and not any(within(one.target, name) for name in own)
    ]


def cycle(folder: Path) -> list[str]:
    """Modules that import each other in a ring, or nothing."""
    graph: dict[str, set[str]] = {}
    known = modules(folder)
    for one in imports(known):
        if one.target in known and one.target != one.module:
            graph.setdefault(one.module, set()).add(one.target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_the_server_imports_one_way() -> None:
    """No module of the server imports from a later layer, or uses a library outside its home."""
    assert server_violations(ROOT / "server") == []


def test_the_load_tester_is_a_client() -> None:
    """What puts load on a server knows the wire, the nouns and the errors, and nothing of the server's inside."""
    found = [one for one in imports(modules(ROOT / "server")) if within(one.module, "maitred_server.load")]
    inside = {part(one.target) for one in found if within(one.target, "maitred_server")}
    assert inside == {"load", "errors", "model"}


def test_the_sdk_stands_alone() -> None:
    """The SDK imports Python's own modules, grpc, google.protobuf and itself."""
    assert sdk_violations(ROOT / "sdk") == []


@pytest.mark.parametrize("folder", ["server", "tools"])
def test_every_module_has_its_layer(folder: str) -> None:
    """A module that no layer names is an error, so that the order stays complete."""
    assert nameless(ROOT / folder) == []


@pytest.mark.parametrize("folder", ["sdk", "server", "tools"])
def test_no_ring(folder: str) -> None:
    """No modules import each other in a ring."""
    assert cycle(ROOT / folder) == []


def test_the_order_is_the_documented_one() -> None:
    """The order above is the one in docs/architecture.md."""
    rows = [" | ".join(names) if set(names) == {"decide", "learn"} else ", ".join(names) for names in SERVER]
    assert f"`{' -> '.join(rows)}`" in (ROOT / "docs" / "architecture.md").read_text()


def plant(folder: Path, files: dict[str, str]) -> Path:
    """A source tree with the given modules, by their paths without `.py`."""
    for name, text in files.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("store/env", "import maitred_server.decide"),
        ("store/env", "from maitred_server import decide"),
        ("store/env", "from ..decide import pipeline"),
        ("store/env", "from .. import decide"),
        ("store/env", "def late():\n    from ..decide.pipeline import Pipeline"),
        ("learn/join", "from maitred_server.decide.pipeline import Pipeline"),
        ("decide/pipeline", "from ..learn import join"),
        ("decide/pipeline", "from ..settings import Settings"),
        ("settings", "from .store import env"),
        ("model", "from . import store"),
        ("rpc/handlers", "import grpc"),
        ("rpc/handlers", "from grpc import aio"),
        ("policy/habit", "from maitred.v1 import types_pb2"),
        ("decide/profile", "import lmdb"),
        ("runtime", "from maitred_tools import load"),
        ("rpc/handlers", "from maitred_server.cli import main"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, module: str, statement: str) -> None:
    """Whatever form the forbidden import has and wherever it stands, it is found."""
    names = ("model", "store/__init__", "store/env", "decide/__init__", "decide/pipeline", "settings", "cli")
    plant(tmp_path, {f"maitred_server/{name}": "" for name in names})
    assert server_violations(tmp_path) == []
    plant(tmp_path, {f"maitred_server/{module}": statement})
    assert [one.module for one in server_violations(tmp_path)] == ["maitred_server." + module.replace("/", ".")]


def test_what_is_planted_in_the_sdk_is_found(tmp_path: Path) -> None:
    """The SDK may not lean on the server, on numpy, or on Google's other packages."""
    for statement in ("import numpy", "from google.rpc import status_pb2", "from maitred_server import model"):
        plant(tmp_path, {"maitred/client": f"import json, grpc\nfrom google.protobuf import message\n{statement}\n"})
        assert len(sdk_violations(tmp_path)) == 1, statement


def test_a_nameless_module_is_found(tmp_path: Path) -> None:
    """A module outside every layer is reported by name."""
    plant(tmp_path, {"maitred_server/model": "", "maitred_server/misc": "", "maitred_tools/bench/seed": ""})
    assert nameless(tmp_path) == ["maitred_server.misc"]


def test_a_ring_is_found(tmp_path: Path) -> None:
    """Two modules that import each other are reported."""
    plant(tmp_path, {"maitred/a": "from maitred import b", "maitred/b": "from . import a"})
    assert set(cycle(tmp_path)) == {"maitred.a", "maitred.b"}


def test_the_core_of_the_sdk_does_no_io() -> None:
    """What both clients share imports nothing that waits, sends, stores or starts."""
    forbidden = {"grpc", "sqlite3", "socket", "threading", "asyncio", "queue", "time", "os", "pathlib"}
    core = {"maitred._calls", "maitred._check", "maitred._feedback", "maitred._wire", "maitred.types", "maitred.errors"}
    found = [one for one in imports(modules(ROOT / "sdk")) if one.module in core]
    assert {one.module for one in found} == core
    assert [one for one in found if one.target.partition(".")[0] in forbidden] == []
