from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest
from harness.server import PLAYBOOK, Refused, Running, eventually, purchase
from maitred.v1 import admin_pb2, profile_pb2, types_pb2

EXPLICIT, INFERRED = types_pb2.TRAIT_SOURCE_EXPLICIT, types_pb2.TRAIT_SOURCE_INFERRED


def subject(name: str) -> types_pb2.Subject:
    return types_pb2.Subject(id=name)


def put(server: Running, name: str, *traits: types_pb2.Trait) -> int:
    request = profile_pb2.PutTraitsRequest(subject=subject(name), traits=traits)
    return server.call("ProfileService/PutTraits", request, profile_pb2.PutTraitsResponse).journal_sequence


def get(server: Running, name: str, recent: int = 0) -> profile_pb2.GetProfileResponse:
    request = profile_pb2.GetProfileRequest(subject=subject(name), recent=recent)
    return server.call("ProfileService/GetProfile", request, profile_pb2.GetProfileResponse)


def test_traits_keep_value_source_purpose_and_time(server: Running) -> None:
    """Every type of value comes back as it was put, with where it came from and what it may be used for."""
    traits = [
        types_pb2.Trait(
            name="city", value=types_pb2.Value(text="Graz"), source=EXPLICIT, purpose="ads", observed_at_ms=5
        ),
        types_pb2.Trait(
            name="age", value=types_pb2.Value(number=40.0), source=INFERRED, purpose="service", observed_at_ms=6
        ),
        types_pb2.Trait(
            name="vip", value=types_pb2.Value(flag=True), source=EXPLICIT, purpose="service", observed_at_ms=7
        ),
        types_pb2.Trait(
            name="likes",
            value=types_pb2.Value(texts=types_pb2.TextList(texts=["tea", "jam"])),
            source=EXPLICIT,
            purpose="service",
            observed_at_ms=8,
        ),
        types_pb2.Trait(
            name="born", value=types_pb2.Value(time_ms=-86_400_000), source=EXPLICIT, purpose="x", observed_at_ms=9
        ),
    ]
    sequence = put(server, "traits", *traits)
    profile = get(server, "traits")
    assert sorted(profile.traits, key=lambda trait: trait.observed_at_ms) == traits
    assert profile.journal_sequence == sequence


def test_newer_traits_win_and_an_absent_value_removes(server: Running) -> None:
    """An older observation changes nothing; a trait put without a value is gone."""
    put(server, "newer", types_pb2.Trait(name="city", value=types_pb2.Value(text="Graz"), observed_at_ms=10))
    put(server, "newer", types_pb2.Trait(name="city", value=types_pb2.Value(text="Wien"), observed_at_ms=9))
    assert [trait.value.text for trait in get(server, "newer").traits] == ["Graz"]
    put(server, "newer", types_pb2.Trait(name="city"))
    assert not get(server, "newer").traits


def test_counters_and_recent_events_come_with_names(server: Running) -> None:
    """Items and groups are named as the catalogue has them; an item it never had is told by number. A counter that
    names neither holds all of its type.
    """
    server.record(
        purchase("named", 1, "MILK"), purchase("named", 2, "MILK"), purchase("named", 3, "CAVIAR"), client="named"
    )
    profile = get(server, "named", recent=2)
    assert {(one.type, one.item, one.group, one.count) for one in profile.counters if not one.item.startswith("#")} == {
        ("purchase", "MILK", "", 2),
        ("purchase", "", "dairy", 2),
        ("purchase", "", "", 3),
    }
    assert sum(one.item.startswith("#") for one in profile.counters) == 2  # the action and the item
    assert [one.type for one in profile.recent] == ["purchase", "purchase"]


def test_a_deleted_subject_is_a_stranger_again(server: Running) -> None:
    """After the call returns nothing of the subject is used or shown; deleting again says that nothing was there."""
    server.record(purchase("gone", 1, "SOAP"), client="gone-for-good")
    request = profile_pb2.DeleteProfileRequest(subject=subject("gone"))
    answers = [
        server.call("ProfileService/DeleteProfile", request, profile_pb2.DeleteProfileResponse) for _ in range(2)
    ]
    assert [one.deleted for one in answers] == [True, False]
    assert server.decide("gone").decisions[0].reason == types_pb2.REASON_POPULAR
    with pytest.raises(Refused) as refused:
        get(server, "gone")
    assert refused.value.code is grpc.StatusCode.NOT_FOUND


def test_imported_items_are_in_force_with_the_next_publish(start: Callable[..., Running]) -> None:
    """Items come over the wire, wrong ones are refused one by one, and a publish puts the good ones to use."""
    running = start()
    running.publish()
    items = [admin_pb2.Item(id="TEA", groups=["drinks"]), admin_pb2.Item(id=""), admin_pb2.Item(id="COFFEE")]
    answer = running.call(
        "AdminService/ImportItems", admin_pb2.ImportItemsRequest(items=items), admin_pb2.ImportItemsResponse
    )
    assert (answer.accepted, [one.field for one in answer.refused]) == (2, ["items[1].id"])
    assert running.status().items == 5
    published = running.publish()
    assert (published.items, published.versions.catalogue) == (7, "2")
    assert running.status().items == 7


def test_a_wrong_playbook_is_refused_whole(start: Callable[..., Running]) -> None:
    """Every mistake comes back with file and line, and what was published before stays in force."""
    running = start()
    running.publish()
    wrong = (
        PLAYBOOK["placements.yaml"].replace(b"policy: habit", b"policy: habbit").replace(b"[PEARS, APPLES]", b"[PAERS]")
    )
    with pytest.raises(Refused) as refused:
        running.publish({**PLAYBOOK, "placements.yaml": wrong})
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.fields == ["files[placements.yaml]:6:13", "files[placements.yaml]:12:13"]
    assert running.decide("x").versions.catalogue == "1"


def test_a_dry_run_changes_nothing(start: Callable[..., Running]) -> None:
    """A dry run says what would be published and publishes nothing."""
    running = start()
    request = admin_pb2.PublishRequest(files=PLAYBOOK, dry_run=True)
    answer = running.call("AdminService/Publish", request, admin_pb2.PublishResponse, 60)
    assert (answer.items, answer.versions.catalogue) == (5, "")
    with pytest.raises(Refused, match="publish"):
        running.decide("x")


def test_status_counts_the_journal_and_the_learner_catches_up(start: Callable[..., Running]) -> None:
    """Status tells records by kind; within bounded time the learner has read them all and `popular` serves by them."""
    running = start()
    running.publish()
    running.record(*(purchase(f"s{number}", number, "SOAP") for number in range(1, 11)))
    status = running.status()
    assert (dict(status.journal_records), status.subjects, status.journal_sequence) == ({"event": 10}, 10, 10)
    assert eventually(lambda: running.status().learner_lag == 0 and running.status().versions.policy == "10")
    assert running.decide("fresh").decisions[0].slate[0].item == "SOAP"
