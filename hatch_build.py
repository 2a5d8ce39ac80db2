"""Compiles the Cython modules beside the code that they stand for, when a package is made or installed from source.

Without a working C compiler nothing is compiled: a pure Python package serves the same, and slower.
By hand: `python hatch_build.py`.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
SERVER = ROOT / "server"
SOURCES = SERVER / "maitred_server" / "compiled"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
POSIX_ONLY = {"inside"}  # Envoy loads it with what loads libraries there
# No fused multiplications: they round otherwise than the Python code does.
# Short code rather than quick loops, but for those over candidates: in a server nearly all of it has left the caches.
FLAGS = ["-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic", "-g0", "-ffp-contract=off", "-fno-math-errno"]
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "binding": False,
}


class Compile(BuildHookInterface[Any]):
    """What hatchling calls."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and have a wheel carry what came of it."""
        if self.target_name != "wheel":
            return
        try:
            if os.environ.get("MAITRED_PURE_PYTHON", "") not in ("", "0"):
                raise RuntimeError("MAITRED_PURE_PYTHON is set")
            built = compiled()
        except BaseException as error:  # noqa: BLE001 (a compiler may fail in any way, by SystemExit too)
            self.app.display_warning(f"nothing is compiled, decisions are slower: {error}")
            tidy([])
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if version != "editable":
            build_data["force_include"] |= {str(one): str(one.relative_to(SERVER)) for one in built}


def compiled() -> list[Path]:
    """The libraries, compiled where they are older than their sources. Raises what the compiler raises."""
    import numpy as np
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    sources = sorted(one for one in SOURCES.glob("*.pyx") if sys.platform != "win32" or one.stem not in POSIX_ONLY)
    extensions = [
        Extension(
            f"maitred_server.compiled.{source.stem}",
            [str(source.relative_to(ROOT))],
            depends=[Path(__file__).name],
            include_dirs=[np.get_include()],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
            extra_compile_args=[] if sys.platform == "win32" else FLAGS,
        )
        for source in sources
    ]
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        made = cythonize(  # type: ignore[no-untyped-call]
            extensions, build_dir="build/cython", compiler_directives=DIRECTIVES, quiet=True
        )
        command = Distribution({"ext_modules": made, "package_dir": {"": "server"}}).get_command_obj("build_ext")
        command.inplace, command.build_temp, command.parallel = True, "build/cython/objects", os.cpu_count()
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)
    built = [SOURCES / f"{source.stem}{SUFFIX}" for source in sources]
    tidy(built)
    return built


def tidy(built: list[Path]) -> None:
    """Remove libraries that are of other sources than those of today."""
    for left in set(SOURCES.glob(f"*{SUFFIX}")) - set(built):
        left.unlink()


if __name__ == "__main__":
    for library in compiled():
        sys.stdout.write(f"{library.relative_to(ROOT)}\n")
