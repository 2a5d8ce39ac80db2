"""`maitred replay` and `maitred policy apprentice` over the data directory of a server that goes on serving."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from harness.server import PLAYBOOK, Running
from maitred.v1 import decision_pb2, feedback_pb2, types_pb2

PLACEMENTS = b"""
placements:
  - name: home
    slots: 2
    policy: inverse_gap
    learning:
      responses: [{type: purchase, wait: 7d}]
      exploration: 1
  - {name: lottery, slots: 1, policy: uniform, order: [SOAP]}
"""
APPRENTICES = b"""
placements:
  - name: strict
    slots: 1
    policy: inverse_gap
    baseline: popular
    automation: apprentice
    learning: {responses: [{type: purchase, wait: 7d}]}
  - name: loose
    slots: 1
    policy: inverse_gap
    baseline: uniform
    automation: apprentice
    learning: {responses: [{type: purchase, wait: 7d}]}
"""
RATES = {"APPLES": 0.8, "SOAP": 0.5}


def maitred(*words: str) -> dict[str, Any]:
    """The real command in a process of its own, as JSON."""
    command = [sys.executable, "-m", "maitred_server", *words, "--json"]
    environment = {**os.environ, "MAITRED_ALLOW_OVERLAY": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def feedback(subject: str, answer: decision_pb2.DecideResponse, sequence: int, drawn: random.Random) -> list[Any]:
    """All of the page was shown; some of it was bought."""
    who, found = types_pb2.Subject(id=subject), list[feedback_pb2.FeedbackEvent]()
    for one in answer.decisions:
        exposure = feedback_pb2.Exposure(receipt=answer.receipt, decision_id=one.decision_id)
        found.append(feedback_pb2.FeedbackEvent(subject=who, exposure=exposure))
        bought = (choice.item for choice in one.slate if drawn.random() < RATES.get(choice.item, 0.1))
        for item in bought:
            outcome = feedback_pb2.Outcome(
                type="purchase", item=item, receipt=answer.receipt, decision_id=one.decision_id
            )
            found.append(feedback_pb2.FeedbackEvent(subject=who, outcome=outcome))
    for at, event in enumerate(found):
        event.sequence = sequence + at
    return found


def serve(server: Running, visits: int, *placements: str) -> None:
    drawn, sequence = random.Random(3), 1
    for number in range(visits):
        subject = f"subject-{number % 60}"
        told = feedback(subject, server.decide(subject, *placements), sequence, drawn)
        sequence += len(told)
        assert server.record(*told).accepted == len(told)


def test_a_live_server_is_replayed(start: Callable[..., Running]) -> None:
    """While it serves and learns: every decision gives back what was logged, by the models that were in force at each;
    and what a fixed item earns in a lottery is what it is known to earn.
    """
    server = start("--set", "publish_interval_s=0.05")
    server.publish({**PLAYBOOK, "placements.yaml": PLACEMENTS})
    serve(server, 80, "lottery", "home")
    journal = ("replay", "--journal", str(server.data), "--resamples", "200")
    again = maitred(*journal, "--placement", "home", "--policy", "inverse_gap")
    assert again["journal"]["same"] == again["journal"]["checked"] == 80
    assert (again["decisions"], again["mean_weight"], again["largest_weight"]) == (80, 1.0, 1.0)
    soap = maitred(*journal, "--placement", "lottery", "--policy", "fixed", "--response", "purchase")
    (snips,) = [one for one in soap["estimates"] if one["name"] == "SNIPS"]
    assert abs(snips["value"] - RATES["SOAP"]) <= 4.0 * snips["error"]
    assert server.decide("subject-1", "home").decisions[0].slate


def test_an_apprentice_reports(start: Callable[..., Running]) -> None:
    """The baseline is served, and the model learns beside it. Where the baseline draws lots, agreement is chance and
    the model's worth is told; where it never varies, it is a guess that says so. Both say how to promote.
    """
    server = start("--set", "publish_interval_s=0.05")
    server.publish({**PLAYBOOK, "placements.yaml": APPRENTICES})
    serve(server, 90, "loose", "strict")
    report = ("policy", "apprentice")
    options = ("--data", str(server.data), "--resamples", "200")
    loose = maitred(*report, "loose", *options)
    assert (loose["slots"], loose["explores"], loose["journal"]["checked"]) == (90, True, 90)
    assert 0.03 < loose["agreement"] < 0.4 < loose["top"] < 0.85
    assert loose["by"] == "DR"
    assert loose["sentence"].startswith("Better") or "Cannot be told from this much data" in loose["sentence"]
    assert "under `name: loose`, put `automation: online` in place of `automation: apprentice`" in loose["promotion"]
    strict = maitred(*report, "strict", *options)
    assert (strict["slots"], strict["explores"], strict["by"]) == (90, False, "DM")
    assert strict["sentence"].startswith("Cannot be told from what the baseline shows: `popular` never varies")
    assert "then run `maitred publish PLAYBOOK`" in strict["promotion"]
