"""Answers as bytes say what the same answers say when their messages are built field by field."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from maitred.v1 import decision_pb2, types_pb2
from maitred_server.decide.answer import Answer, Decision
from maitred_server.decide.choice import Choice
from maitred_server.decide.world import World
from maitred_server.model import Item, Reason, Variant
from maitred_server.playbook import loader
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.rpc import encoded
from maitred_server.rpc.answers import arms_to_wire, choice_to_wire
from maitred_server.store.keys import subject_tag

SUBJECT = b"\x04shop" + bytes(range(16))
FILES = {"playbook.yaml": b"name: test\n", "placements.yaml": b"placements:\n- {name: home, policy: uniform}\n"}
ITEMS = (
    Item("äpfel", ("fruit", "größe"), {"price": 2.0}, (Variant("a", b"{}"), Variant("b", b"x" * 5000, "text/plain"))),
    Item("bread", (), {}, (Variant("", b"\xff\x00" * 70, "image/webp"),)),
    Item("none", ("fruit",)),
)


def published(folder: Path) -> Catalogue:
    folder.mkdir(exist_ok=True)
    build(loader.load(FILES, imported=ITEMS), ITEMS, folder)
    return Catalogue.open(folder)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(published(tmp_path_factory.mktemp("published")), None, None)


def built(answer: Answer) -> decision_pb2.DecideResponse:
    """The answer, message by message."""
    world = answer.world
    return decision_pb2.DecideResponse(
        decisions=[
            decision_pb2.PlacementDecision(
                decision_id=one.decision_id,
                placement=one.placement,
                slate=[choice_to_wire(choice, world.catalogue) for choice in sorted(one.slate)],
                reason=cast(types_pb2.Reason, int(one.reason)),
                policy=one.policy,
                ttl_ms=one.ttl_ms,
                stale_ms=one.stale_ms,
            )
            for one in answer.decisions
        ],
        receipt=answer.receipt,
        versions=types_pb2.SnapshotVersions(catalogue=world.catalogue.version, policy=world.snapshot_version),
        arms=arms_to_wire(answer.arms, answer.overridden),
        decided_at_ms=answer.decided_at,
        subject_tag=subject_tag(answer.subject),
    )


def choices(world: World) -> st.SearchStrategy[list[Choice]]:
    catalogue = world.catalogue
    numbers = st.floats(allow_nan=False) | st.just(0.0)

    def choice(slot: int, action: int, rest: Sequence[object]) -> Choice:
        return Choice(slot, action, catalogue.item(action), catalogue.variant(action), *rest)  # type: ignore[arg-type]

    rest = st.tuples(
        st.sampled_from(Reason),
        st.none() | numbers,
        numbers,
        numbers,
        st.booleans(),
        st.none() | st.integers(0, 2**32 - 1),
        st.text(max_size=200),
        st.none() | st.binary(max_size=200),
    )
    one = st.builds(choice, st.integers(0, 49), st.integers(0, catalogue.size - 1), rest)
    return st.lists(one, max_size=4, unique_by=lambda choice: choice.slot)


def answers(world: World) -> st.SearchStrategy[Answer]:
    names = st.text(min_size=1, max_size=40)
    times = st.integers(0, 2**32 - 1)
    decision = st.builds(
        Decision,
        st.binary(min_size=16, max_size=16).map(bytes.hex),
        names,
        choices(world),
        st.sampled_from(Reason),
        names,
        times,
        times,
    )
    return st.builds(
        Answer,
        st.lists(decision, max_size=3),
        st.binary(max_size=6000),
        st.just(world),
        st.lists(st.tuples(names, names), max_size=3),
        st.integers(-(2**41), 2**43),
        st.lists(names, max_size=2),
        st.just(SUBJECT),
    )


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_bytes_say_what_the_message_says(world: World, data: st.DataObject) -> None:
    """Whatever is answered, its bytes are read as the message built field by field."""
    answer = data.draw(answers(world))
    written = [
        encoder.response(answer) for encoder in encoders() for _ in range(2)
    ]  # the second time from what was kept
    assert len(set(written)) == 1
    assert decision_pb2.DecideResponse.FromString(written[0]) == built(answer)


def encoders() -> list[encoded.Encoder]:
    """One that is written in Python alone, and where something was compiled that one too."""
    plain, quickest = encoded.Encoder(), encoded.Encoder()
    plain.compiled = None
    return [plain, quickest] if quickest.compiled else [plain]


@pytest.mark.skipif(encoded.Encoder().compiled is None, reason="nothing was compiled here")
def test_what_is_no_choice_is_refused(world: World) -> None:
    """The compiled writer takes fields by their place, and only of the nouns that it knows."""
    decision = Decision("00", "home", [cast("Choice", ())], Reason.RULE, "uniform", 0, 0)
    with pytest.raises(TypeError, match="a Choice is wanted"):
        encoded.Encoder().response(Answer([decision], b"", world, (), 7, (), SUBJECT))


def test_results_of_a_batch_stand_in_their_order(world: World) -> None:
    """A batch of answers and refusals is read as it was made, also when an answer is long."""
    answers = [Answer([], bytes(size), world, (), 7, (), SUBJECT) for size in (0, 5000, 70_000)]
    refusal = decision_pb2.DecideResult(error=decision_pb2.CallError(code=3, field="subject", message="why"))
    written = [encoded.result(encoded.Encoder().response(answer)) for answer in answers]
    found = decision_pb2.DecideBatchResponse.FromString(encoded.batch([*written, refusal.SerializeToString()]))
    expected = [decision_pb2.DecideResult(response=built(answer)) for answer in answers]
    assert list(found.results) == [*expected, refusal]


def test_what_is_kept_is_bounded(world: World) -> None:
    """Once the bytes that are kept would be too many, those of before are dropped, and answers stay the same."""
    kept = encoded.Published(most=6000)
    sizes, contents = [], []
    for action in [*range(world.catalogue.size)] * 2:
        written = kept.of(action, world.catalogue, own_content=False)
        sizes.append(kept.size)
        contents.append(decision_pb2.Choice.FromString(written).content)
    assert max(sizes) <= 6000
    assert contents == [world.catalogue.content(action) for action in range(world.catalogue.size)] * 2


def test_a_catalogue_that_is_gone_is_not_held(tmp_path: Path) -> None:
    """What is kept of a catalogue goes when the catalogue goes: an encoder does not hold old versions in memory."""
    encoder, world = encoded.Encoder(), World(published(tmp_path), None, None)
    encoder.response(Answer([], b"", world, (), 7, (), SUBJECT))
    catalogue = weakref.ref(world.catalogue)
    del world
    gc.collect()
    assert catalogue() is None
