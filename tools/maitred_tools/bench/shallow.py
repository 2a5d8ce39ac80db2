"""The real server, whose Decide stops half-way: `python -m maitred_tools.bench.shallow DEPTH serve ...`.

From the second call on it does the work of a decision down to a depth, and answers with the bytes of its first answer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from maitred.v1 import decision_pb2
from maitred_server import cli, envoy_process
from maitred_server.rpc import convert
from maitred_server.rpc.access import Caller
from maitred_server.rpc.decisions import Decisions

DEPTH = "MAITRED_BENCH_DEPTH"  # tells a worker inside Envoy, which is a program of its own


class Depth(StrEnum):
    """How far a call goes."""

    CALLED = "called"  # the front, statuses, limits and rights
    PARSED = "parsed"
    ASKED = "asked"  # checked, with pseudonyms
    DECIDED = "decided"
    WRITTEN = "written"  # all of it


def stop_at(depth: Depth) -> None:
    """Make this process's Decide stop there."""
    whole: Callable[[Decisions, bytes, Caller], bytes] = Decisions.decide
    prepared: list[bytes] = []

    def decide(self: Any, data: bytes, caller: Caller) -> bytes:
        if depth is Depth.WRITTEN or not prepared:
            prepared[:] = [whole(self, data, caller)]
        elif depth is not Depth.CALLED:
            _work(self, data, caller, depth)
        return prepared[0]

    Decisions.decide = decide  # type: ignore[method-assign]


def _work(decisions: Any, data: bytes, caller: Caller, depth: Depth) -> None:
    wire = convert.parse(decision_pb2.DecideRequest, data)
    if depth is Depth.PARSED:
        return
    ask = decisions.ask(wire, caller)
    if depth is Depth.DECIDED:
        decisions._pipeline.decide(ask)


if __name__ == "__main__":
    os.environ[DEPTH] = sys.argv.pop(1)
    stop_at(Depth(os.environ[DEPTH]))
    envoy_process.APP = "maitred_tools.bench.shallow_app:app"
    cli.main()
