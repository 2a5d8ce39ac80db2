"""What operators see: structured logs and Prometheus metrics.

Neither ever holds a subject's id, a trait or a secret.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from maitred_server.decide.answer import Decision
from maitred_server.model import Reason

# Seconds. Fine where decisions are, so that quantiles can be read off.
BUCKETS = tuple(1e-5 * 1.25**step for step in range(45))


def set_up_logging(form: Literal["auto", "console", "json"], level: str) -> None:
    """Log to standard error, one event a line."""
    console = sys.stderr.isatty() if form == "auto" else form == "console"
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def frames(error: BaseException) -> list[str]:
    """Where an error came from, without its text: that may hold what a customer sent."""
    return [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-5:]]


class Telemetry:
    """Counts what one worker does. Of one thread, the worker's event loop, or of those that hold `turn`.

    The calls on the path of decisions only add to plain Python values; `flush`, called now and then, hands them to
    Prometheus.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.turn = threading.Lock()
        self.registry = registry or CollectorRegistry()
        self._decisions: Tally[tuple[str, Reason]] = Tally()
        self._seconds: list[float] = []
        self._decided = Counter(
            "maitred_decisions", "Decisions, by placement and reason", ["placement", "reason"], registry=self.registry
        )
        self._caps_unknown = Counter(
            "maitred_caps_unknown",
            "Contact policies that closed all they reach in a decision, because their counters cannot be known",
            registry=self.registry,
        )
        self._latency = Histogram(
            "maitred_decide_seconds",
            "Time of a decide call inside the server, from parsed request to answer",
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._refusals = Counter("maitred_refusals", "Refused calls, by status code", ["code"], registry=self.registry)
        self._feedback = Counter("maitred_feedback", "Feedback events, by result", ["result"], registry=self.registry)
        self._sequence = Gauge(
            "maitred_journal_sequence", "Last journal record", multiprocess_mode="max", registry=self.registry
        )
        self._lag = Gauge(
            "maitred_learner_lag",
            "Records that the learner has yet to read",
            multiprocess_mode="max",
            registry=self.registry,
        )
        self._held = Gauge(
            "maitred_models_held",
            "Models that do not come in force because they did not pass the gates",
            multiprocess_mode="max",
            registry=self.registry,
        )
        self._bytes = Gauge(
            "maitred_store_bytes", "Bytes that the store uses", multiprocess_mode="max", registry=self.registry
        )

    @staticmethod
    def timer() -> float:
        """A point in time to measure from."""
        return time.perf_counter()

    def decided(self, decisions: Sequence[Decision], since: float, caps_unknown: int = 0) -> None:
        """One answered request."""
        self._seconds.append(time.perf_counter() - since)
        for decision in decisions:
            self._decisions[decision.placement, decision.reason] += 1
        if caps_unknown:
            self._caps_unknown.inc(caps_unknown)

    def refused(self, code: int) -> None:
        self._refusals.labels(str(code)).inc()

    def delivered(self, accepted: int, duplicates: int, refused: int) -> None:
        """One batch of feedback."""
        for result, number in (("accepted", accepted), ("duplicate", duplicates), ("refused", refused)):
            if number:
                self._feedback.labels(result).inc(number)

    def models(self, held: int) -> None:
        """How many placements' models are held back."""
        self._held.set(held)

    def store(self, sequence: int, lag: int, size: int) -> None:
        self._sequence.set(sequence)
        self._lag.set(lag)
        self._bytes.set(size)

    def flush(self) -> None:
        """Hand over what was counted since the last time."""
        with self.turn:
            seconds, self._seconds = self._seconds, []
            decisions, self._decisions = self._decisions, Tally()
        for value in seconds:
            self._latency.observe(value)
        for (placement, reason), number in decisions.items():
            self._decided.labels(placement, reason.name).inc(number)


def multiprocess_registry(folder: Path) -> CollectorRegistry:
    """The sum over workers that keep their metrics in `folder`."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
    return registry


def serve_metrics(registry: CollectorRegistry, host: str, port: int) -> tuple[int, Callable[[], None]]:
    """Serve /metrics. Returns the port and what stops it. Raises OSError."""
    server, thread = start_http_server(port, addr=host, registry=registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return server.server_port, stop
