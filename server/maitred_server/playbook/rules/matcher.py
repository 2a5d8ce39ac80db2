"""Many formulas that ask nothing of items, answered at once.

Each literal sets bits: of the formulas that fail when it does not hold, or of the clauses that hold when it does. The
bits of all literals about one term come out of one table (see `tables`), so that an answer costs a look-up and an OR
for each trait that any rule names, however many rules there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from maitred_server.playbook.rules.answering import AnyTable, Tables
from maitred_server.playbook.rules.closures import Evaluate, closure
from maitred_server.playbook.rules.logic import Formula, Literal, as_node, clauses
from maitred_server.playbook.rules.rule import is_segments, takes_names
from maitred_server.playbook.rules.tables import Effect, byte_tables
from maitred_server.playbook.rules.terms import Test, table, tested
from maitred_server.playbook.rules.tree import Field, Node, key

try:
    from maitred_server.compiled.rules import Answering
except ImportError:  # nothing was compiled here
    from maitred_server.playbook.rules.answering import Answering  # type: ignore[assignment]

MOST_CLAUSES: Final = 8  # with more than one literal, of a formula; one that has more is a term of its own
_MOST_CLAUSES: Final = 64


class Matcher:
    """Immutable; for any thread. Formula i of those given has bit i."""

    def __init__(self, formulas: Sequence[Formula], segment_names: Sequence[str] = ()) -> None:
        self.size = len(formulas)
        self._start = 0
        self._clauses = 0
        self._terms: dict[bytes, Node] = {}
        self._tests: dict[bytes, dict[tuple[Test, bool], Effect]] = defaultdict(dict)
        for number, of in enumerate(formulas):
            self._add(number, of)
        self.takes_names = any(takes_names(term) for term in self._terms.values() if not is_segments(term))
        self.failing = Answering(self._tables(segment_names)).failing  # see there

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

    def _tables(self, segment_names: Sequence[str]) -> Tables:
        segments: list[list[int]] = []
        fields: dict[str, list[tuple[str, AnyTable]]] = {"subject": [], "context": []}
        computed: list[tuple[Evaluate, AnyTable]] = []
        for name, term in self._terms.items():
            tests = [(test, wanted, effect) for (test, wanted), effect in self._tests[name].items()]
            if is_segments(term):
                segments = byte_tables(_by_segment(tests, segment_names))
            elif isinstance(term, Field):
                fields[term.root].append((term.name, table(term, tests)))
            else:
                computed.append((closure(term), table(term, tests)))
        return Tables(self.size, self._start, self._clauses, fields["subject"], fields["context"], computed, segments)


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
