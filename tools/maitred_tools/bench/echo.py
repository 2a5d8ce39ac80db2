"""The reference: a gRPC server that answers Decide with prepared bytes and does nothing else.

It has the real server's settings and passes bytes through as the real server does, so what it costs is the envelope:
what any gRPC server in Python pays for a call before it does something.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import grpc
import grpc.aio
import typer
from maitred_server.rpc.queue.options import OPTIONS
from maitred_server.settings import Settings

SERVICE = "maitred.v1.DecisionService"
ADDRESS = "127.0.0.1:0"
THREADS = 8
MOST_CALLS: int = Settings(data=Path()).max_concurrent_calls


class Front(StrEnum):
    """How the echo server is built: on asyncio, or with a pool of threads."""

    AIO = "aio"
    SYNC = "sync"


def echo(
    answer: Annotated[
        list[Path], typer.Option(help="File with an answer: the first one's of Decide, then of Decide1 ...")
    ],
    ready_file: Annotated[Path, typer.Option(help="File to write HOST:PORT to once calls are served")],
    front: Annotated[Front, typer.Option(help="Kind of server")] = Front.AIO,
) -> None:
    """Serve until told to stop."""
    prepared = {method(number): path.read_bytes() for number, path in enumerate(answer)}
    if front is Front.AIO:
        asyncio.run(_serve_aio(prepared, ready_file))
    else:
        _serve_sync(prepared, ready_file)


def method(number: int) -> str:
    """The call that is answered with a certain one of the answers."""
    return f"Decide{number or ''}"


async def _serve_aio(prepared: dict[str, bytes], ready_file: Path) -> None:
    def answering(answer: bytes) -> Any:
        async def decide(request: bytes, context: object) -> bytes:
            return answer

        return decide

    server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=MOST_CALLS)
    server.add_generic_rpc_handlers((_only({name: answering(one) for name, one in prepared.items()}),))
    port = server.add_insecure_port(ADDRESS)
    await server.start()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _ready(ready_file, port)
    await stop.wait()
    await server.stop(None)


def _serve_sync(prepared: dict[str, bytes], ready_file: Path) -> None:
    def answering(answer: bytes) -> Any:
        def decide(request: bytes, context: object) -> bytes:
            return answer

        return decide

    server = grpc.server(ThreadPoolExecutor(THREADS), options=OPTIONS, maximum_concurrent_rpcs=MOST_CALLS)
    server.add_generic_rpc_handlers((_only({name: answering(one) for name, one in prepared.items()}),))
    port = server.add_insecure_port(ADDRESS)
    server.start()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _ready(ready_file, port)
    stop.wait()
    server.stop(None).wait()


def _only(calls: dict[str, Any]) -> grpc.GenericRpcHandler:
    """These calls, without serializers: bytes in, bytes out."""
    handlers: dict[str, Any] = {name: grpc.unary_unary_rpc_method_handler(call) for name, call in calls.items()}
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


def _ready(path: Path, port: int) -> None:
    part = path.with_suffix(".part")
    part.write_text(f"127.0.0.1:{port}")
    part.replace(path)


if __name__ == "__main__":
    typer.run(echo)
