from __future__ import annotations

from itertools import pairwise

import pytest
from maitred.v1 import decision_pb2
from maitred_server import admin_client
from maitred_server.decide.rule_filter import Refusal
from maitred_server.playbook.control import Rule
from maitred_tools.demo import funnel
from maitred_tools.demo.funnel import SAMPLE, Funnel, sampled
from maitred_tools.demo.process import ServerFailedError

CAP = "contact policy `not again and again`: shown 3 times in 7d, at most 3, then nothing for 14d"


def _told(*fallen: tuple[str, str], repeated: bool = True, note: str = "") -> decision_pb2.ExplainResponse:
    """Ten candidates of which some fell."""
    stages = ["candidates", *dict.fromkeys(stage for stage, _ in fallen)]
    left = [10 - sum(stages.index(stage) <= at for stage, _ in fallen) for at in range(len(stages))]
    placement = decision_pb2.PlacementExplanation(
        placement="till-more",
        funnel=[decision_pb2.FunnelStage(name=name, left=left[at]) for at, name in enumerate(stages)],
        candidates=[
            decision_pb2.CandidateExplanation(item=str(number), fell_at=stage, why=[why])
            for number, (stage, why) in enumerate(fallen)
        ],
    )
    return decision_pb2.ExplainResponse(placements=[placement], repeated=repeated, notes=[note] if note else [])


def test_figures_are_means_of_a_decision() -> None:
    """What is left after each stage and what fell by name are divided by the number of decisions."""
    found = Funnel()
    found.add(_told(("contact policy", CAP), ("contact policy", CAP), ("once a page", "the page shows it already")))
    found.add(_told(("contact policy", CAP)))
    assert found.stages() == [("candidates", 10.0), ("contact policy", 8.5), ("once a page", 3.5)]
    assert found.reasons() == [("contact policy", "not again and again", 1.5), ("once a page", "", 0.5)]


def test_a_stage_that_closes_nothing_is_left_out() -> None:
    """Stages that leave as much as the one before say nothing, and are not shown."""
    told = _told(("suitability", ""))
    told.placements[0].funnel.insert(1, decision_pb2.FunnelStage(name="live state", left=10))
    found = Funnel()
    found.add(told)
    assert [name for name, _ in found.stages()] == ["candidates", "suitability"]


def test_a_rule_is_found_by_the_servers_own_words() -> None:
    """The name of a rule is read from what the server says of it, also when a reason stands beside it."""
    rule = Rule(name="tobacco at the kiosk", layer="suitability", expression='context.counter == "kiosk"', plan=b"")
    found = Funnel()
    found.add(_told(("suitability", str(Refusal(rule, ("context.counter is absent",))))))
    assert found.reasons() == [("suitability", "tobacco at the kiosk", 1.0)]


def test_another_answer_without_a_note_is_one_that_differs() -> None:
    """A decision that comes out differently is a fault, unless the server says what it could not know again."""
    found = Funnel()
    for told in (_told(), _told(repeated=False, note="feedback was not durable yet"), _told(repeated=False)):
        found.add(told)
    assert (found.decisions, found.repeated, found.differ) == (3, 1, 1)
    assert found.notes == {"feedback was not durable yet": 1}


@pytest.mark.parametrize("visits", [1, 5, 200, 201, 40_000, 155_659])
def test_samples_are_spread_evenly(visits: int) -> None:
    """Two hundred visits, all of them when there are fewer, from all over the run."""
    found = sorted(sampled(visits))
    assert len(found) == min(visits, SAMPLE)
    gaps = {after - before for before, after in pairwise([0, *found, visits])}
    assert max(gaps) <= max(1, -(-visits // SAMPLE))


def test_a_server_that_does_not_answer_is_said_in_words() -> None:
    """Without a server there is an error that the demo shows as one line."""
    with pytest.raises(ServerFailedError, match="could not explain its decisions"):
        funnel.explain("127.0.0.1:1", [b"receipt"])


def test_households_that_told_nothing_are_asked_about_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are all alike to the server: one of them is asked about; those who told something each for itself."""
    asked: list[str] = []

    def explain(_server: str, _key: None, visit: admin_client.Visit, *_: object) -> decision_pb2.ExplainResponse:
        asked.append(visit.id)
        return decision_pb2.ExplainResponse(segments=["families" if visit.id == "household-1" else "strangers"])

    monkeypatch.setattr(admin_client, "explain", explain)
    found = funnel.segments("", [1, 2, 1, 3], told={1: {}})
    assert found == {1: ("families",), 2: ("strangers",), 3: ("strangers",)}
    assert asked == ["household-1", "household-2"]
