"""What is read of a stored profile: by the Python code, and the same by its compiled twin where that was built."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maitred_server.errors import RecordDamaged
from maitred_server.model import Body, Consent, Consents, ConsentState, Event, Kind, Record, Trait, Traits
from maitred_server.store import Profile
from maitred_server.store.buckets import NO_BUCKETS
from maitred_server.store.counters import NO_ROWS
from maitred_server.store.layout import HEADER, KINDS, LAYOUT, NO_RECENT, fields_of

WHO = b"\x04shop" + b"anna".ljust(16)
START = 1_700_000_000_000

Read = Callable[[bytes, bytes], tuple[Any, ...]]


@pytest.fixture(scope="module", params=["python", "compiled"])
def read(request: pytest.FixtureRequest) -> Read:
    return fields_of if request.param == "python" else compiled()


def compiled() -> Read:
    subject = pytest.importorskip("maitred_server.compiled.subject", reason="nothing was compiled here")
    made: Read = subject.Fields(LAYOUT, HEADER.size, KINDS, NO_ROWS, NO_RECENT, NO_BUCKETS).read
    return made


@lru_cache
def stored(seed: int, happened: int, unit: bytes = b"", stamp: int = 5) -> bytes:
    """A profile of so many events, some traits and consents, as stored."""
    chance = random.Random(seed)
    kind = chance.choice(list(Kind))
    bodies: list[Body] = [
        Event(chance.choice(["view", "purchase"]), chance.choice("abcde"), "", ("G",), 0.5, 2) for _ in range(happened)
    ]
    if seed % 2:
        bodies += [Traits((Trait("age", 40.0),)), Consents((Consent("marketing", ConsentState.GRANTED),))]
    times = [START + chance.randrange(10**10) for _ in bodies]
    records = [Record(WHO, kind, at, at, body) for body, at in zip(bodies, times, strict=True)]
    profile = Profile.empty(kind).with_records(list(enumerate(records, 1)))
    stamped = {"unit": unit, "merged": bool(unit), "stamp": bytes(range(stamp))}
    return Profile(**{name: getattr(profile, name) for name in profile.__struct_fields__} | stamped).encode(WHO)


def sealed(payload: bytes) -> bytes:
    """With the checksum that belongs to it."""
    return crc32(payload[4:], crc32(WHO)).to_bytes(4, "little") + payload[4:]


def plain(fields: tuple[Any, ...]) -> list[Any]:
    """Fields with arrays as bytes and types, so that they can be compared."""
    found: list[Any] = []
    for field in fields:
        parts = field if isinstance(field, tuple) else (field,)
        arrays = [(one.tobytes(), one.dtype, one.flags.writeable) for one in parts if isinstance(one, np.ndarray)]
        found.append((type(field), arrays or field))
    return found


profiles = st.builds(
    stored, st.integers(0, 5), st.sampled_from([0, 1, 30]), st.sampled_from([b"", b"u" * 16]), st.integers(0, 130)
)


@given(profiles)
def test_a_profile_is_read_as_it_was_stored(one: bytes) -> None:
    """What is read is what was written, and both ways of reading find the same fields, of the same types."""
    assert plain(compiled()(WHO, one)) == plain(fields_of(WHO, one))
    assert Profile(*fields_of(WHO, one)).encode(WHO) == one


@given(one=profiles, data=st.data())
def test_damaged_bytes_are_told(read: Read, one: bytes, data: st.DataObject) -> None:
    """Bytes that are cut, or have a flipped bit, raise RecordDamaged; so does a profile under another's key."""
    at = data.draw(st.integers(0, len(one) - 1))
    flipped = one[:at] + bytes([one[at] ^ 1 << data.draw(st.integers(0, 7))]) + one[at + 1 :]
    for damaged, key in ((one[:at], WHO), (flipped, WHO), (one, WHO + b"x")):
        with pytest.raises(RecordDamaged):
            read(key, damaged)


@given(one=profiles, data=st.data())
def test_a_header_that_lies_reads_nothing_beyond(one: bytes, data: st.DataObject) -> None:
    """Lengths that do not fit, under a checksum that does, are told as damage by both; nothing else differs."""
    at, value = data.draw(st.integers(4, HEADER.size - 1)), data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(one) - 4))
    for changed in (sealed(one[:at] + bytes([value]) + one[at + 1 :]), sealed(one[: 4 + cut])):
        assert told(compiled(), changed) == told(fields_of, changed)


def told(read: Read, changed: bytes) -> list[Any] | str:
    try:
        return plain(read(WHO, changed))
    except RecordDamaged as error:
        return str(error)


def test_arrays_hold_the_bytes_that_they_are_over(read: Read) -> None:
    """What was read stays what it is when nobody else keeps the bytes, and cannot be written to."""
    one = Profile(*read(WHO, stored(1, 30)))
    rows = one.rows
    del one
    assert (rows.flags.writeable, rows["count"].sum()) == (False, 30 * 4)  # the type, the action, the item, the group
