"""Decisions of the past are made again, exactly, whatever happened since."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from harness.control import DECLARED, items, rule, weight, with_segments
from harness.desk import put_in_force
from harness.replays import GROUPS, exposed
from maitred_server.decide.answer import Answer
from maitred_server.decide.ask import Ask
from maitred_server.decide.explain import Asked, explain
from maitred_server.decide.packing import sealed
from maitred_server.decide.past import Past, Rerun
from maitred_server.decide.pipeline import Pipeline
from maitred_server.decide.receipt import Receipt, Sealer
from maitred_server.decide.worlds import CATALOGUE, Worlds
from maitred_server.errors import NothingKept
from maitred_server.learn.learner import Learner
from maitred_server.learn.rebuild import Rebuilder
from maitred_server.model import (
    Body,
    Consent,
    Consents,
    ConsentState,
    Entry,
    Event,
    Exposure,
    Intensity,
    Kind,
    Merge,
    Objection,
    Outcome,
    Record,
    Sequenced,
    StateChange,
    Trait,
    Traits,
    TraitSource,
)
from maitred_server.playbook.control import ContactPolicy, Control, Learning, Lever, Response, Scope, SlatePlan, Worth
from maitred_server.policy.fitted import Stamp
from maitred_server.store import Keeping, Store
from maitred_server.store.keys import brand_prefix
from maitred_server.store.published import brand_folder, prune
from maitred_server.subjects.consent import as_consents
from msgspec.structs import replace

ITEMS = sorted(GROUPS)
HOUR = 3_600_000
PLACEMENTS = b"""
placements:
  - {name: home, slots: 3, policy: habit}
  - {name: lottery, slots: 2, policy: uniform}
  - {name: banner, policy: fixed, order: [PEARS, APPLES], fallback: [SOAP]}
  - {name: popular, slots: 2, policy: popular}
"""
LAYERS = b"""
name: t
holdout: {share: 0.1}
layers:
  - name: first
    arms: [{name: chance, share: 0.5, policies: {home: uniform}}]
"""


def control(price: float) -> Control:
    """All that a playbook can say, one of each."""
    told = with_segments(DECLARED, grown="subject.age >= 18.0", on_phone="context.device == 'phone'")
    return replace(
        told,
        rules=(
            rule(told, "subject.age > 12.0", name="age", groups=("dairy",)),
            rule(told, f"item.price < {price}", "applicability", name="cheap", items=("PEARS", "APPLES")),
            rule(told, "!('on_phone' in subject.segments)", "suitability", name="desk", items=("BREAD",)),
        ),
        contact_policies=(
            ContactPolicy("seldom", "exposure", 3, 48 * HOUR, suppress_ms=HOUR),
            ContactPolicy("groups", "exposure", 4, 24 * HOUR, per="group", scope=Scope(groups=("fruit",))),
        ),
        levers=(Lever("push", 2.0, Scope(items=("MILK",))),),
        context_weights=(weight(told, 1.5, "'grown' in subject.segments", items=("SOAP",)),),
        slates=(SlatePlan("home", stretch=(2,), most_per_group=1, worth=Worth("price", 1.0)),),
    )


class Shop:
    """A server's parts in one process, with a clock that only the test moves."""

    def __init__(self, data: Path, history_records: int = 10_000) -> None:
        self.data = data
        self.store = Store.open(data, map_size=1 << 28, history_records=history_records)
        self.worlds = Worlds(data, self.store)
        self.learner = Learner(self.store.read_changes, data)
        self.sealer = Sealer((b"key1", bytes(32)), lambda key_id: bytes(32))
        self.now = 1_750_000_000_000
        self.random = random.Random(7)
        self.pipeline = Pipeline(self.store, self.worlds.world, self.sealer, lambda: self.now, self.random.randbytes)
        self._numbers: Iterator[int] = iter(range(1, 1 << 40))

    def close(self) -> None:
        self.worlds.close()
        self.store.close()

    def publish(self, price: float) -> None:
        prices = {name: self.random.uniform(1.0, 9.0) for name in ITEMS}
        files = {"placements.yaml": PLACEMENTS, "playbook.yaml": LAYERS, "items.jsonl": items(**prices)}
        put_in_force(brand_folder(self.data, "shop") / CATALOGUE, control(price), files)
        self.worlds.poll()

    def learn(self) -> None:
        while self.learner.step():
            pass
        self.learner.publish()
        self.worlds.poll()

    def tell(self, subject: bytes, *bodies: Body) -> None:
        records = [Record(subject, Kind.PERSON, self.now, self.now, body) for body in bodies]
        self.store.submit([Entry(one, Sequenced(b"c", 1, next(self._numbers))) for one in records]).result()

    def set_state(self, *changes: StateChange) -> None:
        self.store.submit_item_states("shop", changes, self.now).result()
        self.worlds.poll()

    def decide(
        self, subject: bytes, *placements: str, pending: Sequence[Body] = (), slots: int | None = None
    ) -> Answer:
        context = {"device": self.random.choice(["phone", "desk"]), "channel": self.random.choice(["web", "app"])}
        on_the_way = [Entry(Record(subject, Kind.PERSON, self.now, self.now, body), None) for body in pending]
        wanted = [(name, self.random.choice([0, 0, 1, 4]) if slots is None else slots) for name in placements]
        ask = Ask("shop", subject, Kind.PERSON, {}, wanted, context=context, pending=on_the_way)
        return self.pipeline.decide(ask)

    def receipt(self, answer: Answer) -> Receipt:
        return self.sealer.open(answer.receipt)

    def past(self, most: int = 1_000_000) -> Past:
        return Past(self.store, self.data, Rebuilder(self.store.read_changes, self.data, most))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    one = Shop(tmp_path)
    yield one
    one.close()


def person(number: int) -> bytes:
    return brand_prefix("shop") + bytes([number]) * 16


def repeated(past: Past, receipt: Receipt) -> bool:
    """Whether explaining a receipt makes the same answer again, bit by bit."""
    again = past.rerun(Rerun.of_receipt(receipt))
    assert again.notes == []
    ids = [one.decision_id for one in receipt.decisions]
    found = explain(again.world, again.moment, receipt.seed, Asked(), ids)
    made = [sealed(one, then.wanted) for one, then in zip(found.decisions, receipt.decisions, strict=True)]
    assert again.moment.segments == receipt.segments
    return made == list(receipt.decisions)


def happens(shop: Shop, subject: bytes) -> None:
    """One thing of all that can happen."""
    pick, item = shop.random.random(), shop.random.choice(ITEMS)
    if pick < 0.55:
        shop.tell(subject, *(Event("purchase", item, groups=(GROUPS[item],)) for _ in range(shop.random.randint(1, 3))))
    elif pick < 0.7:
        trait = Trait("age", float(shop.random.randint(5, 40)), shop.random.choice(list(TraitSource)))
        shop.tell(subject, Traits((trait,)))
    elif pick < 0.76:
        shop.tell(subject, Objection(item=item, withdrawn=shop.random.random() < 0.5))
    elif pick < 0.82:
        state = shop.random.choice(list(ConsentState))
        said = as_consents(shop.random.choice(list(Intensity)), shop.now)
        shop.tell(subject, Consents((Consent("service", state, observed_at=shop.now), *said)))
    elif pick < 0.86:
        shop.tell(subject, Merge(person(shop.random.randint(1, 12))))
    elif pick < 0.88:
        shop.store.unmerge(subject, person(shop.random.randint(1, 12)), shop.now).result()
    elif pick < 0.92:
        change = StateChange(item, stock=shop.random.choice([0, 5, None]), price=shop.random.choice([0.5, 8.0, None]))
        shop.set_state(change, StateChange(group="home", paused=shop.random.random() < 0.3))
    elif pick < 0.975:
        shop.learn()
    else:
        shop.publish(shop.random.uniform(2.0, 9.0))


@pytest.mark.parametrize("number", [90, pytest.param(500, marks=pytest.mark.slow)])
def test_past_decisions_are_repeated(shop: Shop, number: int) -> None:
    """Each of 500 decisions between events, consents, merges, publishes, live states and policy snapshots is made again
    from its receipt, equal to the last bit, after all of it.
    """
    shop.publish(5.0)
    receipts: list[Receipt] = []
    while len(receipts) < number:
        shop.now += shop.random.randint(1, HOUR // 6)
        subject = person(shop.random.randint(1, 12))
        happens(shop, subject)
        for _ in range(3):
            names = shop.random.sample(["home", "lottery", "banner", "popular"], shop.random.randint(1, 3))
            receipts.append(shop.receipt(shop.decide(subject, *names)))
        if shop.random.random() < 0.5:
            shop.tell(subject, *exposed(receipts[-1]))
    shop.learn()
    assert min(len({part(one) for one in receipts}) for part in (_catalogue, _snapshot, _states)) >= 1 + number // 200
    past = shop.past()
    shop.random.shuffle(receipts)
    assert [one for one in receipts if not repeated(past, one)] == []


def learns(shop: Shop, policy: str) -> None:
    """A placement whose policy learns is in force."""
    files = {
        "placements.yaml": f"placements: [{{name: taught, slots: 2, policy: {policy}}}]".encode(),
        "playbook.yaml": LAYERS.replace(b"layers:", b"").split(b"  - name")[0],
        "items.jsonl": items(**dict.fromkeys(ITEMS, 1.0)),
    }
    learning = Learning("taught", (Response("purchase", 24 * HOUR), Response("dismissed", HOUR, worth=-0.1)))
    put_in_force(brand_folder(shop.data, "shop") / CATALOGUE, Control(learning=(learning,)), files)
    shop.worlds.poll()


@pytest.mark.parametrize("policy", ["inverse_gap", "thompson"])
def test_decisions_of_learned_policies_are_repeated(shop: Shop, policy: str) -> None:
    """Decisions by models that were learned meanwhile, and are kept no more, are made again from the journal."""
    learns(shop, policy)
    shop.learn()
    receipts = []
    for number in range(40):
        shop.now += HOUR // 10
        subject = person(1 + number % 12)
        receipts.append(shop.receipt(shop.decide(subject, "taught")))
        shop.tell(subject, *exposed(receipts[-1]))
        (decision,) = receipts[-1].decisions
        if decision.slots and decision.slots[0].item in ("BREAD", "SOAP"):
            item = decision.slots[0].item
            shop.tell(subject, Outcome("purchase", 1.0, item, "", (GROUPS[item],), decision.decision_id))
        if number % 4 == 3:
            shop.learn()
    folder = brand_folder(shop.data, "shop") / "policy"
    for path in folder.glob("*.snapshot"):
        path.unlink()
    past = shop.past()
    assert len({one.snapshot for one in receipts}) == 10
    # Models are made in a share of the time: how many decisions come before the next is up to the machine.
    assert any(Stamp.of(one.snapshot) for one in receipts)
    assert [one.snapshot for one in receipts if not repeated(past, one)] == []


def _catalogue(receipt: Receipt) -> str:
    return receipt.catalogue


def _snapshot(receipt: Receipt) -> str:
    return receipt.snapshot


def _states(receipt: Receipt) -> int:
    return receipt.item_states


def test_another_past_is_another_answer(shop: Shop) -> None:
    """The check can fail: with another seed, profile, policy snapshot or live states the answer is another."""
    shop.publish(5.0)
    shop.learn()
    plain = next(one for one in map(person, range(1, 99)) if not shop.receipt(shop.decide(one, "home")).arms)
    shop.tell(plain, *(Event("purchase", "PEARS") for _ in range(3)), Event("purchase", "BREAD"))
    shop.learn()
    shop.publish(9.0)
    shop.tell(plain, *(Event("purchase", "SOAP") for _ in range(9)))
    shop.set_state(StateChange("SOAP", kill=True))
    soap = shop.receipt(shop.decide(plain, "home"))
    shop.set_state(StateChange("SOAP", kill=False))
    past = shop.past()
    lottery, popular, home = (shop.receipt(shop.decide(plain, name)) for name in ("lottery", "popular", "home"))
    assert [repeated(past, one) for one in (lottery, popular, home)] == [True] * 3
    assert not all(repeated(past, replace(lottery, seed=lottery.seed + number)) for number in range(1, 6))
    assert not repeated(past, replace(popular, snapshot=""))
    assert not repeated(past, replace(home, profile_sequence=0))
    assert not repeated(past, replace(home, catalogue="1"))
    assert not repeated(past, replace(soap, item_states=0))


def test_what_is_kept_no_more_is_said(shop: Shop) -> None:
    """A catalogue that was removed, with those that are kept; live states of no record; a subject that was erased."""
    shop.publish(5.0)
    shop.tell(person(1), Event("purchase", "SOAP"))
    receipt = shop.receipt(shop.decide(person(1), "home"))
    past = shop.past()
    with pytest.raises(NothingKept, match="catalogue version 7 is not kept any more; kept are 1 to 1"):
        past.rerun(Rerun.of_receipt(replace(receipt, catalogue="7")))
    with pytest.raises(NothingKept, match="live item states of this decision are not kept"):
        past.rerun(Rerun.of_receipt(replace(receipt, item_states=1)))
    shop.store.delete(person(1), shop.now).result()
    with pytest.raises(NothingKept, match="the subject was erased after this decision"):
        past.rerun(Rerun.of_receipt(receipt))


def test_records_over_the_bound_are_noted(tmp_path: Path) -> None:
    """A subject of whom the oldest records went has a note: its profile of then cannot be had as it was."""
    with_bound = Shop(tmp_path, history_records=100)
    with_bound.publish(5.0)
    with_bound.tell(person(1), *(Event("view", "SOAP") for _ in range(99)))
    receipt = with_bound.receipt(with_bound.decide(person(1), "home"))
    with_bound.tell(person(1), *(Event("view", "SOAP") for _ in range(99)))
    with_bound.store.keep(Keeping({}, HOUR), with_bound.now)
    again = with_bound.past().rerun(Rerun.of_receipt(receipt))
    with_bound.close()
    assert again.notes == [
        "the subject's oldest records are kept no more: its profile is made from those that are left"
    ]


def test_an_exposure_is_enough(shop: Shop) -> None:
    """From the journal alone the world and moment of what was shown: the same answer, where it was asked for alone."""
    shop.publish(5.0)
    shop.tell(person(1), *(Event("purchase", item) for item in ITEMS[:3]))
    shop.learn()
    answer = shop.decide(person(1), "home", slots=0)
    receipt = shop.receipt(answer)
    shop.tell(person(1), *exposed(receipt))
    (record,) = [one for _, one in shop.store.read_journal(0, 99) if isinstance(one.body, Exposure)]
    assert isinstance(record.body, Exposure)
    rerun = Rerun.of_exposure(record, record.body)
    assert rerun == Rerun.of_receipt(receipt)
    again = shop.past().rerun(rerun)
    found = explain(again.world, again.moment, rerun.seed, Asked(), [record.body.decision_id])
    assert [sealed(one, 0) for one in found.decisions] == list(receipt.decisions)


def test_what_was_pending_is_in_no_journal(shop: Shop) -> None:
    """A decision that feedback on the way took part in says so, and its profile is without it."""
    shop.publish(5.0)
    answer = shop.decide(person(1), "home", pending=[Event("purchase", "SOAP")])
    receipt = shop.receipt(answer)
    assert receipt.pending
    assert shop.past().rerun(Rerun.of_receipt(receipt)).moment.who.profile is None


def test_a_snapshot_is_remade_forward_and_backward(shop: Shop) -> None:
    """A policy snapshot that is gone is remade from the one in force, from the beginning, or from another remade one:
    each time the same.
    """
    shop.publish(5.0)
    receipts = []
    for number in range(12):
        shop.tell(person(1), *(Event("purchase", item) for item in ITEMS[: 1 + number % 5]))
        shop.learn()
        receipts.append(shop.receipt(shop.decide(person(2), "popular")))
    folder = brand_folder(shop.data, "shop") / "policy"
    prune(folder, 1, ".snapshot")
    assert len(list(folder.glob("*.snapshot"))) == 1
    for order in (receipts, receipts[::-1], receipts[::2] + receipts[1::2]):
        past = shop.past()
        assert [one.snapshot for one in order if not repeated(past, one)] == []
