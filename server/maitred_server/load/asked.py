"""What a load is made of: frozen nouns, picklable, that go to every process."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

ContextValue: TypeAlias = bool | float | str | list[str]

MOST_SECONDS = 24 * 3600.0
MOST_CALLS = 100_000_000
MOST_RATE = 1_000_000.0
MOST_STEPS = 500
MOST_PROCESSES = 64
MOST_CONNECTIONS = 256  # of a process
MOST_BATCH = 256
MOST_DRAWN = 10_000_000  # subjects
MOST_LINES = 5_000_000  # of a file


class Placement(msgspec.Struct, frozen=True):
    """A placement that is asked. `slots` 0: as many as the playbook gives it."""

    name: str
    slots: int = 0


class Outcome(msgspec.Struct, frozen=True):
    """Outcomes of one type: sent for this share of the answered decisions."""

    type: str
    share: float


class Mix(msgspec.Struct, frozen=True):
    """What is sent of answered decisions, in shares of them."""

    expose: float = 0.0
    outcomes: tuple[Outcome, ...] = ()

    @property
    def feedback(self) -> bool:
        """Whether anything is sent back."""
        return self.expose > 0


class Subjects(msgspec.Struct, frozen=True):
    """Who is decided for: the lines of `file`, or `count` made-up ids, drawn with P(rank k) ~ k ** -exponent.

    `exponent` 0: all are as likely.
    """

    file: str = ""
    count: int = 100_000
    exponent: float = 0.0
    prefix: str = "load-"
    kind: str = ""


class Context(msgspec.Struct, frozen=True):
    """The moment: what is the same in every request, and a file whose lines take turns."""

    fixed: dict[str, ContextValue] = {}
    file: str = ""


class Asked(msgspec.Struct, frozen=True):
    """What each call asks. `batch` above 1: so many requests in one call."""

    placements: tuple[Placement, ...]
    subjects: Subjects = Subjects()
    context: Context = Context()
    mix: Mix = Mix()
    batch: int = 1
    seed: int = 1


class Wire(msgspec.Struct, frozen=True):
    """Where it is sent and how. `most_under_way`: calls of a process that may wait for their answers at once."""

    target: str
    key: str | None = None
    connections: int = 4  # of each process
    deadline_s: float = 1.0
    most_under_way: int = 5_000


class Step(msgspec.Struct, frozen=True):
    """One rate kept for some time. `calls`: ends it earlier, when so many were sent; 0: it does not."""

    rate: float
    seconds: float
    calls: int = 0


class Plan(msgspec.Struct, frozen=True):
    """The steps, and by how many processes. `knee_p99_us` 0: five times that of the first step, at least 1 ms."""

    steps: tuple[Step, ...]
    ramp: bool = False
    processes: int = 1
    poisson: bool = True
    knee_p99_us: float = 0.0
    calls: int = 0  # over all steps; 0: no bound


class Place(msgspec.Struct, frozen=True):
    """Which of the processes one is, from 0."""

    number: int
    of: int
