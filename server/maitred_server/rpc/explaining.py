"""DecisionService.Explain: how a decision comes about, now or in the past."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from maitred.v1 import decision_pb2

from maitred_server.decide.alike import alike
from maitred_server.decide.ask import Ask
from maitred_server.decide.explain import MOST, Asked, Explanation, explain
from maitred_server.decide.packing import sealed
from maitred_server.decide.past import Past, Rerun
from maitred_server.decide.pipeline import Pipeline
from maitred_server.decide.receipt import Receipt, Sealer
from maitred_server.errors import InvalidRequest, NotAllowed, TooMany
from maitred_server.playbook.hints import did_you_mean
from maitred_server.rpc import convert, explained
from maitred_server.rpc.access import Caller
from maitred_server.rpc.decisions import Decisions
from maitred_server.rpc.durable import Durable
from maitred_server.store.keys import brand_of

AT_ONCE: Final = 2
MAX_CANDIDATES: Final = 1_000
SEED_BYTES: Final = 8
PENDING: Final = (
    "the request brought feedback that was not durable yet: the profile of that moment is in no journal, so this is as "
    "near as can be"
)


class Told(NamedTuple):
    """An explanation, and whether it made the same answer again; None: there was none before."""

    explanation: Explanation
    repeated: bool | None = None


class Explaining:
    """Explains on threads of its own, few at once, so that decisions do not wait for it."""

    def __init__(self, decisions: Decisions, pipeline: Pipeline, sealer: Sealer, past: Past) -> None:
        self._decisions = decisions
        self._pipeline = pipeline
        self._sealer = sealer
        self._past = past
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="explain")

    def explain(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(decision_pb2.ExplainRequest, data)
        asked = _asked(wire)
        what = wire.WhichOneof("what")
        if what == "request":
            ask = self._decisions.ask(wire.request, caller)
            _check_placement(asked.placement, [name for name, _ in ask.placements])
            return self._begin(lambda: self._now(ask, asked))
        if what == "past":
            receipt = self._receipt(wire.past.receipt, caller)
            asked = _of_decision(asked, receipt, wire.past.decision_id)
            return self._begin(lambda: self._then(receipt, asked))
        raise InvalidRequest("what is missing: set request, or past with a receipt", "what")

    def close(self) -> None:
        """Wait for what is under way."""
        self._threads.shutdown(wait=True)

    def _begin(self, work: Callable[[], Told]) -> Durable:
        """Raises TooMany."""
        if not self._free.acquire(blocking=False):
            raise TooMany(f"{AT_ONCE} decisions are being explained already; try again in a moment")
        future = self._threads.submit(work)
        future.add_done_callback(lambda _: self._free.release())
        return Durable(future, lambda told: explained.to_wire(told.explanation, told.repeated).SerializeToString())

    def _now(self, ask: Ask, asked: Asked) -> Told:
        world, moment = self._pipeline.look(ask)
        return Told(explain(world, moment, int.from_bytes(os.urandom(SEED_BYTES), "big"), asked))

    def _then(self, receipt: Receipt, asked: Asked) -> Told:
        again = self._past.rerun(Rerun.of_receipt(receipt))
        found = explain(again.world, again.moment, receipt.seed, asked, [one.decision_id for one in receipt.decisions])
        made = [sealed(one, then.wanted) for one, then in zip(found.decisions, receipt.decisions, strict=True)]
        notes = [*again.notes, *([PENDING] if receipt.pending else []), *found.notes]
        return Told(found._replace(notes=notes), all(map(alike, made, receipt.decisions)))

    def _receipt(self, token: bytes, caller: Caller) -> Receipt:
        if not token:
            raise InvalidRequest("past.receipt is missing: the receipt that came with the decision", "past.receipt")
        try:
            receipt = self._sealer.open(token)
        except NotAllowed as error:
            raise NotAllowed(error.message, "past.receipt") from None
        if brand_of(receipt.subject) != caller.brand:
            raise NotAllowed("the receipt is of another brand than this key", "past.receipt")
        return receipt


def _asked(wire: decision_pb2.ExplainRequest) -> Asked:
    if wire.limit > MAX_CANDIDATES:
        raise InvalidRequest(f"limit must be at most {MAX_CANDIDATES:,}", "limit")
    if len(wire.items) > MAX_CANDIDATES:
        raise InvalidRequest(f"items must hold at most {MAX_CANDIDATES:,}", "items")
    items = [convert.name(item, f"items[{number}]") for number, item in enumerate(wire.items)]
    return Asked(convert.name(wire.placement, "placement", required=False), items, wire.limit or MOST)


def _check_placement(name: str, asked_for: Sequence[str]) -> None:
    if name and name not in asked_for:
        raise InvalidRequest(f"placement `{name}` is not of this answer{did_you_mean(name, asked_for)}", "placement")


def _of_decision(asked: Asked, receipt: Receipt, decision_id: str) -> Asked:
    _check_placement(asked.placement, [one.placement for one in receipt.decisions])
    if not decision_id:
        return asked
    decision = receipt.decision(decision_id)
    if decision is None:
        raise InvalidRequest("the receipt holds no decision of this id", "past.decision_id")
    if asked.placement not in ("", decision.placement):
        raise InvalidRequest(f"this decision is of placement `{decision.placement}`", "placement")
    return asked._replace(placement=decision.placement)
