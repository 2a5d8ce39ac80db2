"""Requests that the compiled reader takes are what protobuf's classes make of the same bytes; it takes no others."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from maitred.v1 import decision_pb2, types_pb2
from maitred_server.decide.ask import Ask
from maitred_server.errors import MaitredError
from maitred_server.model import Kind
from maitred_server.rpc import convert
from maitred_server.rpc.access import ALL_ROLES, Caller
from maitred_server.rpc.admission import Admitted
from maitred_server.rpc.decisions import Decisions
from maitred_server.rpc.people import People
from maitred_server.subjects.identity import Pseudonyms
from maitred_server.telemetry import Telemetry

compiled = pytest.importorskip("maitred_server.compiled.requests", reason="nothing was compiled here")

CALLER = Caller("till", "shop", ALL_ROLES)
PSEUDONYMS = Pseudonyms(bytes(32))
ADMISSION = SimpleNamespace(admit=lambda *_: Admitted([], [], []))  # feedback on its way is never the reader's
DECISIONS = Decisions(
    cast("Any", None), cast("Any", ADMISSION), People(PSEUDONYMS, Kind.HOUSEHOLD), Telemetry(), replay_clock=False
)
READER = compiled.Requests(Ask, PSEUDONYMS, Kind.HOUSEHOLD)

TEXTS = st.text(max_size=8) | st.text("aé\x00\x1f\x7f\u200b\U0001f600", max_size=140) | st.text("ab", max_size=1100)
NAMES = st.sampled_from(["home", "till", "größe"]) | TEXTS
GOOD_NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=32)
TIMES = st.integers(convert.MIN_TIME_MS - 2, convert.MAX_TIME_MS + 2) | st.sampled_from(
    [convert.MIN_TIME_MS, convert.MAX_TIME_MS, 0, -1]
)


def values(texts: st.SearchStrategy[str], most: int) -> st.SearchStrategy[types_pb2.Value]:
    return st.one_of(
        st.builds(types_pb2.Value, text=texts),
        st.builds(types_pb2.Value, number=st.floats(0, 1)),
        st.builds(types_pb2.Value, flag=st.booleans()),
        st.builds(types_pb2.Value, texts=st.builds(types_pb2.TextList, texts=st.lists(texts, max_size=most))),
        st.builds(types_pb2.Value, time_ms=st.integers(-9, 2**41)),
    )


def requests(
    names: st.SearchStrategy[str],
    values: st.SearchStrategy[types_pb2.Value],
    kinds: st.SearchStrategy[int],
    slots: st.SearchStrategy[int],
    placements: tuple[int, int],
    most: int,
) -> st.SearchStrategy[decision_pb2.DecideRequest]:
    aliases = st.lists(st.builds(types_pb2.SubjectAlias, kind=kinds, id=names), max_size=most)
    asked = st.builds(decision_pb2.PlacementRequest, placement=names, slots=slots)
    return st.builds(
        decision_pb2.DecideRequest,
        subject=st.builds(types_pb2.Subject, kind=kinds, id=names, aliases=aliases),
        context=st.dictionaries(names, values, max_size=placements[1]),
        placements=st.lists(asked, min_size=placements[0], max_size=placements[1]),
    )


GOOD = requests(GOOD_NAMES, values(TEXTS.filter(str.isalpha), 3), st.integers(0, 4), st.integers(0, 50), (1, 3), 8)
ODD = requests(
    NAMES,
    values(NAMES, 66)
    | st.sampled_from([types_pb2.Value(), types_pb2.Value(number=float("nan"))])
    | st.builds(types_pb2.Value, time_ms=TIMES),
    st.integers(-2, 7),
    st.integers(0, 52) | st.just(2**32 - 1),
    (0, 18),
    10,
)
REQUESTS = GOOD | ODD
PLAIN = decision_pb2.DecideRequest(
    subject=types_pb2.Subject(kind=types_pb2.SUBJECT_KIND_SESSION, id="42", aliases=[types_pb2.SubjectAlias(id="7")]),
    context={"device": types_pb2.Value(text="till"), "age": types_pb2.Value(number=2.5)},
    placements=[decision_pb2.PlacementRequest(placement=name, slots=3) for name in ("home", "till")],
)


def read_plainly(data: bytes) -> Ask | None:
    """What protobuf's classes make of it; None: it is refused."""
    try:
        return DECISIONS.ask(convert.parse(decision_pb2.DecideRequest, data), CALLER)
    except MaitredError:
        return None


def told(ask: Ask) -> tuple[object, ...]:
    """The whole of it, with the types of values."""
    return type(ask), type(ask.kind), *ask, [(name, type(ask.context[name])) for name in sorted(ask.context)]


def agrees(data: bytes) -> bool:
    """Whether bytes that the reader takes are read as by protobuf's classes."""
    taken, plain = READER.one(data, CALLER.brand), read_plainly(data)
    return taken is None or (plain is not None and told(taken) == told(plain))


def test_a_plain_request_is_taken() -> None:
    """What nearly all callers ask is read by the compiled reader, and kinds that are not given are the default."""
    taken = READER.one(PLAIN.SerializeToString(), CALLER.brand)
    assert taken == read_plainly(PLAIN.SerializeToString())
    assert list(taken.units) == [Kind.SESSION, Kind.HOUSEHOLD]


@given(REQUESTS)
def test_what_is_taken_is_what_was_asked(wire: decision_pb2.DecideRequest) -> None:
    """Of any request; and whatever is well is taken."""
    data = wire.SerializeToString()
    assert agrees(data)
    assert (READER.one(data, CALLER.brand) is not None) == (read_plainly(data) is not None)


@given(REQUESTS | st.just(PLAIN), st.randoms(use_true_random=False), st.integers(1, 4))
@example(PLAIN, random.Random(0), 1)
def test_damaged_bytes_are_read_alike(wire: decision_pb2.DecideRequest, chance: random.Random, times: int) -> None:
    """Bytes that were changed, cut, repeated or put in anywhere are taken only where they say the same both ways."""
    data = bytearray(wire.SerializeToString())
    for _ in range(times):
        at, size = chance.randrange(len(data) + 1), chance.choice((0, 1, 2, 7))
        new = bytes(data[at : at + size]) * 2 if chance.random() < 0.3 else chance.randbytes(chance.randrange(3))
        data[at : at + size] = new
    assert agrees(bytes(data))


@pytest.mark.parametrize(
    "more",
    [
        PLAIN.SerializeToString(),  # submessages are merged, and repeated ones follow each other
        decision_pb2.DecideRequest(context={"device": types_pb2.Value(text="web")}).SerializeToString(),
        b"\x22\x00",  # feedback on its way
        decision_pb2.DecideRequest(at_ms=7).SerializeToString(),
        decision_pb2.DecideRequest(overrides={"layer": "arm"}).SerializeToString(),
        b"\x08\x01",  # another type than the field has
        b"\x3a\x00",  # a field of a later version
        b"\x0b\x0c",  # a group
        b"\x8a\x00\x00",  # a field's number in more bytes than it needs
        b"\x1a\x86\x80\x00\x0a\x04best",  # a length in more bytes than it needs
        b"\x1a\x86\x80\x80\x80\x80\x80\x00\x0a\x04best",
        b"\x1a\x09\x0a\x04best\x10\x81\x80\x00",
        b"\x1a\x0b\x0a\x04best\x10\x81\x80\x80\x80\x10",  # more than 32 bits
        b"\x12\x0f\x0a\x01k\x12\x0a\x0a\x01a\x11" + bytes(8)[:5],  # cut off
        b"\x12\x0a\x0a\x01k\x12\x05\x0a\x01a\x18\x01",  # two members of a oneof
        b"\x12\x08\x0a\x01k\x12\x03\x0a\x01\xff",  # no UTF-8
        b"\x12\x08\x0a\x01k\x12\x03\x18\x80\x02",  # true in two bytes
        b"\x12\x05\x0a\x01k\x12\x00",  # no value
        b"\x12\x03\x0a\x01k",
        b"\x12\x05\x12\x03\x0a\x01a",  # no key
    ],
)
def test_unusual_bytes_are_read_alike(more: bytes) -> None:
    """What the wire's format allows, and what it does not, after a whole request."""
    assert agrees(PLAIN.SerializeToString() + more)


@given(st.lists(REQUESTS | st.just(PLAIN), max_size=4), st.binary(max_size=2))
def test_a_batch_is_its_requests(wires: list[decision_pb2.DecideRequest], more: bytes) -> None:
    """A batch is taken when all that is in it is, and there is nothing else."""
    data = decision_pb2.DecideBatchRequest(requests=wires).SerializeToString()
    single = [READER.one(wire.SerializeToString(), CALLER.brand) for wire in wires]
    assert READER.batch(data, CALLER.brand) == (None if None in single or not single else single)
    assert not more or READER.batch(data + b"\x7a" + more, CALLER.brand) is None


def test_too_large_a_batch_is_not_taken() -> None:
    """So that the other way refuses it with words."""
    batches = [decision_pb2.DecideBatchRequest(requests=[PLAIN] * size).SerializeToString() for size in (256, 257)]
    assert [READER.batch(one, CALLER.brand) is None for one in batches] == [False, True]


def test_brands_have_keys_of_their_own() -> None:
    """The same request in two brands is about two subjects, each under the key that all else has it under."""
    asks = [READER.one(PLAIN.SerializeToString(), brand) for brand in ("shop", "other", "shop")]
    assert [ask.subject for ask in asks] == [PSEUDONYMS.subject_key(ask.brand, Kind.SESSION, "42") for ask in asks]
