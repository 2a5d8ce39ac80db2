"""Orders to the Envoy around us, by its socket file."""

from __future__ import annotations

import asyncio
from pathlib import Path

POLL_S = 0.01


class Admin:
    """The administration of one Envoy."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def live(self) -> None:
        """Wait until it takes connections."""
        while not await self._asked("GET /ready"):
            await asyncio.sleep(POLL_S)

    async def part_gently(self) -> None:
        """Tell each connection with its next answer to go elsewhere."""
        await self._asked("POST /drain_listeners?graceful&skip_exit")

    async def take_no_more(self) -> None:
        """Take no new connections."""
        await self._asked("POST /drain_listeners")

    async def _asked(self, what: str) -> bool:
        """Whether it said yes."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
        except OSError:
            return False
        writer.write(f"{what} HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer.startswith(b"HTTP/1.1 200 ")
