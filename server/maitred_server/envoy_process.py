"""A worker process that becomes Envoy: what Python in it needs to know crosses over in the environment.

Signals to stop are blocked before Envoy begins, so that Envoy does not end at once: a thread of ours waits for them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from maitred_server.processes import STOPPING
from maitred_server.rpc.envoy import bootstrap
from maitred_server.settings import Settings

VARIABLE = "MAITRED_WORKER"
APP = "maitred_server.envoy_app:app"

require = bootstrap.require


class Embedded(msgspec.Struct, frozen=True):
    """What a worker is. `sockets`: a folder that is ours alone."""

    settings: Settings
    host: str
    port: int
    started_at: int
    sockets: Path


class Told(msgspec.Struct, frozen=True):
    """What the worker in Envoy is told. `ready`, `parent`: file descriptors; `own`: what its environment was before;
    `python`: what runs its children.
    """

    settings: str
    started_at: int
    ready: int
    parent: int
    admin: str
    python: str
    own: dict[str, str | None]


def main(embedded: Embedded, ready: Connection) -> None:
    """Become Envoy. What a process of its own runs."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    settings = embedded.settings
    told = Told(
        settings.model_dump_json(),
        embedded.started_at,
        _kept(ready.fileno()),
        _kept(parent.sentinel),
        str(embedded.sockets / str(os.getpid())),
        sys.executable,
        bootstrap.own_environment(),
    )
    wanted = bootstrap.Bootstrap(
        APP, embedded.host, embedded.port, Path(told.admin), settings.max_concurrent_calls, _json_log(settings)
    )
    command = bootstrap.command(wanted)
    environment = {**os.environ, **bootstrap.environment(), VARIABLE: msgspec.json.encode(told).decode()}
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    os.execve(command[0], command, environment)  # noqa: S606 - Envoy, with our own words


def told(environ: Mapping[str, str] = os.environ) -> Told:
    """What this process, which is Envoy, was told."""
    return msgspec.json.decode(environ[VARIABLE], type=Told)


def _kept(number: int) -> int:
    """A file descriptor that stays open in Envoy."""
    os.set_inheritable(number, True)
    return number


def _json_log(settings: Settings) -> bool:
    return settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
