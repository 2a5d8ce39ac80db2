"""Connected clients and what must go from their caches: real servers, real clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from harness.server import PLAYBOOK, Refused, Running, eventually
from maitred import CacheConfig, Client, Config, Subject
from maitred.v1 import admin_pb2, decision_pb2, feedback_pb2, profile_pb2, types_pb2

LONG = {
    **PLAYBOOK,
    "placements.yaml": b"""
placements:
  - name: home
    slots: 5
    candidates: all
    policy: fixed
    order: [APPLES, PEARS, BREAD, MILK, SOAP]
    ttl: 1h
    stale: 1h
""",
}
CONFIG = Config(deadline=5.0)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two workers that serve answers which may be kept for long; each test has subjects of its own."""
    server = Running(tmp_path_factory.mktemp("two") / "data", "--set", "workers=2")
    server.publish(LONG)
    assert eventually(lambda: server.versions(4) == {"1"})
    yield server
    assert server.stop() == 0, server.log.read_text()


class Watching:
    """A client whose cache has answers for two subjects, and that hears what must go."""

    def __init__(self, maitred: Client, name: str) -> None:
        self.client, self.one, self.other = maitred, f"{name}-one", f"{name}-other"
        settled(maitred, self.one, self.other)
        self._before = maitred.statistics().cache_drops

    def dropped(self) -> dict[str, int]:
        """How many of its answers went since, by cause."""
        now = self.client.statistics().cache_drops
        return {cause: count for cause in now if (count := now[cause] - self._before.get(cause, 0))}

    def reasons(self) -> list[str]:
        return [self.client.decide("home", subject).reason for subject in (self.one, self.other)]


@pytest.fixture
def watching(two: Running, request: pytest.FixtureRequest) -> Iterator[Watching]:
    with Client(two.target, CONFIG) as maitred:
        yield Watching(maitred, request.node.name)


def settled(maitred: Client, *subjects: str) -> None:
    """Until answers are kept and the stream has spoken."""

    def is_kept() -> bool:
        kept = [maitred.decide("home", subject).reason == "CACHED" for subject in subjects]
        return all(kept) and maitred.statistics().watching

    assert eventually(is_kept)


def hears_again(maitred: Client) -> bool:
    """Whether the stream is back. A server that answers hurries it; by itself it is tried later and later."""
    return eventually(lambda: (maitred.decide("home", "passer-by"), maitred.statistics().watching)[1], 60)


def put_consents(server: Running, subject: str, **more: object) -> None:
    request = profile_pb2.PutConsentsRequest(subject=types_pb2.Subject(id=subject), **more)  # type: ignore[arg-type]
    server.call("ProfileService/PutConsents", request, profile_pb2.PutConsentsResponse)


def profile(server: Running, subject: str) -> profile_pb2.GetProfileResponse:
    request = profile_pb2.GetProfileRequest(subject=types_pb2.Subject(id=subject))
    return server.call("ProfileService/GetProfile", request, profile_pb2.GetProfileResponse)


def test_what_a_subject_says_elsewhere_reaches_all_clients(two: Running, watching: Watching) -> None:
    """Its cached answers go, and nobody else's."""
    put_consents(two, watching.one, intensity=types_pb2.INTENSITY_OFF)
    assert eventually(lambda: watching.dropped() == {"subject": 1})
    assert [reason == "CACHED" for reason in watching.reasons()] == [False, True]


def test_answers_by_an_alias_go_too(two: Running, watching: Watching) -> None:
    """A tag is of the subject, whichever of its ids an answer was asked for by."""
    visit = feedback_pb2.Event(type="visit")
    known = feedback_pb2.FeedbackEvent(sequence=1, subject=types_pb2.Subject(id="carl"), event=visit)
    assert two.record(known).accepted == 1
    carl = Subject("nobody yet", aliases=("carl",))
    assert eventually(lambda: watching.client.decide("home", carl).reason == "CACHED")
    put_consents(two, "carl", intensity=types_pb2.INTENSITY_OFF)
    assert eventually(lambda: watching.dropped() == {"subject": 1})
    assert watching.client.decide("home", carl).reason != "CACHED"


def test_a_merge_reaches_all_clients(two: Running, watching: Watching) -> None:
    """Answers of both subjects go."""
    subject, other = types_pb2.Subject(id=watching.one), types_pb2.Subject(id=watching.other)
    request = profile_pb2.MergeSubjectsRequest(subject=subject, other=other)
    two.call("ProfileService/MergeSubjects", request, profile_pb2.MergeSubjectsResponse)
    assert eventually(lambda: watching.dropped() == {"subject": 2})


def test_an_erasure_reaches_all_clients(two: Running, watching: Watching) -> None:
    """What is kept of who was erased goes from caches, too."""
    request = profile_pb2.DeleteProfileRequest(subject=types_pb2.Subject(id=watching.one))
    two.call("ProfileService/DeleteProfile", request, profile_pb2.DeleteProfileResponse)
    assert eventually(lambda: watching.dropped() == {"subject": 1})


def test_a_publish_empties_the_caches(two: Running, watching: Watching) -> None:
    """After a publish answers are asked for again, and are of the new version."""
    published = two.publish(LONG).versions.catalogue
    assert eventually(lambda: watching.client.decide("home", watching.one).versions.catalogue == published)
    assert watching.dropped() == {"everything": 2}
    assert eventually(lambda: two.versions(4) == {published})


def test_a_killed_item_goes_from_caches(two: Running, watching: Watching) -> None:
    """Answers with it are not served from a cache any more, and new ones do not have it."""
    states = [admin_pb2.ItemState(item="MILK", kill=True)]
    two.call("AdminService/SetItemState", admin_pb2.SetItemStateRequest(states=states), admin_pb2.SetItemStateResponse)
    assert eventually(lambda: watching.dropped() == {"item": 2})
    assert eventually(lambda: "MILK" not in watching.client.decide("home", watching.one).items)


@pytest.mark.timeout(300)
def test_after_a_restart_the_cache_is_checked(start: Callable[..., Running]) -> None:
    """What was said while a client could not hear it holds once the server is there again; the rest stays kept."""
    first = start()
    first.publish(LONG)
    with Client(first.target, CONFIG) as maitred:
        settled(maitred, "anna", "bert")
        first.stop()
        assert eventually(lambda: not maitred.statistics().watching)
        assert maitred.decide("home", "bert", timeout=0.2).reason == "STALE"
        second = start("--listen", first.target)
        put_consents(second, "anna", intensity=types_pb2.INTENSITY_CONTEXTUAL)
        assert hears_again(maitred)
        assert eventually(lambda: maitred.statistics().cache_drops == {"subject": 1})
        assert maitred.decide("home", "bert").reason == "CACHED"


@pytest.mark.timeout(300)
def test_after_a_publish_in_between_everything_goes(start: Callable[..., Running]) -> None:
    """A client that comes back and knows of another catalogue begins anew."""
    first = start()
    first.publish(LONG)
    with Client(first.target, CONFIG) as maitred:
        settled(maitred, "anna", "bert")
        first.stop()
        second = start("--listen", "127.0.0.1:0")
        second.publish(LONG)
        second.stop()
        start("--listen", first.target)
        assert hears_again(maitred)
        assert eventually(lambda: maitred.decide("home", "anna").versions.catalogue == "2")
        assert maitred.statistics().cache_drops["everything"] >= 1


@pytest.mark.timeout(300)
def test_not_for_me_holds_offline_and_after(start: Callable[..., Running], tmp_path: Path) -> None:
    """Said while the server is down, in force at once, also in a process that begins then; later it is remembered."""
    first = start()
    first.publish(LONG)
    config = Config(deadline=5.0, outbox=tmp_path / "outbox.db")
    with Client(first.target, config) as maitred:
        settled(maitred, "anna")
        first.stop()
        maitred.not_for_me("anna", item="MILK", reason="not my taste")
        maitred.not_for_me("anna", group="fruit")
        assert maitred.decide("home", "anna", timeout=0.2).items == ("BREAD", "SOAP")
    second = start("--listen", first.target)
    with Client(second.target, config) as maitred:
        assert eventually(lambda: maitred.decide("home", "anna").error == "", 60)
        assert not {"MILK", "APPLES", "PEARS"} & set(maitred.decide("home", "anna").items)
        assert maitred.flush(20)
        told = [(one.item, one.group) for one in profile(second, "anna").objections]
        assert sorted(told) == [("", "fruit"), ("MILK", "")]
        maitred.take_back("anna", item="MILK")
        assert maitred.flush(20)
        assert [one.group for one in profile(second, "anna").objections] == ["fruit"]


def test_an_intensity_is_remembered(server: Running) -> None:
    """It comes back as it was put, by a plain call or as feedback of the SDK."""
    put_consents(server, "intense", intensity=types_pb2.INTENSITY_EXPLICIT)
    assert profile(server, "intense").intensity == types_pb2.INTENSITY_EXPLICIT
    with Client(server.target, CONFIG) as maitred:
        maitred.set_intensity("intense", "contextual")
        assert maitred.flush(20)
    assert profile(server, "intense").intensity == types_pb2.INTENSITY_CONTEXTUAL
    assert list(profile(server, "intense").consents) == []


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"not_for_me": feedback_pb2.NotForMe()}, "not_for_me.item"),
        ({"not_for_me": feedback_pb2.NotForMe(item="A", group="B")}, "not_for_me.item"),
        ({"not_for_me": feedback_pb2.NotForMe(item="A", reason="x" * 1025)}, "not_for_me.reason"),
        ({"not_for_me": feedback_pb2.NotForMe(item="A\n")}, "not_for_me.item"),
        ({"consents": feedback_pb2.ConsentsPut()}, "consents.consents"),
        ({"consents": {"consents": [{"purpose": "intensity:any", "state": 1}]}}, "consents.consents[0].purpose"),
        ({"consents": {"consents": [{"purpose": "not-for-me:item:A", "state": 1}]}}, "consents.consents[0].purpose"),
        ({"event": {"type": "view"}, "purpose": "intensity:any"}, "purpose"),
    ],
)
def test_what_is_wrong_is_refused(server: Running, event: dict[str, object], field: str) -> None:
    """Each with the field that is wrong."""
    wire = feedback_pb2.FeedbackEvent(sequence=1, subject=types_pb2.Subject(id="wrong"), **event)  # type: ignore[arg-type]
    result = server.record(wire, client=f"wrong {field} {event}"[:60])
    assert [(refused.code, refused.field) for refused in result.refused] == [(3, field)]


def test_an_unknown_intensity_is_refused(server: Running) -> None:
    """With the field."""
    with pytest.raises(Refused) as refused:
        put_consents(server, "wrong", intensity=9)
    assert refused.value.fields == ["intensity"]


def test_a_subject_with_too_many_objections_is_told_so(server: Running) -> None:
    """The 257th is refused with what would be right, and costs no other event."""
    events = [
        feedback_pb2.FeedbackEvent(
            sequence=number + 1,
            subject=types_pb2.Subject(id="grumpy"),
            not_for_me=feedback_pb2.NotForMe(item=f"I{number}"),
        )
        for number in range(257)
    ]
    assert server.record(*events[:256], client="grumpy").accepted == 256
    (refused,) = server.record(events[256], client="grumpy").refused
    assert (refused.code, refused.field) == (3, "not_for_me")
    assert "take some back first" in refused.message


def test_watching_needs_the_role(start: Callable[..., Running], tmp_path: Path) -> None:
    """Without `decide` there is no stream."""
    from hashlib import sha256

    access = tmp_path / "access.toml"
    digest = sha256(b"secret").hexdigest()
    access.write_text(f'[[key]]\nname = "f"\nbrand = "shop"\nroles = ["feedback"]\nsha256 = "{digest}"\n')
    server = start("--set", f"access={access}")
    call: grpc.StreamStreamMultiCallable[bytes, bytes] = server.channel.stream_stream(
        "/maitred.v1.DecisionService/Watch"
    )
    request = decision_pb2.WatchRequest().SerializeToString()
    with pytest.raises(grpc.RpcError) as refused:
        next(call(iter([request]), metadata=(("authorization", "Bearer secret"),), timeout=20))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_without_a_cache_nothing_is_watched(server: Running) -> None:
    """A client that keeps no answers opens no stream."""
    with Client(server.target, Config(deadline=5.0, cache=CacheConfig(entries=0))) as maitred:
        maitred.decide("home", "anna")
        assert maitred.statistics().watching is False
