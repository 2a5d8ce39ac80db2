"""The staging file: what a file told, checked and put under pseudonyms, ready to be recorded subject by subject.

Blocks, one for each part of the source, in its order. A block holds its records in 1,024 buckets by their subjects'
keys, so that all of a bucket can be read together: a subject whose records are recorded at once is read and written
once.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from maitred_server.importing.rows import Reject
from maitred_server.model import Record

BUCKETS = 1024
_SHIFT = 6  # of the 16 bits that a bucket is the upper part of

_FRAME = struct.Struct("<IIII")  # checksum of what follows; bytes of head, records, rejects

# A record as staged (its time of receipt is given later) and the 16 bytes of its own id, or none.
Staged = tuple[Record, bytes]

_encoder = msgspec.msgpack.Encoder()
_head_decoder = msgspec.msgpack.Decoder(tuple[int, int, bytes, bytes])
_rejects_decoder = msgspec.msgpack.Decoder(list[Reject])
_staged_decoder = msgspec.msgpack.Decoder(list[Staged])


class Block(NamedTuple):
    """One part, staged. `counts`, `sizes`: records and bytes of each bucket, uint32."""

    rows: int
    rejected: int
    counts: bytes
    sizes: bytes
    records: bytes
    rejects: bytes


def block(rows: int, staged: list[Staged], rejects: list[Reject]) -> Block:
    """Put what a part told into buckets; within one it stays in order."""
    payloads = [_encoder.encode(one) for one in staged]
    buckets = np.frombuffer(b"".join([one[0].subject[-16:-14] for one in staged]), ">u2") >> _SHIFT
    order = buckets.argsort(kind="stable").tolist()
    sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
    return Block(
        rows,
        len(rejects),
        np.bincount(buckets, minlength=BUCKETS).astype(np.uint32).tobytes(),
        np.bincount(buckets, sizes, BUCKETS).astype(np.uint32).tobytes(),
        b"".join([payloads[number] for number in order]),
        _encoder.encode(rejects),
    )


class _Kept(NamedTuple):
    """Where a block is in the file."""

    records_at: int
    rejects_at: int
    rejects_size: int
    counts: NDArray[np.uint32]
    starts: NDArray[np.int64]  # of each bucket, and where the last one ends


class StagingFile:
    """Blocks that were appended. Those that are whole are found again when the file is opened anew."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._file: IO[bytes] = open(descriptor, "r+b")  # noqa: SIM115
        self._kept: list[_Kept] = []
        self.rows = self.records = self.rejected = 0
        while self._find_next():
            pass
        self._file.truncate()

    def close(self) -> None:
        self._file.close()

    @property
    def blocks(self) -> int:
        return len(self._kept)

    def append(self, one: Block) -> None:
        """Add a block; durable after `sync`."""
        head = _encoder.encode((one.rows, one.rejected, one.counts, one.sizes))
        body = b"".join((head, one.records, one.rejects))
        self._file.write(_FRAME.pack(crc32(body), len(head), len(one.records), len(one.rejects)))
        self._keep(self._file.tell(), head, len(one.records), len(one.rejects))
        self._file.write(body)

    def sync(self) -> None:
        """Wait until all is on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def rejects(self) -> Iterator[Reject]:
        """All rejects, in the order of the source."""
        for kept in self._kept:
            yield from _rejects_decoder.decode(self._read(kept.rejects_at, kept.rejects_size))

    def by_subject(self) -> Iterator[list[Staged]]:
        """All records, subject by subject, those of each in the order of the source; some thousand at a time."""
        self._file.flush()
        for bucket in range(BUCKETS):
            if staged := self._bucket(bucket):
                staged.sort(key=_subject)
                yield staged

    def _bucket(self, bucket: int) -> list[Staged]:
        count = sum(int(kept.counts[bucket]) for kept in self._kept)
        slices = [
            self._read(kept.records_at + int(kept.starts[bucket]), int(kept.starts[bucket + 1] - kept.starts[bucket]))
            for kept in self._kept
            if kept.counts[bucket]
        ]
        return _staged_decoder.decode(b"".join((b"\xdd", count.to_bytes(4, "big"), *slices)))

    def _read(self, at: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), size, at)

    def _find_next(self) -> bool:
        begin = self._file.tell()
        frame = self._file.read(_FRAME.size)
        if len(frame) == _FRAME.size:
            checksum, head, records, rejects = _FRAME.unpack(frame)
            body = self._file.read(head + records + rejects)
            if len(body) == head + records + rejects and crc32(body) == checksum:
                self._keep(begin + _FRAME.size, body[:head], records, rejects)
                return True
        self._file.seek(begin)
        return False

    def _keep(self, at: int, head: bytes, records: int, rejects: int) -> None:
        rows, rejected, counts, sizes = _head_decoder.decode(head)
        starts = np.zeros(BUCKETS + 1, np.int64)
        np.cumsum(np.frombuffer(sizes, np.uint32), out=starts[1:])
        kept = _Kept(at + len(head), at + len(head) + records, rejects, np.frombuffer(counts, np.uint32), starts)
        self._kept.append(kept)
        self.rows += rows
        self.rejected += rejected
        self.records += int(kept.counts.sum())


def _subject(staged: Staged) -> bytes:
    return staged[0].subject
