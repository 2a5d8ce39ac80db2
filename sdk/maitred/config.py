"""What a client can be told, one small frozen value per concern."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field

from .errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class TLS:
    """How the server's identity is checked, and ours shown."""

    root_certificates: bytes | None = None
    """PEM of the authorities to trust. None: those that gRPC ships with."""

    private_key: bytes | None = field(default=None, repr=False)
    """PEM of the client's key, for mutual TLS."""

    certificate_chain: bytes | None = None
    """PEM of the client's certificate, for mutual TLS."""

    server_name: str | None = None
    """The name the server's certificate must carry, when it is not the address's host."""


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """How answers are kept and served again."""

    entries: int = 10_000
    """Most answers kept; the least recently used goes first. 0: none is kept."""

    stale_if_error: float = 3600.0
    """Seconds past an answer's time to live in which it may stand in while the server cannot answer."""

    watch: bool = True
    """Have the server tell what must go from the cache: one stream, opened with the first answer that may be kept."""

    def __post_init__(self) -> None:
        _whole("cache.entries", self.entries, 0)
        _seconds("cache.stale_if_error", self.stale_if_error, zero=True)


@dataclass(frozen=True, slots=True)
class OutboxConfig:
    """Where feedback waits until the server has acknowledged it."""

    path: str | os.PathLike[str] | None = None
    """An sqlite3 file that survives the process, on a local disk. None: memory."""

    events: int = 50_000
    """Most events that wait. When full, the oldest exposures go first, then events, outcomes and trait changes. What is
    under way (a few batches of 500) comes on top."""

    size: int = 64 * 1024 * 1024
    """Most bytes that wait, in memory and in the file alike."""

    linger: float = 0.01
    """Seconds that an event may wait for others to share its batch."""

    batches_in_flight: int = 4
    """Most batches sent and not acknowledged yet."""

    ack_timeout: float = 30.0
    """Seconds without an acknowledgement after which the stream is taken to be dead."""

    close_timeout: float = 2.0
    """Seconds that `close`, and the end of the process, wait for the last acknowledgements."""

    def __post_init__(self) -> None:
        _whole("outbox.events", self.events, 1)
        _whole("outbox.size", self.size, 1)
        _whole("outbox.batches_in_flight", self.batches_in_flight, 1)
        _seconds("outbox.linger", self.linger, zero=True)
        _seconds("outbox.ack_timeout", self.ack_timeout)
        _seconds("outbox.close_timeout", self.close_timeout, zero=True)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a client can be told."""

    deadline: float = 0.05
    """Seconds a decide may take, connecting and waiting included, unless the call says otherwise."""

    api_key: str | None = field(default=None, repr=False)
    """Sent as `authorization: Bearer KEY`. None: no credential."""

    tls: TLS | None = None
    """How to use TLS. None: plain text."""

    channels: int = 2
    """Connections to open; decisions take turns on them, so that they spread over the server's workers."""

    touchpoint: str = ""
    """Where this client stands, e.g. "till-4": goes with all feedback unless the call says otherwise."""

    cache: CacheConfig = field(default_factory=CacheConfig)
    """How answers are kept and served again."""

    outbox: str | os.PathLike[str] | OutboxConfig | None = None
    """A file for feedback that must survive the process, or all settings of the outbox. None: in memory."""

    def __post_init__(self) -> None:
        _seconds("deadline", self.deadline)
        _whole("channels", self.channels, 1)
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable() and self.api_key):
            raise InvalidArgument("api_key", "must be printable ASCII and not empty")

    @property
    def outbox_config(self) -> OutboxConfig:
        """The outbox's settings, whichever way they were given."""
        return self.outbox if isinstance(self.outbox, OutboxConfig) else OutboxConfig(path=self.outbox)


def _whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidArgument(name, f"must be a whole number, at least {least}")


def _seconds(name: str, value: object, *, zero: bool = False) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise InvalidArgument(name, "must be a finite number of seconds")
    if value < 0 or (value == 0 and not zero):
        raise InvalidArgument(name, "must not be negative" if zero else "must be above 0")
