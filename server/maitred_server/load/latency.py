"""Latencies in an HdrHistogram: 1 us to 60 s, three significant figures."""

from __future__ import annotations

import io
from typing import Any

from maitred_server.errors import MaitredError

try:
    from hdrh.histogram import HdrHistogram
except ImportError:  # pragma: no cover
    raise MaitredError("`maitred load` needs HdrHistogram: pip install 'maitred[load]'") from None

LONGEST_US = 60_000_000
SIGNIFICANT_FIGURES = 3
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}


class Latency:
    """How long things took. Figures are in microseconds, and 0 when nothing was recorded."""

    def __init__(self) -> None:
        self._histogram: Any = HdrHistogram(1, LONGEST_US, SIGNIFICANT_FIGURES)

    def record(self, seconds: float) -> None:
        """Count one. What is longer than a minute counts as a minute."""
        self._histogram.record_value(max(1, min(LONGEST_US, int(seconds * 1e6))))

    @property
    def count(self) -> int:
        """How many were recorded."""
        return int(self._histogram.get_total_count())

    def encoded(self) -> bytes:
        """HdrHistogram's own compressed form; empty for none."""
        return bytes(self._histogram.encode()) if self.count else b""

    def add(self, encoded: bytes) -> None:
        """Add what another one encoded."""
        if encoded:
            self._histogram.decode_and_add(encoded)

    def percentile(self, percent: float) -> float:
        """What so many percent did not exceed."""
        return float(self._histogram.get_value_at_percentile(percent)) if self.count else 0.0

    @property
    def mean(self) -> float:
        """The mean."""
        return float(self._histogram.get_mean_value()) if self.count else 0.0

    def figures(self) -> dict[str, float]:
        """The percentiles that are always told."""
        if not self.count:
            return dict.fromkeys(PERCENTILES, 0.0)
        values = self._histogram.get_percentile_to_value_dict(list(PERCENTILES.values()))
        return {name: float(values[percent]) for name, percent in PERCENTILES.items()}

    def hgrm(self) -> str:
        """The percentile distribution in milliseconds, as HdrHistogram's tools write and plot it."""
        text = io.BytesIO()
        self._histogram.output_percentile_distribution(text, 1000.0)
        return text.getvalue().decode()

    def distribution(self) -> list[tuple[float, float]]:
        """Pairs of 1 / (1 - share) and latency, five for each halving of what is left."""
        steps = self._histogram.get_percentile_iterator(5) if self.count else ()
        levels = [(one.percentile_level_iterated_to, float(one.value_iterated_to)) for one in steps]
        return [(100 / (100 - level), value) for level, value in levels if level < 100]
