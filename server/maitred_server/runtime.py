"""The composition root: everything is built, started, drained and stopped here, and nowhere else.

With one worker the main process serves, and the learner is its child. With more, the main process only watches over
its children. Every child ends by itself when the main process is gone, however it went.
"""

from __future__ import annotations

import maitred_server.first  # isort: skip  # noqa: F401

import asyncio
import gc
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import NamedTuple

import structlog
from prometheus_client import CollectorRegistry

from maitred_server import compiled
from maitred_server.compacting import Compactor
from maitred_server.decide.past import Past
from maitred_server.decide.pipeline import Pipeline, wall_clock
from maitred_server.decide.receipt import Sealer
from maitred_server.decide.stamps import Stamper
from maitred_server.decide.worlds import Worlds
from maitred_server.envoy_process import APP, become_envoy, launch
from maitred_server.errors import InvalidRequest, StoreError
from maitred_server.learn.publish import forgotten_through, held_back, learned_through
from maitred_server.learn.rebuild import Rebuilder
from maitred_server.playbook.versions import Keeping as VersionKeeping
from maitred_server.processes import Child, Nursery, end_with_parent, spawn
from maitred_server.publishing.place import Place
from maitred_server.publishing.publisher import ProcessPublisher
from maitred_server.rpc.access import Access
from maitred_server.rpc.admin import Admin, ServerFacts
from maitred_server.rpc.admission import DAY_MS, Admission, Limits
from maitred_server.rpc.decisions import Decisions
from maitred_server.rpc.envoy import bootstrap
from maitred_server.rpc.envoy.bootstrap import Bootstrap
from maitred_server.rpc.explaining import Explaining
from maitred_server.rpc.feedback import Feedback
from maitred_server.rpc.front import Front, over_grpc, run
from maitred_server.rpc.handlers import Handlers
from maitred_server.rpc.people import People
from maitred_server.rpc.playbooks import Playbooks
from maitred_server.rpc.rights import Rights
from maitred_server.rpc.subjects import Subjects
from maitred_server.rpc.watch import MOST_STREAMS, Watch
from maitred_server.settings import Settings, to_json
from maitred_server.store import Keeping, Store
from maitred_server.store.directory import ALLOW_OVERLAY, lock_directory
from maitred_server.store.published import write_file
from maitred_server.store.secrets import KeyDirectory
from maitred_server.subjects.identity import Pseudonyms
from maitred_server.telemetry import Telemetry, multiprocess_registry, serve_metrics, set_up_logging

POLL_S = 0.2
TICK_S = 0.5
MAINTAIN_S = 30.0
COLLECTIONS = (20_000, 20, 20)  # a group of events makes thousands of small things that are not garbage yet
SWITCH_S = 0.001  # a thread that takes up a published version lets the event loop in after so long at most

log = structlog.get_logger()


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """Parse HOST:PORT. Raises InvalidRequest."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise InvalidRequest(f"{text!r} is no HOST:PORT, as 127.0.0.1:7400")
    return Address(host.strip("[]"), int(port))


class Worker:
    """One serving process: store, pipeline, handlers and their housekeeping; whichever front carries the calls."""

    def __init__(self, settings: Settings, started_at: int) -> None:
        self._settings = settings
        keys = KeyDirectory(settings.data / "keys")
        clock = wall_clock
        self._store = Store.open(settings.data, map_size=settings.map_size, history_records=settings.history_records)
        self._keeping = Keeping(settings.ages, settings.session_ms)
        self._worlds = Worlds(settings.data, self._store)
        self._worlds.poll()
        self._store.stamp_with(Stamper(self._worlds.world))
        self.telemetry = Telemetry()
        versions = VersionKeeping(settings.versions_ms, settings.catalogue_versions)
        self._publisher = ProcessPublisher(Place(settings.data, settings.map_size, versions))
        sealer = Sealer(keys.sealing(), keys.find)
        people = People(Pseudonyms(keys.pseudonym_key()), settings.kind)
        self._receipt_ms = int(settings.receipt_days * DAY_MS)
        limits = Limits(self._receipt_ms, settings.replay_clock)
        pipeline = Pipeline(self._store, self._worlds.world, sealer, clock)
        admission = Admission(people, sealer, self._worlds.world, clock, limits, self._leads_to)
        self._watching = Watch(self._store, self._worlds)
        facts = ServerFacts(version("maitred"), started_at, settings.workers, partial(learned_through, settings.data))
        self._rebuilder = Rebuilder(self._store.read_changes, settings.data, settings.explain_records)
        past = Past(self._store, settings.data, self._rebuilder)
        decisions = Decisions(pipeline, admission, people, self.telemetry, replay_clock=settings.replay_clock)
        self._explaining = Explaining(decisions, pipeline, sealer, past)
        self.handlers = Handlers(
            decisions,
            self._explaining,
            Feedback(self._store, admission, self.telemetry),
            Subjects(self._store, people, self._worlds, clock),
            Rights(self._store, people, self._worlds, clock),
            Playbooks(self._publisher, self._worlds, people),
            Admin(self._store, self._worlds, clock, facts),
            self._watching,
        )
        self.access = Access.from_file(settings.access) if settings.access else Access.open_to_all(settings.brand)

    def _leads_to(self, key: bytes) -> bytes | None:
        found = self._store.find(key)
        return None if found is None else found.subject

    def grpc_front(self, listen: Address) -> Front:
        """The front that needs nothing else. In the event loop that is to serve; raises OSError."""
        limit, reflection = self._settings.max_concurrent_calls, self._settings.reflection
        front = over_grpc(self._settings.front)(
            self.handlers, self.access, self.telemetry, max_calls=limit, reflection=reflection
        )
        front.bind(str(listen))
        return front

    async def run(self, front: Front, on_ready: Callable[[], None], stop: asyncio.Event) -> None:
        """Serve until `stop`, then drain and close."""
        sys.setswitchinterval(SWITCH_S)
        await front.start()
        gc.collect()
        gc.freeze()  # what start-up made stays; collections need not look at it again
        gc.set_threshold(*COLLECTIONS)
        on_ready()
        stopping = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(stopping,), name="worlds", daemon=True)
        watcher.start()
        housekeeping = asyncio.ensure_future(self._keep_house(front))
        await stop.wait()
        log.info("stopping")
        await front.stop(self._settings.drain_s, self._settings.stop_s)
        housekeeping.cancel()
        stopping.set()
        watcher.join()
        self.close()

    def close(self) -> None:
        self._explaining.close()
        self._publisher.close()
        self._worlds.close()
        self._store.close()
        self.telemetry.flush()

    def _watch(self, stopping: threading.Event) -> None:
        while not stopping.wait(POLL_S):
            self._worlds.poll()
            self._watching.poll()

    async def _keep_house(self, front: Front) -> None:
        healthy, maintained = True, time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            self.telemetry.flush()
            usage = self._store.usage()
            self.telemetry.store(usage.last_sequence, self._lag(usage.last_sequence), usage.bytes)
            self.telemetry.models(held_back(self._settings.data))
            await asyncio.to_thread(self._settle)
            if healthy != self._store.healthy:
                healthy = self._store.healthy
                log.error("store_broken") if not healthy else log.info("store_healthy")
                await front.report(serving=healthy)
            if time.monotonic() - maintained > MAINTAIN_S:
                maintained = time.monotonic()
                await asyncio.to_thread(self._maintain)

    def _maintain(self) -> None:
        now = wall_clock()
        try:
            self._store.maintain(now - self._receipt_ms)
            self._store.keep(self._keeping, now)
        except StoreError as error:
            log.warning("store_not_maintained", error=type(error).__name__, reason=error.message)

    def _settle(self) -> None:
        try:
            self._store.settle(forgotten_through(self._settings.data), wall_clock())
            self._rebuilder.tidy()
        except (StoreError, OSError) as error:
            log.warning("erasures_not_settled", error=type(error).__name__, reason=str(error))

    def _lag(self, last: int) -> int:
        return max(0, last - learned_through(self._settings.data))


async def _over_grpc(worker: Worker, listen: Address, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; a second signal ends the process at once."""
    stop = asyncio.Event()
    _on_signals(asyncio.get_running_loop(), stop)
    await worker.run(worker.grpc_front(listen), on_ready, stop)


def _on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    def asked() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)


# What children run. Module-level, so that a spawned process can import them.


def _worker_main(settings: Settings, listen: Address, started_at: int, ready: Connection) -> None:
    end_with_parent()
    set_up_logging(settings.log_format, settings.log_level)
    run(_over_grpc(Worker(settings, started_at), listen, lambda: ready.send(None)))


def _learner_main(settings: Settings) -> None:
    from maitred_server.learn import learner  # of this process alone

    end_with_parent()
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to everybody; the main process decides
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    set_up_logging(settings.log_format, settings.log_level)
    gc.set_threshold(*COLLECTIONS)
    learner.run(settings.data, settings.map_size, stop, settings.publish_interval_s)


def serve(settings: Settings) -> None:
    """Run the server until it is told to stop. Raises StoreRefused, InvalidRequest, OSError."""
    set_up_logging(settings.log_format, settings.log_level)
    if settings.front == "envoy":
        bootstrap.require(reflection=settings.reflection)
    if settings.allow_overlay is not None:  # children open the same store
        os.environ[ALLOW_OVERLAY] = str(int(settings.allow_overlay))
    with lock_directory(settings.data):
        KeyDirectory(settings.data / "keys").prepare()
        Store.open(
            settings.data, map_size=settings.map_size
        ).close()  # makes it, or says why not, before any child starts
        alone = settings.workers == 1 and settings.front != "envoy"
        served = _serve_alone if alone else _serve_together
        compactor = Compactor(settings)
        with _reserved(address(settings.listen)) as listen:
            served(settings, listen, wall_clock())
        compactor.stop()
    log.info("stopped")


def _serve_alone(settings: Settings, listen: Address, started_at: int) -> None:
    worker = Worker(settings, started_at)
    nursery = Nursery([])

    def on_ready() -> None:
        _announce(settings, listen)
        nursery.add(partial(_learner_child, settings))  # now: its imports would have taken time from the start

    try:
        with _metrics(settings, worker.telemetry.registry):
            run(_over_grpc(worker, listen, on_ready))
    finally:
        nursery.stop(settings.stop_s)


def _serve_together(settings: Settings, listen: Address, started_at: int) -> None:
    folder = _shared_metrics(settings.data / "run" / "metrics")
    with _worker_mains(settings, listen, started_at) as mains:
        pipes = [spawn.Pipe(duplex=False) for _ in mains]
        workers = [Child("worker", partial(_process, main, pipe[1])) for main, pipe in zip(mains, pipes, strict=True)]
        nursery = Nursery(workers)
        stop = _stop_on_signal()
        try:
            with _metrics(settings, multiprocess_registry(folder)):
                if all(_wait_either(is_ready, stop) for is_ready, _ in pipes):
                    _announce(settings, listen)
                nursery.add(partial(_learner_child, settings))  # now: its imports would have taken time from the start
                stop.wait()
                log.info("stopping")
        finally:
            nursery.stop(settings.drain_s + 2 * settings.stop_s)


@contextmanager
def _worker_mains(settings: Settings, listen: Address, started_at: int) -> Iterator[list[Callable[[Connection], None]]]:
    """What each worker process runs; it is given the pipe on which it tells that it serves."""
    if settings.front != "envoy":
        yield [partial(_worker_main, settings, listen, started_at)] * settings.workers
        return
    if settings.access:
        Access.from_file(settings.access)  # here a mistake is one line, and not a worker that does not start
    with tempfile.TemporaryDirectory(prefix="maitred-") as sockets:
        wanted = partial(Bootstrap, APP, listen.host, listen.port)
        streams = settings.max_concurrent_calls + MOST_STREAMS
        admins = [Path(sockets) / str(number) for number in range(settings.workers)]
        starts = [launch(to_json(settings), wanted(admin, streams, _json_log(settings))) for admin in admins]
        yield [partial(become_envoy, start, started_at) for start in starts]


def _json_log(settings: Settings) -> bool:
    return settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())


def _process(main: Callable[[Connection], None], ready: Connection) -> SpawnProcess:
    return spawn.Process(target=main, args=(ready,))


def _learner_child(settings: Settings) -> Child:
    return Child("learner", lambda: spawn.Process(target=_learner_main, args=(settings,)))


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()

    def asked(number: int, frame: object) -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)
    return stop


def _wait_either(ready: Connection, stop: threading.Event) -> bool:
    """True when `ready` comes first."""
    while not stop.is_set():
        if ready.poll(TICK_S):
            return True
    return False


@contextmanager
def _reserved(wanted: Address) -> Iterator[Address]:
    """Hold a port without listening, so that workers can share it and port 0 gets a number."""
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as alone, socket.socket(family, socket.SOCK_STREAM) as holder:
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a server before do not matter
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            alone.bind((wanted.host, wanted.port))  # refused where another server has it, though that would share it
            alone.close()
            holder.bind((wanted.host, wanted.port))
        except OSError as error:
            raise InvalidRequest(f"cannot listen on {wanted}: {error.strerror}", "listen") from None
        yield Address(wanted.host, holder.getsockname()[1])


@contextmanager
def _metrics(settings: Settings, registry: CollectorRegistry) -> Iterator[None]:
    if not settings.metrics:
        yield
        return
    at = address(settings.metrics)
    try:
        port, stop = serve_metrics(registry, at.host, at.port)
    except OSError as error:
        raise InvalidRequest(f"cannot serve metrics on {at}: {error.strerror}", "metrics") from None
    log.info("metrics", url=f"http://{Address(at.host, port)}/metrics")
    try:
        yield
    finally:
        stop()


def _shared_metrics(folder: Path) -> Path:
    """Workers meet in files of this folder; they find it by the environment that they inherit."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    return folder


def _announce(settings: Settings, listen: Address) -> None:
    how = {"front": settings.front, "workers": settings.workers, "data": str(settings.data), "pid": os.getpid()}
    log.info("serving", listen=str(listen), compiled=bool(compiled.built()), **how)
    if settings.ready_file:
        write_file(settings.ready_file, [f"{listen}\n".encode()])
