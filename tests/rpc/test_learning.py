"""A server learns: what is shown and what comes of it is in the models that it serves with."""

from __future__ import annotations

from collections.abc import Callable

from harness.server import PLAYBOOK, Running, eventually
from maitred.v1 import decision_pb2, feedback_pb2, profile_pb2, types_pb2
from maitred_server.learn.publish import policy_folder
from maitred_server.policy.linear import Model
from maitred_server.policy.snapshot import open_snapshot
from maitred_server.store.published import current

PLACEMENTS = b"""
placements:
  - name: home
    slots: 2
    policy: inverse_gap
    learning:
      responses: [{type: purchase, wait: 7d}, {type: dismissed, wait: 1d, worth: -0.5}]
"""


def told(subject: str, sequence: int, **kind: object) -> feedback_pb2.FeedbackEvent:
    return feedback_pb2.FeedbackEvent(subject=types_pb2.Subject(id=subject), sequence=sequence, **kind)  # type: ignore[arg-type]


def shown(answer: decision_pb2.DecideResponse) -> feedback_pb2.Exposure:
    (decision,) = answer.decisions
    return feedback_pb2.Exposure(receipt=answer.receipt, decision_id=decision.decision_id)


def came(answer: decision_pb2.DecideResponse, item: str) -> feedback_pb2.Outcome:
    (decision,) = answer.decisions
    return feedback_pb2.Outcome(type="purchase", item=item, receipt=answer.receipt, decision_id=decision.decision_id)


def served(server: Running) -> Model | None:
    folder = policy_folder(server.data, "default")
    version = current(folder)
    return open_snapshot(folder, version).model("home") if version else None


def test_what_was_shown_is_learned(start: Callable[..., Running]) -> None:
    """Exposures and outcomes over the wire are in the served model: of 12 decisions 24 choices, 12 of them bought; and
    when one of the subjects is erased, its part is in it no more.
    """
    server = start("--set", "publish_interval_s=0.05")
    server.publish({**PLAYBOOK, "placements.yaml": PLACEMENTS})
    for number in range(12):
        subject = f"subject-{number}"
        answer = server.decide(subject)
        first = answer.decisions[0].slate[0].item
        events = (
            told(subject, 2 * number + 1, exposure=shown(answer)),
            told(subject, 2 * number + 2, outcome=came(answer, first)),
        )
        assert server.record(*events).accepted == 2

    def holds(exposures: float) -> bool:
        model = served(server)
        return model is not None and (model.exposures, model.means.tolist()) == (exposures, [0.5, 0.0])

    assert eventually(lambda: holds(24.0))
    erase = profile_pb2.DeleteProfileRequest(subject=types_pb2.Subject(id="subject-3"))
    assert server.call("ProfileService/DeleteProfile", erase, profile_pb2.DeleteProfileResponse).deleted
    assert eventually(lambda: holds(22.0))
