"""`maitred compact`, `backup`, `restore`: the files of a data directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maitred_server.cli_options import Data, out

MapSize = Annotated[float, typer.Option(help="As the setting of this name.", envvar="MAITRED_MAP_SIZE_GIB")]
GIB = 2**30


def compact(data: Data, map_size_gib: MapSize = 64.0) -> None:
    """Rewrite the store, so that nothing of what was erased stays readable; beside a running server or without one."""
    from maitred_server.store.compaction import compact_and_sweep

    done, clean = compact_and_sweep(data, int(map_size_gib * GIB))
    left = "" if clean else "; the old file goes when the last process has left it"
    out.print(
        f"{done.entries:,} entries in {done.seconds:.1f} s: {_mib(done.bytes_before)} -> {_mib(done.bytes_after)}{left}"
    )


def backup(
    data: Data,
    to: Annotated[Path, typer.Argument(help="Folder to make, on a local disk.")],
    map_size_gib: MapSize = 64.0,
) -> None:
    """Back up a data directory, while its server runs or not. The keys are not in it: keep them apart."""
    from maitred_server.store.backup import back_up

    done = back_up(data, to, int(map_size_gib * GIB))
    out.print(f"{done.subjects:,} subjects through record {done.last_sequence:,}, verified, {_mib(done.bytes)}")


def restore(
    data: Data,
    backup: Annotated[Path, typer.Argument(help="What `maitred backup` made.")],
    ledger: Annotated[list[Path] | None, typer.Option(help="Another ledger of erasures to heed.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="What is in the data directory may go.")] = False,
    map_size_gib: MapSize = 64.0,
) -> None:
    """Put a backup back, and erase again whoever was erased since. No server may run."""
    from maitred_server.store.backup import restore as put_back
    from maitred_server.store.directory import lock_directory

    with lock_directory(data):
        done = put_back(data, backup, ledger or [], replace, int(map_size_gib * GIB))
    out.print(
        f"{done.subjects:,} subjects through record {done.last_sequence:,}; {done.erased_again:,} ids erased again"
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
