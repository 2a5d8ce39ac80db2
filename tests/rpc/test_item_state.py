"""Live item states over the wire, with real servers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest
from harness.server import PLAYBOOK, Refused, Running, eventually, purchase
from maitred.v1 import admin_pb2, decision_pb2, types_pb2
from maitred_server.store import Store

State = admin_pb2.ItemState
CHANNELS = 12


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with one worker; each test uses items of its own, or puts back what it set."""
    running = Running(tmp_path_factory.mktemp("states") / "data")
    try:
        running.publish()
        yield running
    finally:
        ended = running.stop()
    assert ended == 0, running.log.read_text()


def put(server: Running, *states: State) -> admin_pb2.SetItemStateResponse:
    request = admin_pb2.SetItemStateRequest(states=states)
    return server.call("AdminService/SetItemState", request, admin_pb2.SetItemStateResponse)


def get(server: Running, *items: str, groups: tuple[str, ...] = ()) -> list[State]:
    request = admin_pb2.GetItemStateRequest(items=items, groups=groups)
    return list(server.call("AdminService/GetItemState", request, admin_pb2.GetItemStateResponse).states)


def offered(server: Running, placement: str = "home", slots: int = 9) -> list[str]:
    request = decision_pb2.DecideRequest(
        subject=types_pb2.Subject(id="anybody"),
        placements=[decision_pb2.PlacementRequest(placement=placement, slots=slots)],
    )
    answer = server.call("DecisionService/Decide", request, decision_pb2.DecideResponse)
    return [choice.item for choice in answer.decisions[0].slate]


@contextmanager
def set_for_now(server: Running, *states: State) -> Iterator[admin_pb2.SetItemStateResponse]:
    yield put(server, *states)
    put(server, *(State(item=one.item, group=one.group, reset=True) for one in states if one.item or one.group))


@pytest.mark.parametrize(
    ("state", "closed"),
    [
        (State(item="SOAP", kill=True), {"SOAP"}),
        (State(item="SOAP", paused=True), {"SOAP"}),
        (State(item="SOAP", stock=0), {"SOAP"}),
        (State(group="fruit", kill=True), {"APPLES", "PEARS"}),
        (State(item="SOAP", stock=1, price=2.5), set()),
    ],
)
def test_a_state_is_obeyed_from_the_answer_on(shop: Running, state: State, closed: set[str]) -> None:
    """The worker that answered offers what is closed no more in its very next decision; a reset opens it again."""
    everything = set(offered(shop))
    with set_for_now(shop, state) as answer:
        assert set(offered(shop)) == everything - closed
        assert (answer.accepted, answer.journal_sequence) == (1, shop.status().journal_sequence)
    assert set(offered(shop)) == everything


def test_a_fixed_order_skips_what_is_closed(shop: Running) -> None:
    """A placement of people's own order goes on with the next item, and answers with nothing when none is left."""
    with set_for_now(shop, State(item="PEARS", stock=0)):
        assert offered(shop, "banner", 1) == ["APPLES"]
        with set_for_now(shop, State(group="fruit", paused=True)):
            assert offered(shop, "banner", 1) == []
    assert offered(shop, "banner", 1) == ["PEARS"]


def test_each_field_is_set_apart(shop: Running) -> None:
    """Unset fields keep what was set before; what is in force can be read back, and set again as it is."""
    with set_for_now(shop, State(item="NOVEL", stock=4, price=9.5), State(group="novels", kill=True)):
        put(shop, State(item="NOVEL", paused=True), State(item="NOVEL", stock=3))
        expected = [
            State(item="NOVEL", stock=3, price=9.5, paused=True, kill=False),
            State(group="novels", paused=False, kill=True),
        ]
        assert get(shop, "NOVEL", "OTHER", groups=("novels",)) == expected
        assert sorted(get(shop), key=str) == sorted(expected, key=str)
        before = shop.status().journal_sequence
        put(shop, *expected)
        assert shop.status().journal_sequence == before  # what changes nothing is no record
    assert get(shop, "NOVEL", groups=("novels",)) == []


def test_wrong_states_are_refused_one_by_one(shop: Running) -> None:
    """Each refused state is named by position and field; the others are in force."""
    wrong = {
        "states[0].item": State(stock=1),
        "states[1].item": State(item="A", group="B", stock=1),
        "states[2].stock": State(item="A", stock=-1),
        "states[3].price": State(item="A", price=-0.5),
        "states[4].price": State(item="A", price=math.nan),
        "states[5].price": State(item="A", price=math.inf),
        "states[6].item": State(item="A" * 129, kill=True),
        "states[7].group": State(group="B\n", kill=True),
    }
    with set_for_now(shop, *wrong.values(), State(item="BREAD", kill=True)) as answer:
        assert [one.field for one in answer.refused] == list(wrong)
        assert {one.code for one in answer.refused} == {grpc.StatusCode.INVALID_ARGUMENT.value[0]}
        assert (answer.accepted, "BREAD" in offered(shop), get(shop, "A")) == (1, False, [])


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("SetItemState", admin_pb2.SetItemStateRequest(states=[State(item="A")] * 10_001), "states"),
        ("GetItemState", admin_pb2.GetItemStateRequest(items=["A"] * 1_001), "items"),
        ("GetItemState", admin_pb2.GetItemStateRequest(items=["A", "B\n"]), "items[1]"),
    ],
)
def test_a_wrong_request_is_refused_whole(
    shop: Running, method: str, request_: admin_pb2.SetItemStateRequest, field: str
) -> None:
    """Too many states or names, or a name that is none: INVALID_ARGUMENT with the field."""
    with pytest.raises(Refused) as refused:
        shop.raw(f"AdminService/{method}", request_.SerializeToString())
    assert (refused.value.code, refused.value.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_ten_thousand_states_are_one_call(shop: Running) -> None:
    """A batch of 10,000 items that are not published is accepted and kept, and none of them disturbs a decision."""
    names = [f"later-{number}" for number in range(10_000)]
    answer = put(shop, *(State(item=name, stock=5) for name in names))
    assert (answer.accepted, len(answer.refused)) == (10_000, 0)
    assert [one.item for one in get(shop, *names[:1_000])] == names[:1_000]
    assert len(get(shop)) == 10_000
    assert len(offered(shop)) == 5
    put(shop, *(State(item=name, reset=True) for name in names))
    assert get(shop) == []


def test_states_survive_a_kill_and_a_publish(start: Callable[..., Running]) -> None:
    """What was answered is in force after kill -9 and in the next catalogue, also for items that come with it."""
    first = start()
    put(first, State(item="TEA", kill=True), State(item="SOAP", paused=True))
    first.publish()
    assert "SOAP" not in offered(first)
    first.record(purchase("s", 1, "SOAP"))
    first.kill()
    second = start()
    assert sorted(offered(second)) == ["APPLES", "BREAD", "MILK", "PEARS"]
    second.publish({**PLAYBOOK, "items.jsonl": PLAYBOOK["items.jsonl"] + b'\n{"id": "TEA"}\n{"id": "JAM"}'})
    assert sorted(offered(second)) == ["APPLES", "BREAD", "JAM", "MILK", "PEARS"]
    assert dict(second.status().journal_records) == {"event": 1, "item_states": 1}
    assert second.stop() == 0
    with Store.open(second.data, map_size=64 << 30, read_only=True, allow_overlay=True) as store:
        assert store.audit().sound


def first_choice(channel: grpc.Channel) -> str:
    """Of the placement `banner`; what went wrong when there is no answer, as on a worker that waits for a publish."""
    request = decision_pb2.DecideRequest(
        subject=types_pb2.Subject(id="anybody"), placements=[decision_pb2.PlacementRequest(placement="banner")]
    )
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/maitred.v1.DecisionService/Decide")
    try:
        answer = decision_pb2.DecideResponse.FromString(call(request.SerializeToString(), timeout=20))
    except grpc.RpcError as error:
        return str(error)
    return answer.decisions[0].slate[0].item


def test_every_worker_obeys(start: Callable[..., Running]) -> None:
    """Of two workers the one that did not answer obeys too, within bounded time, and stays so; likewise on the way
    back. Channels of their own meet both."""
    running = start("--workers", "2")
    running.publish()
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(running.target, options=options) for _ in range(CHANNELS)]

    def first_choices() -> set[str]:
        return {first_choice(channel) for channel in channels}

    assert eventually(lambda: first_choices() == {"PEARS"})
    for state, choice in [
        (State(item="PEARS", kill=True), "APPLES"),
        (State(item="PEARS", kill=False), "PEARS"),
        (State(item="PEARS", stock=0), "APPLES"),
    ]:
        put(running, state)
        assert eventually(lambda choice=choice: first_choices() == {choice})  # type: ignore[misc]
        assert all(first_choices() == {choice} for _ in range(10))
    for channel in channels:
        channel.close()
