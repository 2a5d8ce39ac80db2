"""A subject's rights over the wire: to be exported and to be forgotten, down to the last byte."""

from __future__ import annotations

import base64
import json
import re
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2
from harness.server import Refused, Running, eventually, purchase
from maitred.v1 import decision_pb2, feedback_pb2, profile_pb2, types_pb2

FIELDS = (
    *("id", "alias", "client", "touchpoint", "source", "purpose", "item", "variant", "event_type", "outcome_type"),
    *("attribute", "attribute_value", "trait", "trait_value", "trait_text", "trait_purpose"),
    *("consent_purpose", "consent_source", "context", "context_value", "device", "decision"),
    *("refused_item", "refused_group", "refused_reason"),
)


class Canaries:
    """A token of its own for every field of a subject."""

    def __init__(self) -> None:
        self._tokens = {field: secrets.token_hex(16) for field in FIELDS}

    def __getattr__(self, field: str) -> str:
        return self._tokens[field]

    def sought(self) -> dict[bytes, str]:
        """What must not be found anywhere: each token, and the ids in other forms, too."""
        found = {token.encode(): field for field, token in self._tokens.items()}
        for field in ("id", "alias"):
            raw = self._tokens[field].encode()
            # Of base64 the inner characters, whatever stood before and after.
            inner = base64.b64encode(raw)[:-4]
            found |= {raw.hex().encode(): f"{field} in hex", inner: f"{field} in base64"}
            found[bytes.fromhex(self._tokens[field])] = f"{field} as bytes"
        return found


def found_in(places: Iterator[tuple[str, bytes]], sought: dict[bytes, str]) -> list[str]:
    return [f"{field} in {place}" for place, content in places for token, field in sought.items() if token in content]


def files(*folders: Path) -> Iterator[tuple[str, bytes]]:
    for folder in folders:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
            if path.is_file():
                yield path.name, path.read_bytes()


def who(canary: Canaries) -> types_pb2.Subject:
    return types_pb2.Subject(id=canary.id)


def batch(server: Running, client: str, *events: feedback_pb2.FeedbackEvent) -> feedback_pb2.BatchResult:
    return server.record(*events, client=client)


def decide(server: Running, canary: Canaries, **more: Any) -> decision_pb2.DecideResponse:
    request = decision_pb2.DecideRequest(
        subject=who(canary),
        placements=[decision_pb2.PlacementRequest(placement="home")],
        context={
            canary.context: types_pb2.Value(text=canary.context_value),
            "device": types_pb2.Value(text=canary.device),
        },
        **more,
    )
    return server.call("DecisionService/Decide", request, decision_pb2.DecideResponse)


def live(server: Running, canary: Canaries) -> list[feedback_pb2.FeedbackEvent]:
    """A life of the subject, with a canary in every field; the feedback on its last decision is given back, unsent."""

    def tell(sequence: int, **kind: Any) -> feedback_pb2.FeedbackEvent:
        common: dict[str, Any] = {"subject": who(canary), "touchpoint": canary.touchpoint, "source": canary.source}
        return feedback_pb2.FeedbackEvent(sequence=sequence, purpose=canary.purpose, **common, **kind)

    event = feedback_pb2.Event(
        type=canary.event_type,
        item=canary.item,
        variant=canary.variant,
        attributes={canary.attribute: types_pb2.Value(text=canary.attribute_value)},
    )
    traits = [
        types_pb2.Trait(
            name=canary.trait, value=types_pb2.Value(text=canary.trait_value), purpose=canary.trait_purpose
        ),
        types_pb2.Trait(name="likes", value=types_pb2.Value(texts=types_pb2.TextList(texts=[canary.trait_text]))),
    ]
    consent = types_pb2.Consent(
        purpose=canary.consent_purpose, state=types_pb2.CONSENT_STATE_GRANTED, source=canary.consent_source
    )
    shown = decide(server, canary)
    decision = shown.decisions[0]
    outcome = feedback_pb2.Outcome(
        type=canary.outcome_type, item=canary.item, variant=canary.variant, decision_id=canary.decision
    )
    exposure = feedback_pb2.Exposure(decision_id=decision.decision_id, receipt=shown.receipt)
    merge = feedback_pb2.Merge(other=types_pb2.Subject(id=canary.alias))
    put = feedback_pb2.TraitsPut(traits=traits)
    told = batch(
        server,
        canary.client,
        tell(1, event=event),
        tell(2, outcome=outcome),
        tell(3, exposure=exposure),
        tell(4, traits=put),
        tell(5, consents=feedback_pb2.ConsentsPut(consents=[consent])),
        purchase(canary.alias, 6, "BREAD"),
        tell(7, merge=merge),
        tell(8, not_for_me=feedback_pb2.NotForMe(item=canary.refused_item, reason=canary.refused_reason)),
        tell(9, not_for_me=feedback_pb2.NotForMe(group=canary.refused_group)),
    )
    assert (told.accepted, [one.message for one in told.refused]) == (9, [])
    again = decide(server, canary)
    late = feedback_pb2.Exposure(decision_id=again.decisions[0].decision_id, receipt=again.receipt)
    bought = feedback_pb2.Outcome(
        type="buy",
        item=again.decisions[0].slate[0].item,
        decision_id=again.decisions[0].decision_id,
        receipt=again.receipt,
    )
    return [
        tell(10, exposure=late),
        tell(11, outcome=bought),
    ]


def profile(server: Running, subject: str) -> profile_pb2.GetProfileResponse:
    request = profile_pb2.GetProfileRequest(subject=types_pb2.Subject(id=subject))
    return server.call("ProfileService/GetProfile", request, profile_pb2.GetProfileResponse)


def exported(server: Running, subject: str, html: bool = False) -> profile_pb2.ExportSubjectResponse:
    request = profile_pb2.ExportSubjectRequest(subject=types_pb2.Subject(id=subject), html=html)
    return server.call("ProfileService/ExportSubject", request, profile_pb2.ExportSubjectResponse)


def erase(server: Running, subject: str) -> profile_pb2.DeleteProfileResponse:
    request = profile_pb2.DeleteProfileRequest(subject=types_pb2.Subject(id=subject))
    return server.call("ProfileService/DeleteProfile", request, profile_pb2.DeleteProfileResponse)


def erasure(server: Running, erasure_id: str) -> dict[str, int]:
    """When each store was done."""
    request = profile_pb2.GetErasureRequest(erasure_id=erasure_id)
    answer = server.call("ProfileService/GetErasure", request, profile_pb2.GetErasureResponse)
    return {store.name: store.done_at_ms for store in answer.erasure.stores}


def metrics(server: Running) -> bytes:
    url = re.findall(r"http://[^\"\s]+/metrics", server.log.read_text())[-1]
    with urllib.request.urlopen(url, timeout=20) as answer:
        content: bytes = answer.read()
        return content


def test_nothing_is_left_of_whom_was_erased(start: Callable[..., Running], tmp_path: Path) -> None:
    """A token in every field of a subject: while it is kept the files have it; after erase and compaction no file of
    the data directory, no log, no metric and no fresh backup does. Nothing is used from the moment the call returns,
    and late feedback is refused.
    """
    server = start("--set", "compact_hours=0.0001", "--metrics", "127.0.0.1:0")
    server.publish()
    server.record(purchase("witness", 1, "MILK"), client="witness")
    canary = Canaries()
    late = live(server, canary)
    before = found_in(files(server.data), canary.sought())
    kept_in_clear = set(FIELDS) - {"id", "alias", "client"}
    assert {line.partition(" in ")[0] for line in before} == kept_in_clear

    deleted = erase(server, canary.id)
    assert (deleted.deleted, [store.records for store in deleted.erasure.stores][:3]) == (True, [1, 9, 1])
    for subject in (canary.id, canary.alias):
        for call in (profile, exported):
            with pytest.raises(Refused, match="NOT_FOUND"):
                call(server, subject)
    assert batch(server, canary.client, *late).accepted == 0
    pending = feedback_pb2.FeedbackBatch(client=canary.client, epoch=1, events=late)
    assert decide(server, canary, pending=pending).decisions[0].slate
    with pytest.raises(Refused, match="NOT_FOUND"):
        profile(server, canary.id)

    assert eventually(lambda: all(erasure(server, deleted.erasure.erasure_id).values()), 60)
    backup = tmp_path / "backup"
    command = [sys.executable, "-m", "maitred_server", "backup", "--data", str(server.data), str(backup)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    places = [*files(server.data, server.log, backup), ("metrics", metrics(server))]
    assert found_in(iter(places), canary.sought()) == []
    assert server.data / "store" not in list(server.data.iterdir())
    assert profile(server, "witness").counters


def test_late_feedback_is_refused_and_told_apart(server: Running) -> None:
    """What is of before the erasure ends with FAILED_PRECONDITION, event by event; what is after begins anew."""
    server.record(purchase("came-back", 1, "MILK"), client="late")
    shown = server.decide("came-back", "home")
    assert erase(server, "came-back").deleted
    exposure = feedback_pb2.Exposure(decision_id=shown.decisions[0].decision_id, receipt=shown.receipt)
    subject = types_pb2.Subject(id="came-back")
    result = server.record(
        feedback_pb2.FeedbackEvent(sequence=2, subject=subject, exposure=exposure),
        purchase("came-back", 3, "BREAD", occurred_at_ms=erased_at(server, "came-back") - 60_000),
        purchase("came-back", 4, "SOAP"),
        client="late",
    )
    assert (result.accepted, [(one.index, one.code) for one in result.refused]) == (
        1,
        [(0, code_pb2.FAILED_PRECONDITION), (1, code_pb2.FAILED_PRECONDITION)],
    )
    assert {counter.item for counter in profile(server, "came-back").counters} >= {"SOAP"}
    assert profile(server, "came-back").first_seen_ms > 0


def erased_at(server: Running, subject: str) -> int:
    return erase(server, subject).erasure.erased_at_ms


def test_a_new_decision_of_whom_was_erased_counts(server: Running) -> None:
    """After an erasure a decision for the same id brings a receipt that is accepted, though nothing is known of it."""
    server.record(purchase("back again", 1, "MILK"), client="back again")
    erase(server, "back again")
    shown = server.decide("back again", "home")
    exposure = feedback_pb2.Exposure(decision_id=shown.decisions[0].decision_id, receipt=shown.receipt)
    event = feedback_pb2.FeedbackEvent(sequence=2, subject=types_pb2.Subject(id="back again"), exposure=exposure)
    assert server.record(event, client="back again").accepted == 1


def test_an_erasure_is_followed_by_its_id(server: Running) -> None:
    """What is learned is subtracted soon; the disk waits for a compaction. An unknown id is NOT_FOUND."""
    server.record(purchase("followed", 1, "MILK"), client="followed")
    deleted = erase(server, "followed")
    assert re.fullmatch("[0-9a-f]{32}", deleted.erasure.erasure_id)
    assert eventually(lambda: erasure(server, deleted.erasure.erasure_id)["learned"] > 0)
    assert erasure(server, deleted.erasure.erasure_id)["disk"] == 0
    for wrong, code in (("00" * 16, "NOT_FOUND"), ("xyz", "INVALID_ARGUMENT")):
        with pytest.raises(Refused, match=code):
            erasure(server, wrong)


def test_an_export_has_everything_and_escapes_it(server: Running) -> None:
    """The JSON has traits, consents, counters with names and the history in words; the page lets no markup through."""
    subject, evil = "somebody-exported", "<script>alert('x')</script>"
    trait = types_pb2.Trait(name=evil, value=types_pb2.Value(text=evil), source=types_pb2.TRAIT_SOURCE_EXPLICIT)
    put = feedback_pb2.FeedbackEvent(
        sequence=2, subject=types_pb2.Subject(id=subject), traits=feedback_pb2.TraitsPut(traits=[trait])
    )
    server.record(purchase(subject, 1, "MILK"), put, client="exported")
    answer = exported(server, subject, html=True)
    told = json.loads(answer.json)
    assert [(one["name"], one["value"], one["source"]) for one in told["traits"]] == [(evil, evil, "explicit")]
    assert next(one["words"] for one in told["history"]) == "purchase of “MILK”, 1."
    assert ("purchase", "MILK", 1) in {(one["type"], one["item"], one["count"]) for one in told["counters"]}
    page = answer.html.decode()
    assert ("<script" in page, "&lt;script&gt;" in page) == (False, True)
    assert subject not in answer.json.decode()
    assert exported(server, subject).html == b""


def test_the_command_line_exports_and_erases(server: Running, tmp_path: Path) -> None:
    """`maitred subject export`, `erase` and `erasure` do what the calls do."""
    server.record(purchase("by-hand", 1, "MILK"), client="by-hand")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "maitred_server", "subject", *arguments, "--server", server.target]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    out = tmp_path / "export"
    done = run("export", "by-hand", "--json", f"{out}.json", "--html", f"{out}.html")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert json.loads(Path(f"{out}.json").read_text())["format"] == "maitred.export/1"
    assert Path(f"{out}.html").read_text().startswith("<!doctype html>")
    erased = json.loads(run("erase", "by-hand", "--yes", "--json").stdout or "{}") or {}
    followed = run("erasure", erased.get("erasure_id", ""))
    assert (followed.returncode, "history" in followed.stdout) == (0, True), followed.stderr
    again = run("export", "by-hand")
    assert (again.returncode, "NOT_FOUND" in again.stderr, "Traceback" in again.stderr) == (1, True, False)


def test_rights_need_a_subject(server: Running) -> None:
    """Neither call takes a request that names nobody."""
    for method, request in (
        ("ProfileService/ExportSubject", profile_pb2.ExportSubjectRequest()),
        ("ProfileService/DeleteProfile", profile_pb2.DeleteProfileRequest()),
    ):
        with pytest.raises(Refused) as refused:
            server.raw(method, request.SerializeToString())
        assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
