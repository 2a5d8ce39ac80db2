"""What one process counts, second by second, and hands over as intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from maitred_server.load.latency import Latency
from maitred_server.load.told import Fed, Go, Interval

NOT_SENT = "NOT_SENT"  # our own status: the generator could not send it while anybody would have waited


class Second:
    """What is counted of a second."""

    def __init__(self) -> None:
        self.sent = self.came = self.in_time = self.accepted = self.duplicates = self.dropped = 0
        self.failed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.feedback_failed: Counter[str] = Counter()
        self.latency, self.late, self.acknowledged = Latency(), Latency(), Latency()


class Tally:
    """Counts of one step. Moments are on the monotonic clock."""

    def __init__(self, go: Go) -> None:
        self._go = go
        self._seconds: dict[int, Second] = {}
        self._words: dict[str, str] = {}

    def sent(self, intended: float, now: float) -> None:
        """A call was sent, so much after it was meant to be."""
        second = self._at(intended)
        second.sent += 1
        second.late.record(max(0.0, now - intended))

    def answered(self, intended: float, now: float) -> None:
        """Its answer came."""
        self._at(intended).latency.record(now - intended)
        arrival = self._at(now)
        arrival.came += 1
        arrival.in_time += now - self._go.begin <= self._go.step.seconds

    def failed(self, intended: float, status: str, message: str = "") -> None:
        """It ended with a status, or was never sent."""
        self._at(intended).failed[status] += 1
        self._words.setdefault(status, message)

    def acknowledged(self, began: float, now: float, accepted: int, duplicates: int) -> None:
        """A batch of feedback is on the server's disk."""
        second = self._at(began)
        second.accepted += accepted
        second.duplicates += duplicates
        second.acknowledged.record(now - began)

    def refused(self, at: float, status: str, message: str) -> None:
        """An event was refused for good."""
        self._at(at).refused[status] += 1
        self._words.setdefault(f"feedback {status}", message)

    def feedback_failed(self, at: float, events: int, status: str, message: str) -> None:
        """A batch of feedback failed as a whole."""
        self._at(at).feedback_failed[status] += events
        self._words.setdefault(f"feedback {status}", message)

    def dropped(self, at: float) -> None:
        """An event was not sent: too many were waiting."""
        self._at(at).dropped += 1

    def take(self) -> Iterator[Interval]:
        """What was counted since the last time."""
        seconds, self._seconds = self._seconds, {}
        words, self._words = self._words, {}
        for number, second in sorted(seconds.items()):
            yield _interval(self._go.number, number, second, words)

    def _at(self, moment: float) -> Second:
        number = max(0, int(moment - self._go.begin))
        if (found := self._seconds.get(number)) is None:
            found = self._seconds[number] = Second()
        return found


def _interval(step: int, number: int, second: Second, words: Mapping[str, str]) -> Interval:
    fed = Fed(
        second.accepted,
        second.duplicates,
        dict(second.refused),
        dict(second.feedback_failed),
        second.dropped,
        second.acknowledged.encoded(),
    )
    return Interval(
        step=step,
        second=number,
        sent=second.sent,
        came=second.came,
        in_time=second.in_time,
        failed=dict(second.failed),
        latency=second.latency.encoded(),
        late=second.late.encoded(),
        fed=fed,
        words=dict(words),
    )
