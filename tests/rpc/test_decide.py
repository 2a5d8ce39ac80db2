from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import grpc
import pytest
from harness.server import PLAYBOOK, Refused, Running, purchase
from maitred.v1 import decision_pb2, feedback_pb2, types_pb2


def items(decision: decision_pb2.PlacementDecision) -> list[str]:
    return [choice.item for choice in decision.slate]


def test_a_stranger_is_served_at_once(server: Running) -> None:
    """Of a subject nobody ever saw a full slate comes back, with content, probabilities and a receipt."""
    answer = server.decide("stranger")
    (decision,) = answer.decisions
    assert [choice.slot for choice in decision.slate] == [0, 1, 2]
    assert len(set(items(decision))) == 3
    assert all(choice.action_probability == 1.0 for choice in decision.slate)
    assert decision.slate[0].content == f'{{"title":"{items(decision)[0].title()}"}}'.encode()
    assert (decision.ttl_ms, decision.policy, decision.reason) == (5_000, "habit", types_pb2.REASON_POPULAR)
    assert answer.receipt
    assert answer.versions.catalogue == "1"


def test_habit_serves_what_this_subject_bought_most(server: Running) -> None:
    """After two purchases of soap and one of milk those lead, with the reason HABIT; another subject is untouched."""
    bought = ["SOAP", "SOAP", "MILK"]
    server.record(*(purchase("habitual", number, item) for number, item in enumerate(bought, 1)), client="h")
    (decision,) = server.decide("habitual").decisions
    assert items(decision)[:2] == ["SOAP", "MILK"]
    assert [choice.reason for choice in decision.slate][:2] == [types_pb2.REASON_HABIT] * 2
    assert decision.slate[2].reason == types_pb2.REASON_POPULAR
    assert server.decide("not-habitual").decisions[0].reason == types_pb2.REASON_POPULAR


def test_pending_feedback_counts_in_this_answer_and_is_not_kept(server: Running) -> None:
    """Feedback that travels with a request is used for it; the next request without it knows nothing of it."""
    batch = feedback_pb2.FeedbackBatch(client="pending", epoch=1, events=[purchase("pending", 1, "SOAP")])
    assert items(server.decide("pending", pending=batch).decisions[0])[0] == "SOAP"
    assert server.decide("pending").decisions[0].reason == types_pb2.REASON_POPULAR


def test_pending_feedback_that_is_durable_counts_once(server: Running) -> None:
    """What the server already has changes nothing when it travels along again: one purchase of each stays a tie."""
    events = [purchase("twice", 1, "BREAD"), purchase("twice", 2, "SOAP"), purchase("twice", 3, "SOAP")]
    server.record(*events, client="twice")
    more = feedback_pb2.FeedbackBatch(client="twice", epoch=1, events=[events[0], purchase("twice", 4, "BREAD")])
    (decision,) = server.decide("twice", pending=more).decisions
    priorities = {choice.item: int(choice.priority) for choice in decision.slate}
    assert priorities["SOAP"] == priorities["BREAD"] == 2


def test_another_subjects_pending_feedback_is_not_used(server: Running) -> None:
    """A request can only bring feedback about its own subject."""
    batch = feedback_pb2.FeedbackBatch(client="foreign", epoch=1, events=[purchase("somebody-else", 1, "SOAP")])
    assert server.decide("me", pending=batch).decisions[0].reason == types_pb2.REASON_POPULAR


def test_a_page_repeats_no_item(server: Running) -> None:
    """Over the placements of one request no item comes twice."""
    answer = server.decide("page", "banner", "home", "lottery")
    shown = [item for decision in answer.decisions for item in items(decision)]
    assert [decision.placement for decision in answer.decisions] == ["banner", "home", "lottery"]
    assert shown[0] == "PEARS"
    assert len(shown) == len(set(shown)) == 5  # there are five items, for six slots


def test_fixed_serves_the_written_order(server: Running) -> None:
    """A `fixed` placement serves its order, by rule, and as many as are asked for."""
    request = decision_pb2.PlacementRequest(placement="banner", slots=2)
    wire = decision_pb2.DecideRequest(subject=types_pb2.Subject(id="f"), placements=[request])
    (decision,) = server.call("DecisionService/Decide", wire, decision_pb2.DecideResponse).decisions
    assert items(decision) == ["PEARS", "APPLES"]
    assert decision.reason == types_pb2.REASON_RULE


def test_uniform_reports_conditional_probabilities_and_explores(server: Running) -> None:
    """`uniform` reports 1/5 and then 1/4, and over 200 requests every item leads sometimes."""
    answers = [server.decide("u", "lottery").decisions[0] for _ in range(200)]
    assert {tuple(choice.action_probability for choice in one.slate) for one in answers} == {(0.2, 0.25)}
    assert len(Counter(items(one)[0] for one in answers)) == 5


def test_a_subject_is_found_by_an_alias(server: Running) -> None:
    """When nothing is known of the id, the first alias of which something is known is used, kind and all."""
    event = purchase("card-7", 1, "MILK")
    event.subject.kind = types_pb2.SUBJECT_KIND_HOUSEHOLD
    server.record(event, client="alias")
    alias = types_pb2.SubjectAlias(kind=types_pb2.SUBJECT_KIND_HOUSEHOLD, id="card-7")
    request = decision_pb2.DecideRequest(
        subject=types_pb2.Subject(id="visitor", aliases=[types_pb2.SubjectAlias(id="nobody"), alias]),
        placements=[decision_pb2.PlacementRequest(placement="home")],
    )
    (decision,) = server.call("DecisionService/Decide", request, decision_pb2.DecideResponse).decisions
    assert items(decision)[0] == "MILK"
    # A person of that id is another subject.
    assert server.decide("card-7").decisions[0].reason == types_pb2.REASON_POPULAR


def test_a_batch_answers_each_request_on_its_own(server: Running) -> None:
    """A request that cannot be decided gets its status; the ones beside it are answered."""
    good = decision_pb2.DecideRequest(
        subject=types_pb2.Subject(id="b"), placements=[decision_pb2.PlacementRequest(placement="home")]
    )
    bad = decision_pb2.DecideRequest(
        subject=types_pb2.Subject(id="b"), placements=[decision_pb2.PlacementRequest(placement="hoem")]
    )
    request = decision_pb2.DecideBatchRequest(requests=[good, bad, good])
    results = server.call("DecisionService/DecideBatch", request, decision_pb2.DecideBatchResponse).results
    assert [one.WhichOneof("result") for one in results] == ["response", "error", "response"]
    assert results[1].error.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert "did you mean home" in results[1].error.message


def test_nothing_published_is_said(start: Callable[..., Running]) -> None:
    """Before the first publish a decision is refused as a precondition; after it, the same server decides."""
    running = start()
    with pytest.raises(Refused, match="publish a playbook") as refused:
        running.decide("x")
    assert refused.value.code is grpc.StatusCode.FAILED_PRECONDITION
    running.publish()
    assert running.decide("x").decisions


def test_the_holdout_gets_the_baseline(start: Callable[..., Running]) -> None:
    """Subjects of the holdout get the baseline, marked HOLDOUT, whatever the arms say; about the share that was set."""
    running = start()
    split = b"  - {name: split, unit: person, arms: [{name: u, share: 1.0, policies: {home: uniform}}]}"
    book = b"name: held\nholdout: {share: 0.5}\nlayers:\n" + split
    running.publish({**PLAYBOOK, "playbook.yaml": book})
    answers = [running.decide(f"subject-{number}") for number in range(200)]
    held = [one for one in answers if "holdout" in {arm.layer for arm in one.arms}]
    assert 60 < len(held) < 140
    assert {one.decisions[0].reason for one in held} == {types_pb2.REASON_HOLDOUT}
    assert {one.decisions[0].policy for one in held} == {"popular"}
    assert {one.decisions[0].policy for one in answers if one not in held} == {"uniform"}


def test_decide_at_needs_a_replay_clock(start: Callable[..., Running], server: Running) -> None:
    """`at_ms` is refused by a live server and is the clock of one that replays."""
    with pytest.raises(Refused, match="replay clock") as refused:
        server.decide("x", at_ms=1_490_000_000_000)
    assert refused.value.code is grpc.StatusCode.FAILED_PRECONDITION
    replaying = start("--replay-clock")
    replaying.publish()
    assert replaying.decide("x", at_ms=1_490_000_000_000).decided_at_ms == 1_490_000_000_000
