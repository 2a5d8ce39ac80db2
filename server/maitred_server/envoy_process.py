"""A worker process that becomes Envoy: what Python in it needs to know crosses over in the environment.

Little is imported here: this Python lives for a moment only.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection

import msgspec

from maitred_server.processes import STOPPING
from maitred_server.rpc.envoy import bootstrap

VARIABLE = "MAITRED_WORKER"
APP = "maitred_server.envoy_app:app"


class Launch(msgspec.Struct, frozen=True):
    """How Envoy is started, and what the worker in it is told. `settings`: as JSON."""

    settings: str
    admin: str
    command: list[str]
    environment: dict[str, str]


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


def launch(settings: str, wanted: bootstrap.Bootstrap) -> Launch:
    """Prepared by the main process, once for each worker."""
    return Launch(settings, str(wanted.admin), bootstrap.command(wanted), bootstrap.environment())


def become_envoy(start: Launch, started_at: int, ready: Connection) -> None:
    """What a process of its own runs; it does not come back.

    Signals to stop are blocked before Envoy begins, so that it does not end at once: a thread of ours waits for them.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    numbers = (ready.fileno(), parent.sentinel)
    for number in numbers:
        os.set_inheritable(number, True)
    told = Told(start.settings, started_at, *numbers, start.admin, sys.executable, bootstrap.own_environment())
    environment = {**os.environ, **start.environment, VARIABLE: msgspec.json.encode(told).decode()}
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    os.execve(start.command[0], start.command, environment)  # noqa: S606 - Envoy, with our own words


def told(environ: Mapping[str, str] = os.environ) -> Told:
    """What this process, which is Envoy, was told."""
    return msgspec.json.decode(environ[VARIABLE], type=Told)
