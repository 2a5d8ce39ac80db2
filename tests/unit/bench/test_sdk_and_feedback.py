"""What the SDK and feedback cost: small runs of the measuring, with a real server."""

from __future__ import annotations

from pathlib import Path

import pytest
from maitred import Client
from maitred.testing import FakeTransport
from maitred.v1 import feedback_pb2
from maitred_tools.bench import feedback, sdk
from maitred_tools.bench.feedclients import Work, _messages
from maitred_tools.throwaway import accept_any_disk


def test_batches_number_events_and_give_each_subject_its_run() -> None:
    """Of two clients with 20 events each, ten a subject: four subjects, and the numbers of each client begin at 1."""
    work = Work("127.0.0.1:1", 2, batches=2, size=10, under_way=1, run=10, subjects=100)
    batches = [
        feedback_pb2.StreamRequest.FromString(message).batch for client in (0, 1) for message in _messages(work, client)
    ]
    assert [batch.events[0].sequence for batch in batches] == [1, 11, 1, 11]
    assert [{event.subject.id for event in batch.events} for batch in batches] == [
        {f"subject-{number}"} for number in range(4)
    ]


def test_the_caller_is_measured_apart() -> None:
    """Readings are of the caller's thread; a decision allocates nothing that stays."""
    fake = FakeTransport.serving({sdk.PLACEMENT: ["A"]}, ttl_ms=60_000)
    with Client(transport=fake) as client:
        readings = sdk.blocks(lambda: client.decide(sdk.PLACEMENT, sdk.SUBJECT), 1_500)
        found = sdk.allocations(client)["allocations"]
    assert len(readings) == 3
    assert min(readings) > 0.0
    assert sorted(found) == ["decide", "expose", "record"]
    assert found["decide"]["blocks_held"] < 1.0


@pytest.mark.slow
def test_a_small_run_of_feedback(tmp_path: Path) -> None:
    """Every event is acknowledged, and each figure is there."""
    accept_any_disk()
    found = feedback.durable(tmp_path, clients=2, run=10, events=2_000, workers=1, drivers=2)
    assert found["events"] == 2_000
    assert min(found["events_per_s"], found["server_cpu_us"], found["ack_p50_ms"]) > 0
    assert feedback.catch_up(tmp_path, 10_000)["records"] == 10_000
