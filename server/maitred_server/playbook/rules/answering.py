"""What the values of one subject, one context and one moment come to in many formulas, looked up in tables."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple, TypeAlias

from maitred_server.playbook.rules.closures import Evaluate, Frame
from maitred_server.playbook.rules.errors import Failure
from maitred_server.playbook.rules.tables import Cuts, Lookup, Names, Texts, of_bytes

MOST_KEPT: Final = 1_024

AnyTable: TypeAlias = Texts | Cuts | Names


class Tables(NamedTuple):
    """The bits that follow from each term's value. Bit i is formula i that fails, bit `size + i` and on of clauses."""

    size: int  # formulas
    start: int  # what is so whatever the values are
    clauses: int  # that must hold, from bit 0
    subject: Sequence[tuple[str, AnyTable]]  # by field
    context: Sequence[tuple[str, AnyTable]]
    computed: Sequence[tuple[Evaluate, AnyTable]]
    segments: Sequence[Sequence[int]]  # by eight of them, see `byte_tables`; empty: no formula asks for any


class _Fields(NamedTuple):
    """Tables by the field whose value they take, apart by type: so much is done with them that a call is too much."""

    texts: tuple[tuple[str, Callable[[Any, int], int], int], ...]
    numbers: tuple[tuple[str, Sequence[Any], Sequence[int], Cuts], ...]
    lists: tuple[tuple[str, Lookup], ...]


class Answering:
    """Immutable but for what was looked up once; for any thread."""

    def __init__(self, tables: Tables) -> None:
        self._size, self._start, self._clauses = tables[:3]
        self._mask = (1 << self._size) - 1
        self._of_subject, self._of_context = _fields(tables.subject), _fields(tables.context)
        self._computed = tuple((evaluate, one.bits) for evaluate, one in tables.computed)
        self._segments = bool(tables.segments)
        self._of_segments = lru_cache(MOST_KEPT)(partial(of_bytes, tables.segments))  # many subjects are in the same

    def failing(self, subject: Mapping[str, Any], context: Mapping[str, Any], frame: Frame, segments: int) -> int:
        """The formulas that do not hold, as bits. `segments`: those that the subject is in, as bits."""
        bits = self._start
        for get, (texts, numbers, lists) in ((subject.get, self._of_subject), (context.get, self._of_context)):
            for name, find, other in texts:
                bits |= find(get(name), other)
            for name, cuts, entries, whole in numbers:
                value = get(name)
                if value is not None and value == value:
                    bits |= entries[bisect_left(cuts, value) + bisect_right(cuts, value)]
                else:
                    bits |= whole.bits(value)
            for name, look_up in lists:
                bits |= look_up(get(name))
        for evaluate, look_up in self._computed:
            try:
                value = evaluate(frame)
            except Failure:
                value = None
            bits |= look_up(value)
        if self._segments:
            bits |= self._of_segments(segments)
        return self._folded(bits)

    def _folded(self, bits: int) -> int:
        failing = bits & self._mask
        missing = (bits >> self._size) ^ self._clauses
        while missing:
            failing |= missing & self._mask
            missing >>= self._size
        return failing


def _fields(found: Sequence[tuple[str, AnyTable]]) -> _Fields:
    return _Fields(
        tuple((name, one.entries.get, one.other) for name, one in found if isinstance(one, Texts)),
        tuple((name, one.cuts, one.entries, one) for name, one in found if isinstance(one, Cuts)),
        tuple((name, one.bits) for name, one in found if isinstance(one, Names)),
    )
