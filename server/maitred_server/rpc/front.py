"""What carries calls to the handlers."""

from __future__ import annotations

from typing import Protocol


class Front(Protocol):
    """A front of one worker, in its event loop."""

    async def start(self) -> None:
        """Take calls from now on."""

    async def report(self, *, serving: bool) -> None:
        """Set the health of every service."""

    async def stop(self, drain_s: float, stop_s: float) -> None:
        """Say NOT_SERVING, give clients `drain_s` to see it, and calls under way at most `stop_s` to end. Seconds."""
