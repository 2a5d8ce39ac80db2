"""Clients that send feedback as the SDK does: numbered batches over streams, several under way, each acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import grpc
import grpc.aio
from maitred.v1 import feedback_pb2, types_pb2

from maitred_tools.bench import seed
from maitred_tools.load import refuse_other_machines

STREAM = "/maitred.v1.FeedbackService/Stream"
WAIT_S = 120.0


@dataclass(frozen=True)
class Work:
    """What one process of clients sends: `clients` of them, each `batches` of `size` events, `under_way` at a time.

    `run` of events are about one subject, then the next of `subjects` has its turn. `first`: the number of the first
    client, so that processes do not share any.
    """

    target: str
    clients: int
    batches: int
    size: int
    under_way: int
    run: int
    subjects: int
    first: int = 0
    name: str = "feed"


@dataclass
class Sent:
    """What came of it. Latencies are from sending a batch to its acknowledgement, seconds."""

    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def serve(work: Work, pipe: Connection) -> None:
    """A process of clients: connects, says so, sends when it is told to, and gives a `Sent`."""
    refuse_other_machines(work.target)
    pipe.send(asyncio.run(_run(work, pipe)))


async def _run(work: Work, pipe: Connection) -> Sent:
    messages = [list(_messages(work, work.first + number)) for number in range(work.clients)]
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(work.target, options=options) for _ in messages]
    sent = Sent()
    try:
        await asyncio.gather(*(asyncio.wait_for(channel.channel_ready(), WAIT_S) for channel in channels))
        pipe.send("ready")
        await asyncio.to_thread(pipe.recv)
        began = time.perf_counter()
        clients = (_client(*pair, work.under_way, sent) for pair in zip(channels, messages, strict=True))
        await asyncio.wait_for(asyncio.gather(*clients), WAIT_S)
        sent.seconds = time.perf_counter() - began
    except (grpc.aio.AioRpcError, TimeoutError) as error:
        sent.failures.append(error.details() or "" if isinstance(error, grpc.aio.AioRpcError) else "timeout")
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))
    return sent


async def _client(channel: grpc.aio.Channel, messages: list[bytes], under_way: int, sent: Sent) -> None:
    method: Any = channel.stream_stream(STREAM)
    call = method()
    waiting: list[float] = []
    for message in messages:
        if len(waiting) == under_way:
            _acknowledged(await call.read(), waiting.pop(0), sent)
        waiting.append(time.perf_counter())
        await call.write(message)
    await call.done_writing()
    for begun in waiting:
        _acknowledged(await call.read(), begun, sent)


def _acknowledged(answer: bytes, begun: float, sent: Sent) -> None:
    sent.latencies.append(time.perf_counter() - begun)
    result = feedback_pb2.StreamResponse.FromString(answer).result
    sent.accepted += result.accepted
    sent.refused += len(result.refused) + result.duplicates


def _messages(work: Work, client: int) -> Iterator[bytes]:
    """The batches of a client; the number of an event says whom it is about."""
    now, name = time.time_ns() // 1_000_000, f"{work.name}-{client}"
    for batch in range(work.batches):
        first = batch * work.size
        numbers = range(first, first + work.size)
        before = client * work.batches * work.size
        events = [_event(number + 1, (before + number) // work.run % work.subjects, now) for number in numbers]
        wire = feedback_pb2.FeedbackBatch(client=name, epoch=1, events=events)
        yield feedback_pb2.StreamRequest(batch=wire).SerializeToString()


def _event(sequence: int, subject: int, now: int) -> feedback_pb2.FeedbackEvent:
    return feedback_pb2.FeedbackEvent(
        sequence=sequence,
        subject=types_pb2.Subject(id=seed.subject(subject)),
        occurred_at_ms=now,
        touchpoint="till",
        event=feedback_pb2.Event(
            type=seed.PURCHASE, item=seed.item(sequence * 7 % seed.ITEMS), value=2.5, quantity=1 + sequence % 3
        ),
    )
