"""Many formulas that ask nothing of items, answered at once.

Each literal sets bits: of the formulas that fail when it does not hold, or of the clauses that hold when it does. The
bits of all literals about one term come out of one table (see `tables`), so that an answer costs a look-up and an OR
for each trait that any rule names, however many rules there are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

from maitred_server.playbook.rules.closures import Evaluate, Frame, closure
from maitred_server.playbook.rules.errors import Failure
from maitred_server.playbook.rules.logic import Formula, Literal, as_node, clauses
from maitred_server.playbook.rules.rule import is_segments, takes_names
from maitred_server.playbook.rules.tables import Cuts, Effect, Lookup, Names, Texts, byte_tables, of_bytes
from maitred_server.playbook.rules.terms import Test, table, tested
from maitred_server.playbook.rules.tree import Field, Node, key

MOST_CLAUSES: Final = 8  # with more than one literal, of a formula; one that has more is a term of its own
_MOST_CLAUSES: Final = 64
MOST_KEPT: Final = 1_024


class _Fields(NamedTuple):
    """Tables by the field whose value they take, apart by type: so much is done with them that a call is too much."""

    texts: tuple[tuple[str, Callable[[Any, int], int], int], ...]
    numbers: tuple[tuple[str, Sequence[Any], Sequence[int], Cuts], ...]
    lists: tuple[tuple[str, Lookup], ...]


class Matcher:
    """Immutable; for any thread. Formula i of those given has bit i."""

    def __init__(self, formulas: Sequence[Formula], segment_names: Sequence[str] = ()) -> None:
        self.size = len(formulas)
        self._mask = (1 << self.size) - 1
        self._start = 0
        self._clauses = 0
        self._terms: dict[bytes, Node] = {}
        self._tests: dict[bytes, dict[tuple[Test, bool], Effect]] = defaultdict(dict)
        for number, of in enumerate(formulas):
            self._add(number, of)
        self._set_tables(segment_names)

    def failing(self, subject: Mapping[str, Any], context: Mapping[str, Any], frame: Frame, segments: int) -> int:
        """The formulas that do not hold, as bits. `segments`: bits by the names given."""
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
        missing = (bits >> self.size) ^ self._clauses
        while missing:
            failing |= missing & self._mask
            missing >>= self.size
        return failing

    def _add(self, number: int, of: Formula) -> None:
        found = clauses(of, _MOST_CLAUSES)
        if found is None or sum(len(clause) > 1 for clause in found) > MOST_CLAUSES:
            found = [(Literal(as_node(of), True),)]
        for place, clause in enumerate(sorted(found, key=len, reverse=True)):
            if len(clause) > 1:
                self._add_clause(clause, 1 << (place * self.size + number))
            elif clause:
                self._note(clause[0], Effect(0, 1 << number))
            else:
                self._start |= 1 << number

    def _add_clause(self, clause: Sequence[Literal], bit: int) -> None:
        self._clauses |= bit
        for literal in clause:
            self._note(literal, Effect(bit << self.size, 0))

    def _note(self, literal: Literal, effect: Effect) -> None:
        test = tested(literal.atom)
        term = key(test.term)
        self._terms[term] = test.term
        tests = self._tests[term]
        met, unmet = tests.get((test, literal.wanted), (0, 0))
        tests[test, literal.wanted] = Effect(met | effect.met, unmet | effect.unmet)

    def _set_tables(self, segment_names: Sequence[str]) -> None:
        self._segments: list[list[int]] = []
        fields: dict[str, list[tuple[str, Any]]] = {"subject": [], "context": []}
        computed: list[tuple[Evaluate, Lookup]] = []
        for name, term in self._terms.items():
            tests = [(test, wanted, effect) for (test, wanted), effect in self._tests[name].items()]
            if is_segments(term):
                self._segments = byte_tables(_by_segment(tests, segment_names))
            elif isinstance(term, Field):
                fields[term.root].append((term.name, table(term, tests)))
            else:
                computed.append((closure(term), table(term, tests).bits))
        self._computed = tuple(computed)
        self.takes_names = any(takes_names(term) for term in self._terms.values() if not is_segments(term))
        self._of_segments = lru_cache(MOST_KEPT)(partial(of_bytes, self._segments))  # many subjects are in the same
        self._of_subject, self._of_context = (_fields(fields[root]) for root in ("subject", "context"))


def _fields(found: Sequence[tuple[str, Any]]) -> _Fields:
    return _Fields(
        tuple((name, one.entries.get, one.other) for name, one in found if isinstance(one, Texts)),
        tuple((name, one.cuts, one.entries, one) for name, one in found if isinstance(one, Cuts)),
        tuple((name, one.bits) for name, one in found if isinstance(one, Names)),
    )


def _by_segment(tests: Sequence[tuple[Test, bool, Effect]], names: Sequence[str]) -> list[tuple[int, int]]:
    """What follows from each segment, when the subject is in it and when not."""
    effects = dict.fromkeys(names, (0, 0))
    always = 0
    for test, wanted, effect in tests:
        if test.name != "holds":
            always |= effect.bits(wanted)  # the segments are always there
        elif test.constants[0] in effects:
            met, unmet = effects[test.constants[0]]
            effects[test.constants[0]] = met | effect.bits(wanted), unmet | effect.bits(not wanted)
        else:
            always |= effect.bits(not wanted)  # a segment that is none: nobody is in it
    return [(met | always, unmet | always) for met, unmet in effects.values()] or [(always, always)]
