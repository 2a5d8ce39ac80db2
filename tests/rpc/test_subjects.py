"""Consents, merges, sessions and the past over the wire and from the command line, against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import grpc
import pytest
from harness.server import Refused, Running, purchase
from maitred.v1 import feedback_pb2, profile_pb2, types_pb2

PERSON, DEVICE, SESSION = 1, 3, 4
GRANTED, DENIED, REVOKED = (
    types_pb2.CONSENT_STATE_GRANTED,
    types_pb2.CONSENT_STATE_DENIED,
    types_pb2.CONSENT_STATE_REVOKED,
)


def fresh(name: str = "") -> str:
    return f"{name}{uuid4().hex}"


def subject(id_: str, kind: Any = PERSON, *aliases: tuple[Any, str]) -> types_pb2.Subject:
    return types_pb2.Subject(kind=kind, id=id_, aliases=[types_pb2.SubjectAlias(kind=k, id=i) for k, i in aliases])


def profile_of(server: Running, who: types_pb2.Subject, **more: Any) -> profile_pb2.GetProfileResponse:
    request = profile_pb2.GetProfileRequest(subject=who, recent=10, **more)
    return server.call("ProfileService/GetProfile", request, profile_pb2.GetProfileResponse)


def bought(profile: profile_pb2.GetProfileResponse) -> dict[str, int]:
    return {one.item: one.count for one in profile.counters if one.type == "purchase" and one.item}


def merge(server: Running, one: types_pb2.Subject, other: types_pb2.Subject) -> profile_pb2.MergeSubjectsResponse:
    request = profile_pb2.MergeSubjectsRequest(subject=one, other=other)
    return server.call("ProfileService/MergeSubjects", request, profile_pb2.MergeSubjectsResponse)


def put_consents(server: Running, who: types_pb2.Subject, **states: Any) -> int:
    consents = [types_pb2.Consent(purpose=name, state=state, source="test") for name, state in states.items()]
    request = profile_pb2.PutConsentsRequest(subject=who, consents=consents)
    return server.call("ProfileService/PutConsents", request, profile_pb2.PutConsentsResponse).journal_sequence


def buys(server: Running, who: types_pb2.Subject, item: str, **more: Any) -> int:
    event = feedback_pb2.FeedbackEvent(sequence=1, subject=who, event=feedback_pb2.Event(type="purchase", item=item))
    result = server.record(event, client=fresh())
    assert result.accepted == 1, result
    return result.journal_sequence


def exposed(server: Running, answer: Any, who: types_pb2.Subject) -> feedback_pb2.BatchResult:
    exposure = feedback_pb2.Exposure(decision_id=answer.decisions[0].decision_id, receipt=answer.receipt)
    return server.record(feedback_pb2.FeedbackEvent(sequence=1, subject=who, exposure=exposure), client=fresh())


def decided(server: Running, who: types_pb2.Subject, placement: str = "home", **more: Any) -> Any:
    from maitred.v1 import decision_pb2

    request = decision_pb2.DecideRequest(
        subject=who, placements=[decision_pb2.PlacementRequest(placement=placement)], **more
    )
    return server.call("DecisionService/Decide", request, decision_pb2.DecideResponse)


def first(answer: Any) -> str:
    return str(answer.decisions[0].slate[0].item)


def test_consents_are_kept_and_told(server: Running) -> None:
    """What was put, by its call or as feedback, stands in the profile with source and time."""
    who = subject(fresh())
    put_consents(server, who, ads=GRANTED, mail=DENIED)
    said = types_pb2.Consent(purpose="ads", state=REVOKED)
    event = feedback_pb2.FeedbackEvent(sequence=1, subject=who, consents=feedback_pb2.ConsentsPut(consents=[said]))
    assert server.record(event, client=fresh()).accepted == 1
    found = {one.purpose: (one.state, one.source) for one in profile_of(server, who).consents}
    assert found == {"ads": (REVOKED, ""), "mail": (DENIED, "test")}


@pytest.mark.parametrize(
    ("consent", "field"),
    [
        (types_pb2.Consent(purpose="ads"), "consents[0].state"),
        (types_pb2.Consent(state=GRANTED), "consents[0].purpose"),
        (types_pb2.Consent(purpose="ads", state=GRANTED, source="x" * 129), "consents[0].source"),
    ],
)
def test_a_wrong_consent_is_refused_by_its_field(server: Running, consent: types_pb2.Consent, field: str) -> None:
    """A state is required, and names have limits."""
    request = profile_pb2.PutConsentsRequest(subject=subject("x"), consents=[consent])
    with pytest.raises(Refused) as refused:
        server.call("ProfileService/PutConsents", request, profile_pb2.PutConsentsResponse)
    assert (refused.value.code, refused.value.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_a_merge_joins_what_is_known_and_an_unmerge_parts_it(server: Running) -> None:
    """Both ids tell one profile, and each its own again afterwards; each call says whether it did anything."""
    one, other = subject(fresh()), subject(fresh(), DEVICE)
    buys(server, one, "MILK")
    buys(server, other, "SOAP")
    done = merge(server, one, other)
    assert (done.merged, done.journal_sequence > 0) == (True, True)
    assert bought(profile_of(server, other)) == {"MILK": 1, "SOAP": 1}
    assert (profile_of(server, other).merged, profile_of(server, other).kind) == (True, PERSON)
    again = merge(server, other, one)
    assert (again.merged, again.journal_sequence) == (False, 0)
    buys(server, other, "PEARS")
    parting = profile_pb2.UnmergeSubjectsRequest(subject=one, other=other)
    server.call("ProfileService/UnmergeSubjects", parting, profile_pb2.UnmergeSubjectsResponse)
    assert bought(profile_of(server, one)) == {"MILK": 1}
    assert bought(profile_of(server, other)) == {"SOAP": 1, "PEARS": 1}
    with pytest.raises(Refused) as refused:
        server.call("ProfileService/UnmergeSubjects", parting, profile_pb2.UnmergeSubjectsResponse)
    assert refused.value.code == grpc.StatusCode.FAILED_PRECONDITION


def test_a_merge_counts_for_the_next_decision(server: Running) -> None:
    """What a visitor bought decides for the person it turned out to be; while the merge is on its way, too."""
    person, visitor = subject(fresh()), subject(fresh(), SESSION)
    buys(server, visitor, "SOAP")
    assert decided(server, person).decisions[0].reason != 10  # not by habit
    event = feedback_pb2.FeedbackEvent(sequence=1, subject=person, merge=feedback_pb2.Merge(other=visitor))
    pending = feedback_pb2.FeedbackBatch(client=fresh(), epoch=1, events=[event])
    assert first(decided(server, person, pending=pending)) == "SOAP"
    assert server.record(event, client=fresh()).accepted == 1
    assert first(decided(server, person)) == first(decided(server, visitor)) == "SOAP"


def test_receipts_stay_good_over_a_merge_and_its_end(server: Running) -> None:
    """A receipt of before the merge, one of after it under the merged id, and one over an unmerge are taken."""
    one, other = subject(fresh()), subject(fresh(), DEVICE)
    buys(server, one, "MILK")
    before = decided(server, other)
    merge(server, one, other)
    assert exposed(server, before, other).accepted == 1
    assert exposed(server, before, one).accepted == 1
    after = decided(server, other)
    assert exposed(server, after, other).accepted == 1
    assert exposed(server, after, one).accepted == 1
    parting = profile_pb2.UnmergeSubjectsRequest(subject=one, other=other)
    server.call("ProfileService/UnmergeSubjects", parting, profile_pb2.UnmergeSubjectsResponse)
    assert exposed(server, after, other).accepted == 1
    stranger = exposed(server, after, subject(fresh()))
    assert [refused.field for refused in stranger.refused] == ["exposure.receipt"]
    counted = {
        who.id: [c.count for c in profile_of(server, who).counters if c.type == "exposure"] for who in (one, other)
    }
    assert {id_: max(counts) for id_, counts in counted.items()} == {one.id: 6, other.id: 9}


def test_a_session_cannot_be_what_stays(server: Running) -> None:
    """A session ends: to merge somebody into it is refused, by the call and as feedback."""
    visit, person = subject(fresh(), SESSION), subject(fresh())
    with pytest.raises(Refused) as refused:
        merge(server, visit, person)
    assert (refused.value.code, refused.value.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["subject"])
    event = feedback_pb2.FeedbackEvent(sequence=1, subject=visit, merge=feedback_pb2.Merge(other=person))
    assert [one.field for one in server.record(event, client=fresh()).refused] == ["subject"]


def ended(server: Running, visit: types_pb2.Subject) -> bool:
    request = profile_pb2.EndSessionRequest(subject=visit)
    return server.call("ProfileService/EndSession", request, profile_pb2.EndSessionResponse).ended


def test_shared_devices(server: Running) -> None:
    """At a kiosk nobody meets the one before: not while both visits go on, not by what is known of the kiosk, and
    nothing of a visit is left when it ended.
    """
    kiosk = fresh()
    one, two = (subject(fresh(), SESSION, (DEVICE, kiosk)) for _ in range(2))
    buys(server, subject(kiosk, DEVICE), "BREAD")
    before = first(decided(server, two))
    buys(server, one, "SOAP")
    assert first(decided(server, one)) == "SOAP"
    assert first(decided(server, two)) == before
    assert ended(server, one)
    for who in (one, two):
        with pytest.raises(Refused) as refused:
            profile_of(server, who)
        assert refused.value.code == grpc.StatusCode.NOT_FOUND
        assert decided(server, who).decisions[0].reason != 10  # not by habit
    buys(server, two, "PEARS")
    assert bought(profile_of(server, two)) == {"PEARS": 1}
    assert bought(profile_of(server, subject(kiosk, DEVICE))) == {"BREAD": 1}
    assert not ended(server, one)


def test_only_sessions_end(server: Running) -> None:
    """A person is not ended, and what a session was merged into stays."""
    with pytest.raises(Refused) as refused:
        ended(server, subject(fresh()))
    assert refused.value.fields == ["subject.kind"]
    person, visit = subject(fresh()), subject(fresh(), SESSION)
    buys(server, visit, "SOAP")
    merge(server, person, visit)
    assert (ended(server, visit), bought(profile_of(server, person))) == (False, {"SOAP": 1})


def test_a_profile_as_it_was(server: Running) -> None:
    """After a record, and at a time; before the first there is nothing; both at once is refused."""
    who = subject(fresh())
    sequences = [buys(server, who, item) for item in ("MILK", "SOAP")]
    put_consents(server, who, ads=DENIED)
    past = [profile_of(server, who, as_of_sequence=sequence) for sequence in sequences]
    assert [bought(one) for one in past] == [{"MILK": 1}, {"MILK": 1, "SOAP": 1}]
    assert [len(one.consents) for one in (*past, profile_of(server, who))] == [0, 0, 1]
    at_first = profile_of(server, who, as_of_ms=past[0].first_seen_ms)
    assert bought(at_first)["MILK"] == 1
    for nothing in ({"as_of_sequence": sequences[0] - 1}, {"as_of_ms": past[0].first_seen_ms - 1}):
        with pytest.raises(Refused) as refused:
            profile_of(server, who, **nothing)
        assert refused.value.code == grpc.StatusCode.NOT_FOUND
    with pytest.raises(Refused) as refused:
        profile_of(server, who, as_of_sequence=1, as_of_ms=1)
    assert refused.value.fields == ["as_of_ms"]


def show(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "maitred_server", "subject", "show", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("way", ["server", "data"])
def test_the_command_line_shows_a_subject(server: Running, way: str) -> None:
    """From the server, or from the data directory beside it: for people and for scripts, now and as it was."""
    who = subject(fresh())
    sequence = buys(server, who, "MILK")
    put_consents(server, who, ads=DENIED)
    given = (who.id, *(("--server", server.target) if way == "server" else ("--data", str(server.data))))
    told = json.loads(show(*given, "--json").stdout)
    assert [(one["purpose"], one["state"]) for one in told["consents"]] == [("ads", "CONSENT_STATE_DENIED")]
    then = json.loads(show(*given, "--as-of", str(sequence), "--json").stdout)
    assert (then["consents"], [one["item"] for one in then["recent"]]) == ([], ["MILK"])
    people = show(*given).stdout
    assert [word in people for word in ("denied", "MILK", "person", who.id)] == [True, True, True, False]
    for wrong in (("--as-of", "yesterday"), ("--as-of", "2001-01-01T00:00Z"), ("--kind", "household")):
        failed = show(*given, *wrong)
        assert (failed.returncode, failed.stderr.count("\n"), who.id in failed.stderr) == (1, 1, False)


def test_purchases_of_both_ids_are_one_history(server: Running) -> None:
    """Feedback under a merged id changes the one profile, whichever id asks; the wire never tells the other's id."""
    one, other = fresh(), fresh()
    merge(server, subject(one), subject(other))
    assert server.record(purchase(one, 1, "MILK"), purchase(other, 2, "MILK"), client=fresh()).accepted == 2
    found = profile_of(server, subject(one))
    assert (bought(found), found == profile_of(server, subject(other))) == ({"MILK": 2}, True)
    assert other.encode() not in found.SerializeToString()
    ask: Callable[[str], str] = lambda who: first(decided(server, subject(who)))  # noqa: E731
    assert ask(one) == ask(other) == "MILK"
