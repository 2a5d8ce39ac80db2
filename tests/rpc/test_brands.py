"""Two brands on one server never see each other: every call, with the same ids in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from queue import Queue
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from harness.server import PLAYBOOK, Refused, Running, eventually
from maitred.v1 import admin_pb2, decision_pb2, feedback_pb2, profile_pb2, types_pb2
from maitred_server.rpc.access import ALL_ROLES
from maitred_server.rpc.handlers import METHODS

ONE, TWO = "key of one", "key of two"
ANNA, VISIT = (
    types_pb2.Subject(kind="SUBJECT_KIND_PERSON", id="anna"),
    types_pb2.Subject(kind="SUBJECT_KIND_SESSION", id="visit"),
)
OTHER = types_pb2.Subject(kind="SUBJECT_KIND_DEVICE", id="other")
CANARY = "CANARY-OF-ONE"
BY_HABIT = 10


class Brands:
    """One server with a key for each of two brands."""

    def __init__(self, server: Running) -> None:
        self.server = server

    def ask(self, method: str, request: Message, key: str) -> Any:
        """What a call answers, or with which status it ends."""
        try:
            return self.server.raw(method, request.SerializeToString(), key=key)
        except Refused as refused:
            return refused.code

    def call(self, method: str, request: Message, answer: type[Any], key: str) -> Any:
        return answer.FromString(self.server.raw(method, request.SerializeToString(), key=key))

    def decide(self, key: str) -> decision_pb2.DecideResponse:
        request = decision_pb2.DecideRequest(subject=ANNA, placements=[home()])
        found: decision_pb2.DecideResponse = self.call(
            "DecisionService/Decide", request, decision_pb2.DecideResponse, key
        )
        return found

    def decides(self, key: str) -> bool:
        request = decision_pb2.DecideRequest(subject=ANNA, placements=[home()])
        return isinstance(self.ask("DecisionService/Decide", request, key), bytes)

    def sees_other(self, key: str, than: dict[str, Any]) -> bool:
        return self.seen(key) != than

    def record(self, key: str, *events: feedback_pb2.FeedbackEvent) -> feedback_pb2.BatchResult:
        found: feedback_pb2.RecordResponse = self.call(
            "FeedbackService/Record", recorded(*events), feedback_pb2.RecordResponse, key
        )
        return found.result

    def seen(self, key: str) -> dict[str, Any]:
        """All that a brand can read, by call; without what is told of the server as a whole."""
        return {
            **{name: self.ask(name, request, key) for name, request in READS.items()},
            "DecisionService/Decide": slate(self.decide(key)),
            "AdminService/GetStatus": status(
                self.call("AdminService/GetStatus", admin_pb2.GetStatusRequest(), admin_pb2.GetStatusResponse, key)
            ),
        }


def home() -> decision_pb2.PlacementRequest:
    return decision_pb2.PlacementRequest(placement="home")


def slate(answer: decision_pb2.DecideResponse) -> list[tuple[str, int]]:
    return [(choice.item, choice.reason) for choice in answer.decisions[0].slate]


def status(answer: admin_pb2.GetStatusResponse) -> tuple[str, int, int]:
    return answer.versions.catalogue, answer.items, answer.placements


def recorded(*events: feedback_pb2.FeedbackEvent) -> feedback_pb2.RecordRequest:
    return feedback_pb2.RecordRequest(batch=feedback_pb2.FeedbackBatch(client="till", epoch=1, events=events))


def buys(sequence: int, item: str = CANARY, who: types_pb2.Subject = ANNA) -> feedback_pb2.FeedbackEvent:
    event = feedback_pb2.Event(type="purchase", item=item)
    return feedback_pb2.FeedbackEvent(sequence=sequence, subject=who, event=event)


def pair(request: type[Message]) -> Message:
    return request(subject=ANNA, other=OTHER)


READS: dict[str, Message] = {
    "ProfileService/GetProfile": profile_pb2.GetProfileRequest(subject=ANNA, recent=99),
    "ProfileService/ExportSubject": profile_pb2.ExportSubjectRequest(subject=ANNA),
    "AdminService/GetItemState": admin_pb2.GetItemStateRequest(),
    "AdminService/ListVersions": admin_pb2.ListVersionsRequest(),
}
# What each call changes for its own brand, and must not for the other.
WRITES: dict[str, Message] = {
    "FeedbackService/Record": recorded(buys(1)),
    "ProfileService/RecordEvents": recorded(buys(2)),
    "ProfileService/PutTraits": profile_pb2.PutTraitsRequest(
        subject=ANNA, traits=[types_pb2.Trait(name=CANARY, value=types_pb2.Value(flag=True))]
    ),
    "ProfileService/PutConsents": profile_pb2.PutConsentsRequest(
        subject=ANNA, consents=[types_pb2.Consent(purpose=CANARY, state="CONSENT_STATE_DENIED")]
    ),
    "ProfileService/MergeSubjects": pair(profile_pb2.MergeSubjectsRequest),
    "ProfileService/UnmergeSubjects": pair(profile_pb2.UnmergeSubjectsRequest),
    "AdminService/SetItemState": admin_pb2.SetItemStateRequest(states=[admin_pb2.ItemState(item="MILK", kill=True)]),
    "AdminService/ImportItems": admin_pb2.ImportItemsRequest(items=[admin_pb2.Item(id=CANARY)]),
    "AdminService/Publish": admin_pb2.PublishRequest(
        files={**PLAYBOOK, "items.jsonl": PLAYBOOK["items.jsonl"] + b'\n{"id": "ONLY-ONE"}'}
    ),
    "AdminService/Rollback": admin_pb2.RollbackRequest(version="1"),
    "ProfileService/DeleteProfile": profile_pb2.DeleteProfileRequest(subject=ANNA),
}
# Calls that are looked at in tests of their own, below.
APART = {
    "DecisionService/Decide",
    "DecisionService/DecideBatch",
    "DecisionService/Explain",
    "DecisionService/Watch",
    "FeedbackService/Stream",
    "ProfileService/EndSession",
    "ProfileService/GetErasure",
    "AdminService/DiffPlaybook",
    "AdminService/PreviewPlaybook",
    "AdminService/GetStatus",
}


@pytest.fixture(scope="module")
def brands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brands]:
    folder = tmp_path_factory.mktemp("brands")
    access = folder / "access.toml"
    access.write_text("".join(entry(key, brand) for key, brand in ((ONE, "one.live"), (TWO, "two.live"))))
    server = Running(folder / "data", "--set", f"access={access}")
    made = Brands(server)
    for key in (ONE, TWO):
        made.call("AdminService/Publish", admin_pb2.PublishRequest(files=PLAYBOOK), admin_pb2.PublishResponse, key)
        assert eventually(partial(made.decides, key))
    yield made
    server.stop()


def entry(key: str, brand: str) -> str:
    digest, roles = sha256(key.encode()).hexdigest(), sorted(ALL_ROLES)
    return f'[[key]]\nsha256 = "{digest}"\nbrand = "{brand}"\nroles = {roles}\n'


def test_every_call_is_looked_at() -> None:
    """No call is left out of these tests."""
    assert set(METHODS) == READS.keys() | WRITES.keys() | APART


def test_what_one_brand_changes_the_other_never_sees(brands: Brands) -> None:
    """Call by call, with the same ids and names in both: what the other brand reads stays what it was."""
    two = brands.seen(TWO)
    for method, request in WRITES.items():
        one = brands.seen(ONE)
        assert not isinstance(brands.ask(method, request, ONE), grpc.StatusCode), method
        if method not in ("AdminService/ImportItems", "ProfileService/DeleteProfile"):
            assert eventually(partial(brands.sees_other, ONE, one)), method
        assert brands.seen(TWO) == two, method
        assert CANARY not in repr(brands.seen(TWO)), method


def test_decisions_are_made_by_the_callers_own_brand(brands: Brands) -> None:
    """By habit in the one that knows the subject, not in the other; in a batch too."""
    milk = [buys(10 + number, "BREAD", OTHER) for number in range(3)]
    assert brands.record(ONE, *milk).accepted == 3
    request = decision_pb2.DecideBatchRequest(requests=[decision_pb2.DecideRequest(subject=OTHER, placements=[home()])])
    answers = [
        brands.call("DecisionService/DecideBatch", request, decision_pb2.DecideBatchResponse, key) for key in (ONE, TWO)
    ]
    first = [answer.results[0].response.decisions[0].slate[0] for answer in answers]
    assert (first[0].item, first[0].reason) == ("BREAD", BY_HABIT)
    assert first[1].reason != BY_HABIT


def test_a_receipt_is_of_no_use_to_the_other_brand(brands: Brands) -> None:
    """It is the receipt of another subject there, though the id is the same; and it explains nothing to it."""
    answer = brands.decide(ONE)
    shown = feedback_pb2.Exposure(decision_id=answer.decisions[0].decision_id, receipt=answer.receipt)
    event = feedback_pb2.FeedbackEvent(sequence=30, subject=ANNA, exposure=shown)
    assert [refused.field for refused in brands.record(TWO, event).refused] == ["exposure.receipt"]
    assert brands.record(ONE, event).accepted == 1
    past = decision_pb2.ExplainRequest(past=decision_pb2.PastDecision(receipt=answer.receipt))
    assert brands.ask("DecisionService/Explain", past, TWO) is grpc.StatusCode.PERMISSION_DENIED
    assert isinstance(brands.ask("DecisionService/Explain", past, ONE), bytes)


def test_explanations_are_of_the_callers_own_brand(brands: Brands) -> None:
    """What is seen of the subject in one is not seen of the one with the same id in the other."""
    assert brands.record(ONE, *(buys(20 + number, "SOAP", OTHER) for number in range(2))).accepted == 2
    asked = decision_pb2.DecideRequest(subject=OTHER, placements=[home()])
    request = decision_pb2.ExplainRequest(request=asked)
    one, two = (
        brands.call("DecisionService/Explain", request, decision_pb2.ExplainResponse, key) for key in (ONE, TWO)
    )
    assert BY_HABIT in [choice.reason for choice in one.placements[0].slate]
    assert BY_HABIT not in [choice.reason for choice in two.placements[0].slate]


def test_a_playbook_is_compared_with_the_brands_own(brands: Brands) -> None:
    """What one has in force and the other has not differs for the one alone; who would see what is told of its own."""
    more = {
        **PLAYBOOK,
        "items.jsonl": PLAYBOOK["items.jsonl"] + b'\n{"id": "ONLY-ONE"}',
        "placements.yaml": PLAYBOOK["placements.yaml"].replace(b"slots: 3", b"slots: 1"),
    }
    brands.call("AdminService/Publish", admin_pb2.PublishRequest(files=more), admin_pb2.PublishResponse, ONE)
    compared = admin_pb2.DiffPlaybookRequest(files=PLAYBOOK)
    one, two = (
        brands.call("AdminService/DiffPlaybook", compared, admin_pb2.DiffPlaybookResponse, key) for key in (ONE, TWO)
    )
    assert ["ONLY-ONE" in repr(answer.changes) for answer in (one, two)] == [True, False]
    assert brands.record(ONE, *(buys(80 + number, "BREAD", OTHER) for number in range(2))).accepted == 2
    fixed = PLAYBOOK["placements.yaml"].replace(b"policy: habit", b"policy: fixed\n    order: [MILK]")
    tried = admin_pb2.PreviewPlaybookRequest(
        files={**PLAYBOOK, "placements.yaml": fixed}, subjects=[admin_pb2.PreviewSubject(subject=OTHER)]
    )
    shares = [
        brands.call("AdminService/PreviewPlaybook", tried, admin_pb2.PreviewPlaybookResponse, key).changes
        for key in (ONE, TWO)
    ]
    seen = [{change.item for change in some if change.placement == "home" and change.before == 1.0} for some in shares]
    assert seen[0] == {"BREAD"}
    assert seen[1] != {"BREAD"}


def test_news_of_one_brand_is_no_news_of_the_other(brands: Brands) -> None:
    """A consent in one is announced to its own clients; the other's next news is of its own."""
    asked: list[Queue[bytes | None]] = [Queue(), Queue()]
    watches = [_watch(brands, queue, key) for queue, key in zip(asked, (ONE, TWO), strict=True)]
    for watch in watches:
        next(watch)  # what there is to know at first
    said = types_pb2.Consent(purpose="letters", state="CONSENT_STATE_DENIED")
    for key in (ONE, TWO):
        request = profile_pb2.PutConsentsRequest(subject=VISIT if key == ONE else OTHER, consents=[said])
        brands.call("ProfileService/PutConsents", request, profile_pb2.PutConsentsResponse, key)
    one, two = (_subjects(watch) for watch in watches)
    assert len(one) == len(two) == 1
    assert one != two
    for queue in asked:
        queue.put(None)


def _watch(brands: Brands, asked: Queue[bytes | None], key: str) -> Any:
    """It lasts until None is put into the queue."""
    call: Any = brands.server.channel.stream_stream("/maitred.v1.DecisionService/Watch")
    asked.put(decision_pb2.WatchRequest().SerializeToString())
    return call(iter(asked.get, None), metadata=(("authorization", f"Bearer {key}"),), timeout=60)


def _subjects(watch: Any) -> set[bytes]:
    """Of the first news that names some."""
    return next(set(news.subjects) for news in map(decision_pb2.WatchResponse.FromString, watch) if news.subjects)


def test_resends_are_told_apart(brands: Brands) -> None:
    """The same client, epoch and sequence are another event in another brand, in one message and over a stream."""
    assert [brands.record(key, buys(40)).accepted for key in (ONE, TWO)] == [1, 1]
    batch = feedback_pb2.FeedbackBatch(client="tablet", epoch=1, events=[buys(1)])
    assert [streamed(brands, batch, key).result.accepted for key in (ONE, TWO, ONE)] == [1, 1, 0]
    greeting = feedback_pb2.FeedbackBatch(client="till", epoch=1)
    assert streamed(brands, greeting, ONE).acknowledged_through == streamed(brands, greeting, ONE).acknowledged_through
    brands.record(ONE, *(buys(sequence) for sequence in range(1, 61)))
    assert [streamed(brands, greeting, key).acknowledged_through for key in (ONE, TWO)] == [60, 0]


def streamed(brands: Brands, batch: feedback_pb2.FeedbackBatch, key: str) -> feedback_pb2.StreamResponse:
    call: Callable[..., Any] = brands.server.channel.stream_stream("/maitred.v1.FeedbackService/Stream")
    message = feedback_pb2.StreamRequest(batch=batch).SerializeToString()
    answers = call(iter([message]), metadata=(("authorization", f"Bearer {key}"),), timeout=20)
    return feedback_pb2.StreamResponse.FromString(next(answers))


def test_a_session_ends_in_its_own_brand(brands: Brands) -> None:
    """The visit of the same id goes on in the other."""
    assert [brands.record(key, buys(70, who=VISIT)).accepted for key in (ONE, TWO)] == [1, 1]
    request = profile_pb2.EndSessionRequest(subject=VISIT)
    asked = profile_pb2.GetProfileRequest(subject=VISIT)
    assert brands.call("ProfileService/EndSession", request, profile_pb2.EndSessionResponse, ONE).ended
    assert brands.ask("ProfileService/GetProfile", asked, ONE) == grpc.StatusCode.NOT_FOUND
    assert isinstance(brands.ask("ProfileService/GetProfile", asked, TWO), bytes)


def test_an_erasure_names_nobody(brands: Brands) -> None:
    """What GetErasure tells are numbers and times, under an id that only the erasing call gave."""
    deletion = profile_pb2.DeleteProfileRequest(subject=ANNA)
    done = brands.call("ProfileService/DeleteProfile", deletion, profile_pb2.DeleteProfileResponse, ONE)
    request = profile_pb2.GetErasureRequest(erasure_id=done.erasure.erasure_id)
    answer = brands.ask("ProfileService/GetErasure", request, ONE)
    assert b"anna" not in answer
    assert CANARY.encode() not in answer
    unknown = profile_pb2.GetErasureRequest(erasure_id="0" * 32)
    assert brands.ask("ProfileService/GetErasure", unknown, TWO) == grpc.StatusCode.NOT_FOUND
