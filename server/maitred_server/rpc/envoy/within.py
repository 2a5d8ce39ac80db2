"""Unary gRPC calls that are answered on Envoy's own thread, by the filter in `compiled.inside`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import structlog

from maitred_server.errors import Stopping, TooMany
from maitred_server.rpc.envoy.bootstrap import MOST_BYTES
from maitred_server.rpc.envoy.framed import PREFIX, Framed, Headers

try:
    from maitred_server.compiled import inside
except ImportError:  # nothing was compiled here: ASGI brings all calls
    inside = None  # type: ignore[assignment]

POLL_S: Final = 0.01

log = structlog.get_logger()


class Within:
    """What Envoy's thread calls. `names`: of the calls, by their paths. Of the one front of a process."""

    def __init__(self, framed: Framed, names: Mapping[str, str], most: int) -> None:
        self._framed = framed
        self._names = {path.encode(): name for path, name in names.items()}
        self._most = most
        self._closed = False
        if inside is None:
            return
        if inside.within_envoy():
            inside.answer_by(self._serve, tuple(self._names), most, MOST_BYTES + PREFIX)
        else:
            log.warning("slow_front", reason="Envoy did not load maitred_server.compiled.inside")

    async def close(self, patience_s: float) -> None:
        """Let no call begin any more, and wait for those that have."""
        self._closed = True
        if inside is None:
            return
        inside.close()
        until = time.monotonic() + patience_s
        while inside.waiting() and time.monotonic() < until:
            await asyncio.sleep(POLL_S)

    def _serve(
        self, path: bytes, body: bytes | None, whole: bool, headers: Headers, waited_s: float
    ) -> bytes | list[tuple[bytes, bytes]]:
        name = self._names[path]
        try:
            if body is None:
                raise self._refusal()
            return self._framed.answer(name, body, headers, time.monotonic() - waited_s, whole)
        except Exception as error:  # noqa: BLE001 - every error gets a status
            return self._framed.refuse(name, error)

    def _refusal(self) -> Exception:
        if self._closed:
            return Stopping("this server stops; another one answers")
        return TooMany(f"{self._most} calls are under way already; try again later")
