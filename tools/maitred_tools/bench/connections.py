"""Connections to a server of several workers, at least one to each."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import grpc.aio

from maitred_tools.bench.process import ServerProcess

WAIT_S = 20.0
MOST_CONNECTIONS = 200


async def connected(stack: AsyncExitStack, target: str) -> grpc.aio.Channel:
    """A connection of its own, ready; closed with the stack."""
    channel = grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
    await stack.enter_async_context(channel)
    await asyncio.wait_for(channel.channel_ready(), WAIT_S)
    return channel


async def one_a_worker(stack: AsyncExitStack, server: ServerProcess, workers: int) -> list[grpc.aio.Channel]:
    """A connection to each worker; the system chooses who takes one, so more are tried. Raises RuntimeError."""
    found: dict[int, grpc.aio.Channel] = {}
    for _ in range(MOST_CONNECTIONS):
        before = server.connections()
        channel = await connected(stack, server.target)
        for port, pid in server.connections().items():
            if port not in before:
                found.setdefault(pid, channel)
        if len(found) == workers:
            return list(found.values())
    raise RuntimeError(f"only {len(found)} of {workers} workers took a connection")
