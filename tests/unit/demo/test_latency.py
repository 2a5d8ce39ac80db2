from __future__ import annotations

import pytest
from maitred_tools.demo.latency import Buckets, ClientLatency
from prometheus_client import CollectorRegistry, Histogram, generate_latest


def _metrics(*seconds: float) -> str:
    registry = CollectorRegistry()
    histogram = Histogram("maitred_decide_seconds", "x", ["worker"], buckets=(0.001, 0.002, 0.004), registry=registry)
    other = Histogram("maitred_other_seconds", "x", buckets=(0.001,), registry=registry)
    for number, second in enumerate(seconds):
        histogram.labels(str(number % 2)).observe(second)
        other.observe(second)
    return generate_latest(registry).decode()


def test_quantile_is_interpolated_in_its_bucket() -> None:
    """Two calls under 1 ms and two from 2 to 4: the median is 1 ms, the third quartile 3 ms."""
    buckets = Buckets()
    buckets.add(_metrics(0.0005, 0.0005, 0.003, 0.003))
    assert buckets.quantile(0.5) == pytest.approx(0.001)
    assert buckets.quantile(0.75) == pytest.approx(0.003)


def test_beyond_the_last_bound_is_the_last_bound() -> None:
    """A call that took longer than every bound counts as the last one, never as infinite."""
    buckets = Buckets()
    buckets.add(_metrics(9.0))
    assert buckets.quantile(0.99) == pytest.approx(0.004)


def test_servers_after_a_restart_add_up() -> None:
    """Histograms of a server before and after its restart are one histogram."""
    buckets = Buckets()
    buckets.add(_metrics(0.0005))
    buckets.add(_metrics(0.0005, 0.003))
    assert buckets.calls() == 3


def test_no_calls_no_quantile() -> None:
    """Without calls nothing is made up."""
    assert Buckets().microseconds() == {"p50": None, "p99": None}


def test_client_quantiles_in_milliseconds() -> None:
    """Of a hundred calls, 99 of 2 ms and one of 50 ms: half and 99 in a hundred took 2 ms, the last one 50."""
    latency = ClientLatency()
    for _ in range(99):
        latency.record(2_000_000)
    latency.record(50_000_000)
    found = latency.milliseconds()
    assert [found[name] for name in ("p50", "p99", "p999")] == pytest.approx([2, 2, 50], rel=0.002)
    assert sum(count for _, count in latency.counts()) == 100
