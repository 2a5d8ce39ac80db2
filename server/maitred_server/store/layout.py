"""How a profile is stored, and how its fields are read.

A header (208 bytes), counter rows, the ring of recent events, bucket cells, bucket tallies, traits, consents, a stamp.
All but the last three are numpy arrays that need no parsing.
"""

from __future__ import annotations

import struct
from typing import Any
from zlib import crc32

import numpy as np

from maitred_server.errors import RecordDamaged
from maitred_server.model import Kind, SubjectKey
from maitred_server.store import counters
from maitred_server.store.buckets import NO_BUCKETS, Buckets
from maitred_server.store.counters import NO_ROWS, Rows
from maitred_server.store.journal import KIND_SLOTS
from maitred_server.store.keys import PSEUDONYM_BYTES

LAYOUT = 2

# checksum; layout, kind, flags; sequence; first seen, last seen, newest event (ms); evicted; numbers of rows, of recent
# events, of buckets; bytes of traits, of consents; unit; totals by kind of record
HEADER = struct.Struct(f"<IHBBQqqqIIIIII{PSEUDONYM_BYTES}s{KIND_SLOTS}Q")
CHECKSUM = 4
MERGED, HAS_UNIT = 1, 2  # flags

RECENT = np.dtype([("time", "<i8"), ("action", "<u8"), ("item", "<u8"), ("type", "<u4"), ("quantity", "<u4")])
NO_RECENT: Rows = np.zeros(0, RECENT)
NO_RECENT.flags.writeable = False

KINDS = {int(kind): kind for kind in Kind}


def fields_of(subject: SubjectKey, stored: bytes) -> tuple[Any, ...]:
    """Those of the profile stored under `subject`, in their order. Raises RecordDamaged."""
    if len(stored) < HEADER.size or (
        crc32(memoryview(stored)[CHECKSUM:], crc32(subject)) != int.from_bytes(stored[:CHECKSUM], "little")
    ):
        raise RecordDamaged("a stored profile fails its checksum")
    _, layout, kind, flags, sequence, first, last, newest, evicted, rows, ring, cells, text, said, unit, *totals = (
        HEADER.unpack_from(stored)
    )
    if layout != LAYOUT:
        raise RecordDamaged(f"a stored profile has layout {layout}; this version reads {LAYOUT}")
    at_ring = HEADER.size + rows * counters.ROW.itemsize
    at_cells = at_ring + ring * RECENT.itemsize
    at_tallies = at_cells + cells * 8
    at_traits = at_tallies + cells * 4
    if at_traits + text + said > len(stored) or kind not in KINDS:
        raise RecordDamaged("a stored profile is not what its header says")
    return (
        KINDS[kind],
        sequence,
        first,
        last,
        newest,
        evicted,
        tuple(totals),
        np.frombuffer(stored, counters.ROW, rows, HEADER.size) if rows else NO_ROWS,
        np.frombuffer(stored, RECENT, ring, at_ring) if ring else NO_RECENT,
        Buckets(np.frombuffer(stored, np.uint64, cells, at_cells), np.frombuffer(stored, np.uint32, cells, at_tallies))
        if cells
        else NO_BUCKETS,
        stored[at_traits : at_traits + text],
        stored[at_traits + text : at_traits + text + said],
        unit if flags & HAS_UNIT else b"",
        bool(flags & MERGED),
        stored[at_traits + text + said :],
    )


try:
    from maitred_server.compiled.subject import Fields
except ImportError:  # nothing was compiled here
    read_fields = fields_of
else:
    read_fields = Fields(LAYOUT, HEADER.size, KINDS, NO_ROWS, NO_RECENT, NO_BUCKETS).read
