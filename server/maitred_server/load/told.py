"""What the processes tell each other, in msgpack over a pipe."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from maitred_server.load.asked import Step


class Go(msgspec.Struct, frozen=True, tag=True):
    """To a process: send your share of this step. `begin`: on the machine's monotonic clock, in seconds."""

    number: int
    begin: float
    step: Step


class Stop(msgspec.Struct, frozen=True, tag=True):
    """To a process: send no more; tell what is under way, and end."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Connected."""


class Fed(msgspec.Struct, frozen=True):
    """Feedback that was delivered. `latency`: of Record calls, from sending to acknowledgement."""

    accepted: int = 0
    duplicates: int = 0
    refused: dict[str, int] = {}  # events, by status
    failed: dict[str, int] = {}  # events of calls that failed, by status
    dropped: int = 0  # events that were never sent: too many were waiting
    latency: bytes = b""


class Interval(msgspec.Struct, frozen=True, tag=True):
    """What became of the calls that were meant for one second of a step, as far as it is not told yet.

    `latency`: of answered calls, from the intended time; `late`: how much later than intended they were sent. `came`:
    answers that came in this second, `in_time`: before the step's end, whatever second their calls were meant for.
    """

    step: int
    second: int
    sent: int = 0
    came: int = 0
    in_time: int = 0
    failed: dict[str, int] = {}
    latency: bytes = b""
    late: bytes = b""
    fed: Fed = Fed()
    words: dict[str, str] = {}  # the first message of each status


class Done(msgspec.Struct, frozen=True, tag=True):
    """A step has ended: nothing of it is under way. `seconds`: from its begin to the last sending."""

    step: int
    seconds: float


class Broken(msgspec.Struct, frozen=True, tag=True):
    """The process cannot go on."""

    message: str


Order: TypeAlias = Go | Stop
Told: TypeAlias = Ready | Interval | Done | Broken

encode = msgspec.msgpack.Encoder().encode
read_order = msgspec.msgpack.Decoder(Order).decode
read_told = msgspec.msgpack.Decoder(Told).decode
