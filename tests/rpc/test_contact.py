"""Contact policies through real servers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from harness.server import PLAYBOOK, Running, eventually
from maitred.v1 import decision_pb2, feedback_pb2, profile_pb2, types_pb2

CAPPED = {
    **PLAYBOOK,
    "placements.yaml": b"""
placements:
  - {name: home, slots: 2, policy: fixed, order: [MILK, SOAP, BREAD], channel: web}
""",
    "contact_policies.yaml": b"""
contact_policies:
  - {name: twice a day, counts: exposure, most: 2, window: 1d}
  - {name: rest after a no, counts: outcome.dismiss, most: 1, window: 1h, suppress_for: 7d}
""",
}


@pytest.fixture(scope="module")
def capped(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two workers with contact policies."""
    running = Running(tmp_path_factory.mktemp("capped") / "data", "--workers", "2")
    running.publish(CAPPED)
    assert eventually(lambda: running.versions() == {"1"})
    yield running
    assert running.stop() == 0, running.log.read_text()


def shown(subject: str, sequence: int, answer: decision_pb2.DecideResponse) -> feedback_pb2.FeedbackEvent:
    exposure = feedback_pb2.Exposure(decision_id=answer.decisions[0].decision_id, receipt=answer.receipt)
    return feedback_pb2.FeedbackEvent(sequence=sequence, subject=types_pb2.Subject(id=subject), exposure=exposure)


def dismissed(
    subject: str, sequence: int, answer: decision_pb2.DecideResponse, item: str
) -> feedback_pb2.FeedbackEvent:
    outcome = feedback_pb2.Outcome(
        type="dismiss", item=item, decision_id=answer.decisions[0].decision_id, receipt=answer.receipt
    )
    return feedback_pb2.FeedbackEvent(sequence=sequence, subject=types_pb2.Subject(id=subject), outcome=outcome)


def items(answer: decision_pb2.DecideResponse) -> list[tuple[str, int]]:
    return [(choice.item, choice.remaining_showings) for choice in answer.decisions[0].slate]


def on_new_connections(server: Running, subject: str, count: int = 12) -> set[tuple[tuple[str, int], ...]]:
    """What as many connections of their own are told: they spread over all workers."""
    request = decision_pb2.DecideRequest(
        subject=types_pb2.Subject(id=subject), placements=[decision_pb2.PlacementRequest(placement="home")]
    ).SerializeToString()
    found = set()
    for _ in range(count):
        with grpc.insecure_channel(server.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            decide: Callable[..., bytes] = channel.unary_unary("/maitred.v1.DecisionService/Decide")
            found.add(tuple(items(decision_pb2.DecideResponse.FromString(decide(request, timeout=20)))))
    return found


def test_every_worker_obeys_what_was_acknowledged(capped: Running) -> None:
    """From the acknowledgement on, whichever worker answers; the choices say how often they may still be shown."""
    answer = capped.decide("anna")
    assert items(answer) == [("MILK", 2), ("SOAP", 2)]
    capped.record(shown("anna", 1, answer), client="anna")
    assert on_new_connections(capped, "anna") == {(("MILK", 1), ("SOAP", 1))}
    capped.record(shown("anna", 2, answer), client="anna")
    assert on_new_connections(capped, "anna") == {(("BREAD", 2),)}


def test_a_dismissal_rests_an_item(capped: Running) -> None:
    """At once, while it is on its way with the request too."""
    answer = capped.decide("bert")
    event = dismissed("bert", 1, answer, "MILK")
    pending = feedback_pb2.FeedbackBatch(client="bert", epoch=1, events=[event])
    assert items(capped.decide("bert", pending=pending)) == [("SOAP", 2), ("BREAD", 2)]
    capped.record(event, client="bert")
    assert on_new_connections(capped, "bert", 4) == {(("SOAP", 2), ("BREAD", 2))}


def test_a_profile_names_what_was_counted(capped: Running) -> None:
    """Showings by placement and channel, under their names."""
    answer = capped.decide("carla")
    capped.record(shown("carla", 1, answer), dismissed("carla", 2, answer, "MILK"), client="carla")
    request = profile_pb2.GetProfileRequest(subject=types_pb2.Subject(id="carla"))
    profile = capped.call("ProfileService/GetProfile", request, profile_pb2.GetProfileResponse)
    places = {
        (one.type, one.placement, one.channel): one.count for one in profile.counters if one.placement or one.channel
    }
    assert places == {
        ("exposure", "*", ""): 1,
        ("exposure", "home", ""): 1,
        ("exposure", "", "web"): 1,
        ("outcome.dismiss", "home", ""): 1,
        ("outcome.dismiss", "", "web"): 1,
    }
    assert not [one.item for one in profile.counters if one.item.startswith("#")]


def caps(data: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "maitred_server", "caps", "--data", str(data), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_journal_says_what_was_over(capped: Running) -> None:
    """An answer that is shown three times was over the cap once, and its decision could not know."""
    answer = capped.decide("dora")
    capped.record(*(shown("dora", number, answer) for number in (1, 2, 3)), client="dora")
    done = caps(capped.data, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["policies"]["twice a day"]["over"], found["policies"]["twice a day"]["aware"]) == (2, 0)
    assert found["unchecked"] == 0
    table = caps(capped.data)
    assert (table.returncode, "twice a day" in table.stdout) == (0, True)
