"""What a section of the report is, and what all of them measure on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from maitred_tools.bench import seed, taught
from maitred_tools.bench.measure import Figures
from maitred_tools.bench.progress import progress
from maitred_tools.bench.taught import Facts

ASKING: Final = 20_000  # subjects that ask; others are not asked for


class Scale(NamedTuple):
    """How much is measured. `calls`: of a closed loop; `open_calls`: of an open one; `stores`: numbers of profiles."""

    profiles: int = 1_000_000
    rounds: int = 5
    calls: int = 2_500
    open_calls: int = 8_000
    decisions: int = 1_500  # in process, of a round
    stores: tuple[int, ...] = (10_000, 1_000_000)
    items: tuple[int, ...] = (1_000, 10_000, 100_000)
    workers: tuple[int, ...] = (1, 2, 4)
    events: int = 0  # that the learner catches up with; 0: as many as that bench thinks right
    quick: bool = False


QUICK: Final = Scale(20_000, 2, 300, 600, 100, (2_000, 20_000), (1_000, 10_000), (1, 2), quick=True)
DEFAULT: Final = Scale()
FULL: Final = DEFAULT._replace(stores=(10_000, 1_000_000, 10_000_000), events=10_000_000)


class Table(NamedTuple):
    """Rows of cells for people; the first column is words."""

    title: str
    header: Sequence[str]
    rows: Sequence[tuple[str, ...]]


@dataclass
class Bench:
    """Where things are kept, how much is measured, and the data directory that most sections share."""

    build: Path
    scale: Scale
    models: dict[int, Facts] = field(default_factory=dict)
    _in_force: str = ""

    def _data(self) -> Path:
        data = seeded(self.build, self.scale.profiles)
        if not self.models:
            with progress("models", sum(taught.DECISIONS.values())) as done:
                self.models = taught.prepared(data, self.asking, done)
        return data

    @property
    def asking(self) -> list[int]:
        """The numbers of the subjects that ask."""
        return seed.asked(self.scale.profiles, min(ASKING, self.scale.profiles))

    def put(self, playbook: str) -> Path:
        """The data directory, with models and a playbook of `places` in force. No server is to be using it."""
        data = self._data()
        if self._in_force != playbook:
            taught.in_force(data, playbook)
            self._in_force = playbook
        return data

    def disturbed(self) -> None:
        """Something else was published in the data directory."""
        self.models, self._in_force = {}, ""

    def requests(self, *placements: str) -> list[bytes]:
        """Decide requests of all who ask."""
        return [seed.request(number, placements).SerializeToString() for number in self.asking]


class Section(NamedTuple):
    """One part of the report. `measure` gives plain JSON; tables and charts (SVG) are made of that alone."""

    name: str
    title: str
    text: str
    measure: Callable[[Bench], Figures]
    tables: Callable[[Figures], list[Table]]
    charts: Callable[[Figures], list[str]] = lambda figures: []


def seeded(build: Path, profiles: int) -> Path:
    """A data directory with so many profiles, made when it is not there, with what was in force there last."""
    with progress(f"{profiles:,} profiles", profiles) as done:
        so_far = 0

        def told(count: int) -> None:
            nonlocal so_far
            done(count - so_far)
            so_far = count

        return seed.made(build, profiles, told)


@contextmanager
def steps(what: str, total: int) -> Iterator[Callable[[object], None]]:
    """A bar that goes on by one with each call."""
    with progress(what, total) as done:
        yield lambda _: done()


def reading(figures: Figures, name: str, digits: int = 0) -> str:
    """A median with its range."""
    low, high = figures[f"{name}_range"]
    return f"{figures[name]:,.{digits}f} ({low:,.{digits}f}-{high:,.{digits}f})"
