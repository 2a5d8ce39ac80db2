"""Layers, overrides and dimensions over the wire: what answers say, what the journal keeps, what reports count."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import maitred
import pytest
from harness.server import PLAYBOOK, Refused, Running, eventually
from maitred.v1 import decision_pb2, feedback_pb2, types_pb2
from maitred_server.model import Exposure
from maitred_server.store import Store

BOOK = b"""name: layered
holdout: {share: 0.1}
layers:
  - name: look
    arms: [{name: plain, share: 0.5}, {name: bright, share: 0.5}]
  - name: chooser
    eligible: {kinds: [person], context: {region: [north, south]}}
    arms: [{name: chance, share: 1, policies: {home: uniform}}]
dimensions:
  context: [region, device]
  stage: {new_below: 1}
  value_band: {bands: {small: 0, big: 10}}
"""
NORTH = {"region": types_pb2.Value(text="north"), "device": types_pb2.Value(text="kiosk")}


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with layers, shared by these tests."""
    running = Running(tmp_path_factory.mktemp("layered") / "data")
    running.publish({**PLAYBOOK, "playbook.yaml": BOOK})
    yield running
    running.stop()


def arms(answer: decision_pb2.DecideResponse) -> dict[str, str]:
    return {one.layer: one.arm for one in answer.arms}


def exposed(subject: str, answer: decision_pb2.DecideResponse, sequence: int = 1) -> feedback_pb2.FeedbackEvent:
    return feedback_pb2.FeedbackEvent(
        sequence=sequence,
        subject=types_pb2.Subject(id=subject),
        exposure=feedback_pb2.Exposure(decision_id=answer.decisions[0].decision_id, receipt=answer.receipt),
    )


def bought(subject: str, answer: decision_pb2.DecideResponse, sequence: int) -> feedback_pb2.FeedbackEvent:
    (decision,) = answer.decisions
    outcome = feedback_pb2.Outcome(
        type="purchase", value=2.5, item=decision.slate[0].item, decision_id=decision.decision_id
    )
    return feedback_pb2.FeedbackEvent(sequence=sequence, subject=types_pb2.Subject(id=subject), outcome=outcome)


def journalled(running: Running) -> dict[str, Exposure]:
    """The exposures in the journal, by decision."""
    with Store.open(running.data, read_only=True) as store:
        bodies = [record.body for _, record in store.read_journal(0, 10_000)]
    return {body.decision_id: body for body in bodies if isinstance(body, Exposure)}


def test_eligibility_opens_a_layer(layered: Running) -> None:
    """The layer assigns where the context says so, and not elsewhere; the other layers do not care."""
    overrides = {"holdout": ""}
    there = layered.decide("ada", context=NORTH, overrides=overrides)
    elsewhere = layered.decide("ada", overrides=overrides)
    assert arms(there)["chooser"] == "chance"
    assert there.decisions[0].policy == "uniform"
    assert "chooser" not in arms(elsewhere)
    assert elsewhere.decisions[0].policy == "habit"
    assert arms(there)["look"] == arms(elsewhere)["look"]


def test_an_override_is_marked_in_answer_receipt_and_journal(layered: Running) -> None:
    """A tester sees what the other arm sees; the answer's arms say so, and so does the exposure."""
    usual = arms(layered.decide("tester"))["look"]
    other = {"plain": "bright", "bright": "plain"}[usual]
    answer = layered.decide("tester", overrides={"look": other, "holdout": ""})
    assert {(one.layer, one.arm, one.overridden) for one in answer.arms} == {
        ("look", other, True),
        ("holdout", "", True),
    }
    layered.record(exposed("tester", answer), client="tester")
    exposure = journalled(layered)[answer.decisions[0].decision_id]
    assert exposure.overridden == ("holdout", "look")
    assert dict(exposure.arms) == {"look": other}
    assert arms(layered.decide("tester"))["look"] == usual


def test_a_tester_can_be_held_out(layered: Running) -> None:
    """The holdout is overridden like any layer: the baseline is served, marked HOLDOUT, and the other arms stay."""
    answer = layered.decide("held", context=NORTH, overrides={"holdout": "holdout"})
    assert answer.decisions[0].reason == types_pb2.REASON_HOLDOUT
    assert answer.decisions[0].policy == "popular"
    assert arms(answer)["chooser"] == "chance"


@pytest.mark.parametrize(
    ("overrides", "field", "message"),
    [
        ({"lok": "plain"}, "overrides[lok]", "did you mean `look`"),
        ({"look": "brigth"}, "overrides[look]", "did you mean `bright`"),
    ],
)
def test_overrides_of_unknown_names_are_refused(
    layered: Running, overrides: dict[str, str], field: str, message: str
) -> None:
    """An unknown layer or arm is an invalid argument that names its field and what was probably meant."""
    with pytest.raises(Refused, match=message) as refused:
        layered.decide("x", overrides=overrides)
    assert (refused.value.code, refused.value.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_overrides_need_their_role(tmp_path: Path, start: Callable[..., Running]) -> None:
    """A key that may decide may not override; one with the role may. What was asked names the field."""
    keys = {"plain": ["decide"], "tester": ["decide", "override"]}
    lines = [
        f'[[key]]\nname="{key}"\nbrand="default"\nsha256="{sha256(key.encode()).hexdigest()}"\nroles={json.dumps(roles)}\n'
        for key, roles in keys.items()
    ]
    access = tmp_path / "access.toml"
    access.write_text("".join(lines))
    first = start()
    first.publish({**PLAYBOOK, "playbook.yaml": BOOK})
    first.stop()
    running = start("--set", f"access={access}")
    request = decision_pb2.DecideRequest(
        subject=types_pb2.Subject(id="x"),
        placements=[decision_pb2.PlacementRequest(placement="home")],
        overrides={"look": "plain"},
    ).SerializeToString()
    with pytest.raises(Refused, match="role 'override'") as refused:
        running.raw("DecisionService/Decide", request, key="plain")
    assert (refused.value.code, refused.value.fields) == (grpc.StatusCode.PERMISSION_DENIED, ["overrides"])
    answer = decision_pb2.DecideResponse.FromString(running.raw("DecisionService/Decide", request, key="tester"))
    assert arms(answer)["look"] == "plain"


def test_dimensions_are_as_of_the_decision(layered: Running) -> None:
    """The exposure carries region, device, stage and value band as they were at the decision, not when it was told."""
    answer = layered.decide("moving", context=NORTH)
    spent = feedback_pb2.FeedbackEvent(
        sequence=1,
        subject=types_pb2.Subject(id="moving"),
        event=feedback_pb2.Event(type="purchase", item="MILK", value=10.0),
    )
    layered.record(spent, exposed("moving", answer, 2), client="moving")
    later = layered.decide("moving")
    layered.record(exposed("moving", later, 3), client="moving")
    found = journalled(layered)
    assert found[answer.decisions[0].decision_id].dimensions == {
        "region": "north",
        "device": "kiosk",
        "stage": "new",
        "value_band": "small",
    }
    assert found[later.decisions[0].decision_id].dimensions == {"stage": "active", "value_band": "big"}


def test_the_sdk_overrides(layered: Running) -> None:
    """Both ways to ask through the SDK: arms hold what was asked for, `overridden` says so, and nothing is cached."""
    with maitred.Client(layered.target, maitred.Config(deadline=10.0)) as client:
        for arm in ("plain", "bright"):
            decision = client.decide("home", "sdk", overrides={"look": arm, "holdout": ""})
            assert (dict(decision.arms), decision.overridden) == ({"look": arm}, ("look", "holdout"))
            page = client.decide_page(["banner", "home"], "sdk", overrides={"look": arm})
            assert {dict(one.arms)["look"] for one in page.values()} == {arm}
        (one,) = client.decide_many([maitred.Request("home", "sdk", overrides={"look": "plain"})], timeout=10.0)
        assert one.overridden == ("look",)
        assert client.decide("home", "sdk").overridden == ()
        assert client.decide("home", "sdk", overrides={"nothing": "x"}).error == "INVALID_ARGUMENT"


def report(running: Running, *options: str) -> Any:
    command = [sys.executable, "-m", "maitred_server", "exposures", "--data", str(running.data), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_exposures_are_counted_and_cut(start: Callable[..., Running]) -> None:
    """A report of the running server's data: decisions, showings and outcomes by arm and region; the overridden are
    left out and said, unless asked for; an unknown dimension is one clear line.
    """
    running = start()
    running.publish({**PLAYBOOK, "playbook.yaml": BOOK})
    sequence, expected = 0, {"look=plain": 0, "look=bright": 0}
    for number in range(12):
        subject = f"s{number}"
        answer = running.decide(subject, context=NORTH if number < 6 else {})
        again = exposed(subject, answer, sequence + 3)
        again.exposure.showing_number = 2
        running.record(bought(subject, answer, sequence + 1), exposed(subject, answer, sequence + 2), again)
        sequence += 3
        expected[f"look={arms(answer)['look']}"] += 1
    tested = running.decide("s0", overrides={"look": "plain"})
    running.record(exposed("s0", tested, sequence + 1))
    assert eventually(lambda: running.status().learner_lag == 0)

    by_arm = json.loads(report(running, "--by", "arm", "--json").stdout)
    look = {row["arm"]: row for row in by_arm["rows"] if row["arm"].startswith("look=")}
    assert {arm: row["decisions"] for arm, row in look.items()} == {arm: n for arm, n in expected.items() if n}
    assert sum(row["showings"] for row in look.values()) == 24
    assert sum(row["outcomes"]["purchase"]["count"] for row in look.values()) == 12
    assert by_arm["left_out"] == {"merged": 0, "overridden": 1}
    assert by_arm["unlinked_outcomes"] == 0

    crossed = json.loads(report(running, "--by", "region", "--by", "stage", "--all", "--json").stdout)
    assert {(row["region"], row["stage"]): row["decisions"] for row in crossed["rows"]} == {
        ("-", "new"): 6,
        ("-", "active"): 1,
        ("north", "new"): 6,
    }
    table = report(running, "--by", "region").stdout
    assert "left out: 1 overridden decisions, 0 of merged subjects" in table
    assert "30.00" not in table.split("north")[0]
    wrong = report(running, "--by", "regoin")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "no exposure has a dimension 'regoin'" in wrong.stderr
    assert "Traceback" not in wrong.stderr
