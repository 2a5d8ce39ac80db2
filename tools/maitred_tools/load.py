"""Load on one server on this machine: a closed loop for its capacity, an open loop for its latency.

The closed loop keeps a fixed number of calls under way: a slow server is asked less, so its rate shows its capacity.
The open loop sends at intended times that do not wait for answers, and counts latency from the intended time: a stall
is felt by every call that it delayed, as users would feel it.

    python -m maitred_tools.load 127.0.0.1:7400 --requests FILE --calls 10000 --rate 500
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any

import grpc
import grpc.aio
import typer
from hdrh.histogram import HdrHistogram

DECIDE = "/maitred.v1.DecisionService/Decide"
LONGEST_US = 60_000_000
MOST_CALLS = 10_000_000
LENGTH_BYTES = 4
TIMER_S = 0.002

Call = Callable[[bytes], Awaitable[bytes]]


@dataclass(frozen=True)
class Load:
    """What is sent: `calls` unary calls of `method`, taking turns through `requests`, over `connections` connections.

    `rate`: calls a second in an open loop; None: a closed loop with one call under way on each connection.
    """

    requests: Sequence[bytes]
    calls: int
    connections: int = 4
    rate: float | None = None
    method: str = DECIDE
    deadline_s: float = 5.0

    def __post_init__(self) -> None:
        if not self.requests:
            raise ValueError("a load needs at least one request")
        if not 1 <= self.calls <= MOST_CALLS:
            raise ValueError(f"a load has 1 to {MOST_CALLS} calls")
        if self.rate is not None and not 0 < self.rate <= 1e6:
            raise ValueError("a rate is above 0 and at most 1,000,000 calls a second")


@dataclass
class Result:
    """What came of a load. Latencies are in microseconds and of answered calls only."""

    seconds: float = 0.0
    latency: Any = field(default_factory=lambda: HdrHistogram(1, LONGEST_US, 3))
    failures: Counter[str] = field(default_factory=Counter)  # by status code

    @property
    def answered(self) -> int:
        """Calls that ended with OK."""
        return int(self.latency.get_total_count())

    @property
    def calls_per_s(self) -> float:
        """Answered calls a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    def percentile(self, percent: float) -> float:
        """Latency in microseconds that `percent` of the answered calls did not exceed."""
        return float(self.latency.get_value_at_percentile(percent))

    def figures(self) -> dict[str, Any]:
        """All figures, for people and scripts."""
        percentiles = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9, "max": 100.0}
        return {
            "answered": self.answered,
            "failures": dict(self.failures),
            "seconds": self.seconds,
            "calls_per_s": self.calls_per_s,
            "latency_us": {name: self.percentile(percent) for name, percent in percentiles.items()},
        }


def run(target: str, load: Load) -> Result:
    """Put a load on the server at `target` (HOST:PORT of this machine) and wait for its end. Raises ValueError for any
    other machine."""
    refuse_other_machines(target)
    return asyncio.run(_run(target, load))


def refuse_other_machines(target: str) -> None:
    """Raise ValueError unless `target` is a loopback address: load is put on this machine only."""
    host = target.rpartition(":")[0].strip("[]")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(f"{target} is not on this machine; load is put on loopback addresses only")


async def _run(target: str, load: Load) -> Result:
    async with AsyncExitStack() as stack:
        calls = [await stack.enter_async_context(_Connection(target, load)) for _ in range(load.connections)]
        return await _driven(calls, load)


async def over(channels: Sequence[grpc.aio.Channel], load: Load) -> Result:
    """Put a load on connections that are open already, whatever `load.connections` says."""
    return await _driven([_caller(channel, load) for channel in channels], load)


async def _driven(calls: Sequence[Call], load: Load) -> Result:
    result = Result()
    started = time.perf_counter()
    await (_closed(calls, load, result) if load.rate is None else _open(calls, load, load.rate, result))
    result.seconds = time.perf_counter() - started
    return result


def _caller(channel: grpc.aio.Channel, load: Load) -> Call:
    call: Any = channel.unary_unary(load.method)
    return lambda request: call(request, timeout=load.deadline_s)


class _Connection:
    """One connection of its own, ready before the load begins."""

    def __init__(self, target: str, load: Load) -> None:
        self._channel = grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        self._load = load

    async def __aenter__(self) -> Call:
        await asyncio.wait_for(self._channel.channel_ready(), self._load.deadline_s)
        return _caller(self._channel, self._load)

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()


async def _closed(calls: Sequence[Call], load: Load, result: Result) -> None:
    todo = islice(cycle(load.requests), load.calls)

    async def caller(call: Call) -> None:
        for request in todo:
            await _timed(call, request, time.perf_counter(), result)

    await asyncio.gather(*(caller(call) for call in calls))


async def _open(calls: Sequence[Call], load: Load, rate: float, result: Result) -> None:
    async with asyncio.TaskGroup() as tasks:
        begin = time.perf_counter()
        for number, request in enumerate(islice(cycle(load.requests), load.calls)):
            intended = begin + number / rate
            await _until(intended)
            tasks.create_task(_timed(calls[number % len(calls)], request, intended, result))


async def _until(moment: float) -> None:
    """Wait for a moment. The event loop's timer is too coarse for the last of it."""
    if (early := moment - time.perf_counter()) > TIMER_S:
        await asyncio.sleep(early - TIMER_S)
    while time.perf_counter() < moment:
        await asyncio.sleep(0)


async def _timed(call: Call, request: bytes, since: float, result: Result) -> None:
    try:
        await call(request)
    except grpc.aio.AioRpcError as error:
        result.failures[error.code().name] += 1
    else:
        result.latency.record_value(max(1, min(LONGEST_US, int((time.perf_counter() - since) * 1e6))))


def save_requests(path: Path, requests: Sequence[bytes]) -> None:
    """Write serialized messages to a file, each with its length in front (4 bytes, big-endian)."""
    path.write_bytes(b"".join(len(one).to_bytes(LENGTH_BYTES, "big") + one for one in requests))


def read_requests(path: Path) -> list[bytes]:
    """What `save_requests` wrote."""
    return list(_messages(path.read_bytes()))


def _messages(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        end = at + LENGTH_BYTES + int.from_bytes(data[at : at + LENGTH_BYTES], "big")
        yield data[at + LENGTH_BYTES : end]
        at = end


def main(
    target: Annotated[str, typer.Argument(help="HOST:PORT of a server on this machine")],
    requests: Annotated[
        Path, typer.Option(help="File of requests: serialized messages, each after its length (4 bytes)")
    ],
    calls: Annotated[int, typer.Option(help="How many calls")] = 10_000,
    connections: Annotated[int, typer.Option(help="How many connections")] = 4,
    rate: Annotated[
        float | None, typer.Option(help="Calls a second, sent at intended times; without: a closed loop")
    ] = None,
    method: Annotated[str, typer.Option(help="The call")] = DECIDE,
) -> None:
    """Put a load on one server on this machine and print what came of it as JSON."""
    try:
        result = run(target, Load(read_requests(requests), calls, connections, rate, method))
    except (ValueError, OSError, TimeoutError) as error:
        raise typer.BadParameter(str(error) or f"no server answers at {target}") from None
    print(json.dumps(result.figures(), indent=2))


if __name__ == "__main__":
    typer.run(main)
