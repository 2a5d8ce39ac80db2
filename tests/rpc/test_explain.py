"""Explain over the wire: it changes nothing, and only who may ask is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import pytest
from harness.server import PLAYBOOK, Refused, Running, eventually, purchase
from maitred.v1 import admin_pb2, decision_pb2, feedback_pb2, profile_pb2, types_pb2

Request = decision_pb2.ExplainRequest
Response = decision_pb2.ExplainResponse


def asking(subject: str, *placements: str, **more: Any) -> decision_pb2.DecideRequest:
    return decision_pb2.DecideRequest(
        subject=types_pb2.Subject(id=subject),
        placements=[decision_pb2.PlacementRequest(placement=name) for name in placements or ("home",)],
        **more,
    )


def past(receipt: bytes, decision_id: str = "") -> decision_pb2.PastDecision:
    return decision_pb2.PastDecision(receipt=receipt, decision_id=decision_id)


def explain(server: Running, request: decision_pb2.ExplainRequest, key: str | None = None) -> Response:
    return Response.FromString(server.raw("DecisionService/Explain", request.SerializeToString(), key=key))


def refusal(server: Running, request: decision_pb2.ExplainRequest, key: str | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        explain(server, request, key)
    return caught.value


def state(data: Path) -> dict[str, str]:
    """A checksum of every file but of LMDB's table of readers."""
    files = (path for path in data.rglob("*") if path.is_file() and path.name != "lock.mdb")
    return {str(path.relative_to(data)): sha256(path.read_bytes()).hexdigest() for path in files}


def test_200_explanations_change_no_byte(start: Callable[..., Running]) -> None:
    """Of now and of the past, with snapshots to be made again: every file of the data directory stays as it was."""
    running = start()
    running.publish()
    receipts = []
    for number in range(1, 6):
        running.record(purchase("a", number, "SOAP"))
        assert eventually(lambda number=number: running.status().versions.policy == str(number))  # type: ignore[misc]
        receipts.append(running.decide("a", "home", "lottery").receipt)
    before = state(running.data)
    for number in range(200):
        what: dict[str, Any] = {"past": past(receipts[number % 5])} if number % 2 else {"request": asking("a")}
        found = explain(running, Request(**what))
        assert found.HasField("repeated") == (number % 2 == 1)
        assert not found.HasField("repeated") or found.repeated
    assert state(running.data) == before
    assert running.status().journal_sequence == 5


def test_a_wrong_question_says_what_would_be_right(server: Running) -> None:
    """Nothing asked, too much, another answer's placement or decision: INVALID_ARGUMENT with the field."""
    answer = server.decide("wrong", "home", "banner")
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    cases: list[tuple[decision_pb2.ExplainRequest, grpc.StatusCode, str]] = [
        (Request(), invalid, "what"),
        (Request(request=asking("wrong"), limit=1_001), invalid, "limit"),
        (Request(request=asking("wrong"), items=["x"] * 1_001), invalid, "items"),
        (Request(request=asking("wrong"), placement="banner"), invalid, "placement"),
        (Request(past=past(b"")), invalid, "past.receipt"),
        (Request(past=past(answer.receipt, "00")), invalid, "past.decision_id"),
        (Request(past=past(answer.receipt), placement="lottery"), invalid, "placement"),
        (
            Request(past=past(answer.receipt, answer.decisions[0].decision_id), placement="banner"),
            invalid,
            "placement",
        ),
        (Request(past=past(b"\x01" * 99)), grpc.StatusCode.PERMISSION_DENIED, "past.receipt"),
        (Request(request=asking("wrong", "hme")), grpc.StatusCode.NOT_FOUND, "placements"),
    ]
    found = [(refused.code, refused.fields) for refused in (refusal(server, request) for request, _, _ in cases)]
    assert found == [(code, [field]) for _, code, field in cases]


def test_one_decision_of_a_page(server: Running) -> None:
    """Of a page's receipt one decision is told by its id, or by its placement; it was the same answer."""
    answer = server.decide("page", "home", "banner")
    for request in (
        Request(past=past(answer.receipt, answer.decisions[1].decision_id)),
        Request(past=past(answer.receipt), placement="banner"),
    ):
        found = explain(server, request)
        assert ([one.placement for one in found.placements], found.repeated) == (["banner"], True)
        assert [one.item for one in found.placements[0].slate] == [one.item for one in answer.decisions[1].slate]


def test_who_may_ask(start: Callable[..., Running], tmp_path: Path) -> None:
    """Only a key with the role, only of its own brand's receipts, and overrides only with their own role."""
    keys = {
        "decides": ("one", ["decide", "admin"]),
        "explains": ("one", ["explain"]),
        "other": ("two", ["explain", "decide", "admin"]),
    }
    lines = [
        f'[[key]]\nsha256 = "{sha256(name.encode()).hexdigest()}"\nbrand = "{brand}"\nroles = {roles}\n'
        for name, (brand, roles) in keys.items()
    ]
    (tmp_path / "access.toml").write_text("\n".join(lines))
    running = start("--set", f"access={tmp_path / 'access.toml'}")
    files = admin_pb2.PublishRequest(files=PLAYBOOK).SerializeToString()
    running.raw("AdminService/Publish", files, 60, "decides")
    data = running.raw("DecisionService/Decide", asking("a").SerializeToString(), key="decides")
    receipt = decision_pb2.DecideResponse.FromString(data).receipt
    denied = grpc.StatusCode.PERMISSION_DENIED
    assert refusal(running, Request(past=past(receipt)), "decides").code is denied
    assert refusal(running, Request(past=past(receipt)), "other").message == (
        "the receipt is of another brand than this key"
    )
    overriding = asking("a", overrides={"holdout": ""})
    assert refusal(running, Request(request=overriding), "explains").fields == ["overrides"]
    assert explain(running, Request(past=past(receipt)), "explains").repeated
    assert explain(running, Request(request=asking("a")), "explains").placements[0].placement == "home"


def test_an_erased_subject_is_not_explained(server: Running) -> None:
    """What was decided for a subject before its erasure can be told to nobody; what is decided since, can."""
    server.record(purchase("gone", 1, "SOAP"), client="gone")
    before = server.decide("gone").receipt
    assert explain(server, Request(past=past(before))).repeated
    deleted = profile_pb2.DeleteProfileRequest(subject=types_pb2.Subject(id="gone"))
    server.call("ProfileService/DeleteProfile", deleted, profile_pb2.DeleteProfileResponse)
    refused = refusal(server, Request(past=past(before)))
    assert (refused.code, refused.fields) == (grpc.StatusCode.NOT_FOUND, ["past.receipt"])
    assert refused.message == "the subject was erased after this decision; nothing of before is kept"
    assert explain(server, Request(past=past(server.decide("gone").receipt))).placements[0].slate


def test_pending_feedback_is_noted(server: Running) -> None:
    """A decision that feedback on the way took part in is made again without it, and says so."""
    event = feedback_pb2.FeedbackEvent(
        sequence=1, subject=types_pb2.Subject(id="way"), event=feedback_pb2.Event(type="purchase", item="MILK")
    )
    pending = feedback_pb2.FeedbackBatch(client="way", epoch=1, events=[event])
    answer = server.decide("way", pending=pending)
    assert answer.decisions[0].slate[0].item == "MILK"
    found = explain(server, Request(past=past(answer.receipt)))
    assert not found.repeated
    assert [note for note in found.notes if "not durable yet" in note] == list(found.notes)
    assert len(found.notes) == 1
    now = explain(server, Request(request=asking("way", pending=pending)))
    assert now.placements[0].slate[0].item == "MILK"


def test_values_are_of_their_kinds(start: Callable[..., Running]) -> None:
    """What rules saw comes typed: whole numbers as numbers, moments as moments, texts, flags and lists as such."""
    running = start()
    kinds = {"age": "whole", "member": "flag", "since": "time", "likes": "texts", "plan": "text", "score": "number"}
    traits = "\n".join(f"  - {{name: {name}, type: {kind}}}" for name, kind in kinds.items())
    running.publish(
        {**PLAYBOOK, "subjects.yaml": f"traits:\n{traits}\ncontext:\n  - {{name: device, type: text}}\n".encode()}
    )
    given = {
        "age": types_pb2.Value(number=30),
        "member": types_pb2.Value(flag=True),
        "since": types_pb2.Value(time_ms=1_700_000_000_000),
        "likes": types_pb2.Value(texts=types_pb2.TextList(texts=["tea", "rain"])),
        "plan": types_pb2.Value(text="gold"),
        "score": types_pb2.Value(number=0.5),
    }
    wire = [types_pb2.Trait(name=name, value=value, purpose="service") for name, value in given.items()]
    put = profile_pb2.PutTraitsRequest(subject=types_pb2.Subject(id="typed"), traits=wire)
    running.call("ProfileService/PutTraits", put, profile_pb2.PutTraitsResponse)
    context = {"device": types_pb2.Value(text="phone"), "odd": types_pb2.Value(text="undeclared")}
    found = explain(running, Request(request=asking("typed", context=context)))
    expected = {f"subject.{name}": value for name, value in given.items()}
    expected |= {"subject.kind": types_pb2.Value(text="person"), "context.device": types_pb2.Value(text="phone")}
    assert dict(found.seen) == expected
    assert found.intensity == types_pb2.INTENSITY_FULL


def test_the_command_prints_json(server: Running) -> None:
    """`maitred explain --json` has the whole answer; a missing option is one line that says what to give."""
    command = [sys.executable, "-m", "maitred_server", "explain", "--server", server.target]
    options = ["--subject", "json", "--placement", "home", "--context", "n=1.5", "--alias", "household:h", "--json"]
    printed = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=True).stdout
    told = json.loads(printed)
    assert [one["placement"] for one in told["placements"]] == ["home"]
    assert len(told["placements"][0]["candidates"]) == 5
    wrong = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "COLUMNS": "200"})
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.strip() == (
        "maitred: give --subject and --placement to explain a decision of now, or --receipt for a past one"
    )
