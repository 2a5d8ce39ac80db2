"""Connections to a server of several workers, as many to each; the system chooses who takes one, so more are tried."""

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


async def some_a_worker(
    stack: AsyncExitStack, server: ServerProcess, workers: int, each: int
) -> list[list[grpc.aio.Channel]]:
    """So many connections to each worker; those that are too many are closed. Raises RuntimeError."""
    found: dict[int, list[grpc.aio.Channel]] = {}
    for _ in range(MOST_CONNECTIONS):
        before = server.connections()
        channel = await connected(stack, server.target)
        pid = next((pid for port, pid in server.connections().items() if port not in before), 0)
        if pid and len(found.setdefault(pid, [])) < each:
            found[pid].append(channel)
        else:
            await channel.close()
        if len(found) == workers and min(map(len, found.values())) == each:
            return list(found.values())
    raise RuntimeError(f"only {len(found)} of {workers} workers took {each} connections")


async def one_a_worker(stack: AsyncExitStack, server: ServerProcess, workers: int) -> list[grpc.aio.Channel]:
    """A connection to each worker. Raises RuntimeError."""
    return [channels[0] for channels in await some_a_worker(stack, server, workers, 1)]
