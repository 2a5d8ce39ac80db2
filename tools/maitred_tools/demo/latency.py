"""How long decisions took: at the client by an HDR histogram, at the server by its own Prometheus buckets."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from urllib.request import urlopen

from hdrh.histogram import HdrHistogram
from prometheus_client.parser import text_string_to_metric_families

CLIENT_QUANTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}
SERVER_QUANTILES = {"p50": 0.50, "p99": 0.99}
SERVER_METRIC = "maitred_decide_seconds"


class ClientLatency:
    """Times of `decide` as its caller saw them: microseconds up to a minute, to three digits."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, 60_000_000, 3)

    def record(self, nanoseconds: int) -> None:
        """Counts one call."""
        self._histogram.record_value(max(1, nanoseconds // 1000))

    def milliseconds(self) -> dict[str, float]:
        """The quantiles p50, p90, p99 and p999."""
        return {name: self._histogram.get_value_at_percentile(at) / 1000 for name, at in CLIENT_QUANTILES.items()}

    def counts(self) -> list[tuple[float, int]]:
        """Milliseconds and how many calls took about that long, ascending."""
        return [
            (item.value_iterated_to / 1000, item.count_added_in_this_iter_step)
            for item in self._histogram.get_recorded_iterator()
        ]


@dataclass
class Buckets:
    """A cumulative histogram: upper bound in seconds -> calls at most that long. Restarted servers add up."""

    counts: Counter[float] = field(default_factory=Counter)

    def add(self, metrics: str) -> None:
        """Adds the server's histogram, over all its labels, from a page of metrics in the Prometheus text format."""
        for family in text_string_to_metric_families(metrics):
            if family.name != SERVER_METRIC:
                continue
            for sample in family.samples:
                if sample.name.endswith("_bucket"):
                    self.counts[float(sample.labels["le"])] += int(sample.value)

    def calls(self) -> int:
        """All calls."""
        return self.counts[math.inf]

    def quantile(self, share: float) -> float | None:
        """Seconds by linear interpolation inside the bucket; None without calls; beyond all, the last finite bound."""
        total = self.calls()
        if not total:
            return None
        low = below = 0.0
        for bound in sorted(self.counts):
            calls = self.counts[bound]
            if calls >= share * total:
                return low if math.isinf(bound) else low + (bound - low) * (share * total - below) / (calls - below)
            low, below = bound, calls
        return low

    def microseconds(self) -> dict[str, float | None]:
        """The quantiles p50 and p99, interpolated."""
        seconds = {name: self.quantile(share) for name, share in SERVER_QUANTILES.items()}
        return {name: None if value is None else round(value * 1e6, 1) for name, value in seconds.items()}


def scrape(address: str) -> str:
    """The metrics page of a server at HOST:PORT. Raises OSError when it cannot be had within five seconds."""
    with urlopen(f"http://{address}/metrics", timeout=5) as answer:
        return str(answer.read(), "utf-8")
