"""The visits in their order, through one till, with a kill of the server on the way when that is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from maitred import Client
from rich.console import Console

from maitred_tools.demo.groceries import Visit
from maitred_tools.demo.latency import Buckets, scrape
from maitred_tools.demo.learned import Lag
from maitred_tools.demo.more import More
from maitred_tools.demo.process import Server, ServerFailedError
from maitred_tools.demo.progress import Watcher
from maitred_tools.demo.tally import Tally
from maitred_tools.demo.till import Till, Visited

MOST_PENDING = 20_000  # of the outbox's 50,000: the replay is faster than any shop, so it waits rather than lose events
FLUSH_S = 120.0
_LOOK_EVERY = 100


@dataclass
class Replay:
    """A replay under way.

    `kills`: after how many visits the server is killed and started again. `sampled`: numbers of the visits whose
    receipts are kept, to ask later how their decisions came about.
    """

    client: Client
    till: Till
    server: Server
    console: Console
    kills: frozenset[int] = frozenset()
    sampled: frozenset[int] = frozenset()
    tally: Tally = field(default_factory=Tally)
    more: More = field(default_factory=More)
    receipts: list[bytes] = field(default_factory=list)
    buckets: Buckets = field(default_factory=Buckets)
    unacknowledged: list[int] = field(default_factory=list)
    lag: Lag = field(default_factory=Lag)

    def run(self, visits: Iterable[Visit], watch: Watcher) -> None:
        """Serves the visits and waits until all feedback is acknowledged. Raises ServerFailedError."""
        for done, visit in enumerate(visits, 1):
            self._count(visit, self.till.serve(visit))
            self.lag.visited(self.till.recorded)
            watch(done, self.tally)
            if done in self.kills:
                self._kill()
            if done % _LOOK_EVERY == 0:
                self.lag.look(self.server.learned_through())
                self._wait_for_room()
        self._flush()

    def _count(self, visit: Visit, visited: Visited) -> None:
        self.tally.add(visited.served)
        self.more.add(visit.household, visited.more, visited.basket)
        if visit.number in self.sampled:
            self.receipts.append(visited.more.receipt)

    def _kill(self) -> None:
        """Kill -9 while feedback is on its way, and start again over the same data."""
        self.buckets.add(scrape(self.server.metrics))
        pid = self.server.pid
        self.server.kill()
        self.unacknowledged.append(self.client.statistics().pending)
        self.console.print(f"killed the server (process {pid}) with {self.unacknowledged[-1]:,} events on their way")
        self.server.start()
        self.till.be_patient()

    def _wait_for_room(self) -> None:
        if self.client.statistics().pending > MOST_PENDING:
            self._flush()

    def _flush(self) -> None:
        if not self.client.flush(timeout=FLUSH_S):
            pending = self.client.statistics().pending
            raise ServerFailedError(f"{pending:,} events were not acknowledged within {FLUSH_S:.0f} s")
