"""docs/explain.md: its example is what the commands print."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from harness.server import Running, eventually, purchase
from maitred.v1 import feedback_pb2, profile_pb2, types_pb2

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "explain.md").read_text()
# What no two runs have alike; times are all of one length, so lines break at the same places.
MOMENT = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d(\.\d{3})?")
SNAPSHOT = re.compile(r"policy snapshot \d+")


def run(running: Running, command: str) -> str:
    """What `maitred COMMAND` prints on a page of 100 columns."""
    wide = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "MAITRED_SERVER": running.target}
    words = [sys.executable, "-m", "maitred_server", *command.split()]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True, env=wide).stdout


def told(text: str) -> list[str]:
    alike = SNAPSHOT.sub("policy snapshot N", MOMENT.sub("TIME", text))
    return [line.rstrip() for line in alike.strip().splitlines()]


def examples() -> dict[str, str]:
    """What the page says that each command prints."""
    found = re.finditer(r"```text\n\$ maitred (?P<command>[^\n]*)\n(?P<printed>.*?)```", TEXT, re.S)
    return {match["command"]: match["printed"] for match in found}


def trait(name: str, value: float, purpose: str) -> types_pb2.Trait:
    return types_pb2.Trait(
        name=name, value=types_pb2.Value(number=value), source=types_pb2.TRAIT_SOURCE_EXPLICIT, purpose=purpose
    )


def story(running: Running) -> bytes:
    """What happens before the commands of the page are given; the receipt of its last decision."""
    run(running, "publish docs/examples/shop")
    bought = [("ben", item) for item in ("soup", "soup", "milk", "whisky", "whisky", "spring-box", "pears")]
    bought += [("ada", "apples"), ("ada", "apples"), ("ada", "plums"), ("ada", "spring-box")]
    running.record(*(purchase(who, at, item) for at, (who, item) in enumerate(bought, start=1)))
    traits = [trait("age", 16.0, "service"), trait("children", 0.0, "marketing")]
    put = profile_pb2.PutTraitsRequest(subject=types_pb2.Subject(id="ada"), traits=traits)
    running.call("ProfileService/PutTraits", put, profile_pb2.PutTraitsResponse)
    run(running, "item set milk --stock 0")
    assert eventually(lambda: running.status().versions.policy != "" and running.status().learner_lag == 0)
    rain = {"weather": types_pb2.Value(text="rain")}
    assert eventually(lambda: len(running.decide("ada", context=rain).decisions[0].slate) == 3)
    for number in (20, 21):
        answer = running.decide("ada", context=rain)
        shown = feedback_pb2.Exposure(
            receipt=answer.receipt, decision_id=answer.decisions[0].decision_id, showing_number=1
        )
        running.record(feedback_pb2.FeedbackEvent(sequence=number, subject=types_pb2.Subject(id="ada"), exposure=shown))
    answer = running.decide("ada", context=rain)
    running.record(purchase("ben", 22, "ice-cream"))
    return answer.receipt


def test_the_example_is_what_is_printed(start: Callable[..., Running]) -> None:
    """Each command of the page prints what the page shows, but for the times."""
    running = start()
    receipt = story(running)
    (running.data.parent / "receipt").write_bytes(base64.b64encode(receipt))
    shown = examples()
    for command, printed in shown.items():
        there = command.replace("FILE", str(running.data.parent / "receipt"))
        assert told(run(running, there)) == told(printed), command
    assert len(shown) >= 3
