"""Models in snapshots: published as they are learned, held back, pinned, and made again from the journal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import structlog
from harness.lessons import DAY_MS, FAMILIES, LEARNING, NOW, exposure, outcome, plan, publish, record, shown
from maitred_server.learn import models as module
from maitred_server.learn import orders
from maitred_server.learn.gates import Gates, has_shape, is_finite
from maitred_server.learn.learner import Learner
from maitred_server.learn.publish import held_back, policy_folder
from maitred_server.learn.rebuild import Rebuilder
from maitred_server.model import Entry, Event, Record
from maitred_server.policy.fitted import Stamp, arrays_of
from maitred_server.policy.linear import Model
from maitred_server.policy.snapshot import SUFFIX, PolicySnapshot, open_snapshot
from maitred_server.store import Changes, MemoryStore
from maitred_server.store.keys import item_key
from maitred_server.store.published import current
from msgspec.structs import replace

PLAN = plan()


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """All weights are made anew each time."""
    monkeypatch.setattr(module, "SHARE", 0)


class Shop:
    """A store, the learner, and a clock that stands still."""

    def __init__(self, data: Path, gates: Gates = Gates(), **learning: object) -> None:  # noqa: B008
        self.data, self.store, self.gates = data, MemoryStore(), gates
        publish(data, replace(LEARNING, **learning))
        self.now = NOW
        self.start()

    def start(self) -> None:
        self.learner = Learner(self.store.read_changes, self.data, clock=lambda: self.now, gates=self.gates)

    def tell(self, *records: Record) -> None:
        self.store.submit([Entry(one, since=1 << 60) for one in records]).result()

    def shows(self, *numbers: int, item: str = "APPLES", bought: bool = False) -> None:
        for number in numbers:
            self.tell(record(exposure(f"d{number}", shown(0, item, number, PLAN), of=PLAN), number % 9))
            if bought:
                self.tell(record(outcome(f"d{number}", item), number % 9))

    def learn(self) -> PolicySnapshot:
        while self.learner.step():
            pass
        self.learner.publish()
        return self.snapshot

    @property
    def version(self) -> str:
        return current(policy_folder(self.data, "main")) or ""

    @property
    def snapshot(self) -> PolicySnapshot:
        return open_snapshot(policy_folder(self.data, "main"), self.version)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def bits(snapshot: PolicySnapshot) -> list[bytes]:
    model = snapshot.model("home")
    assert model is not None
    return [one.tobytes() for one in arrays_of(model)]


def test_a_snapshot_has_the_models_of_what_was_learned(shop: Shop) -> None:
    """Exposures and what came of them are in the weights, of their item too; its name says what it was made from."""
    shop.shows(1, 2, 3, bought=True)
    shop.shows(4, item="BREAD")
    snapshot = shop.learn()
    model = snapshot.model("home", PLAN.space.name)
    assert model is not None
    assert (model.exposures, model.means.tolist()) == (4.0, [0.75, 0.5])
    assert model.levels[1].keys.tolist() == sorted([item_key("APPLES"), item_key("BREAD")])
    assert (snapshot.models["home"].responses, snapshot.model("banner")) == (("purchase", "rated"), None)
    assert snapshot.model("home", "another space") is None
    assert snapshot.model("home", PLAN.space.name, ("rated", "purchase")) is None
    assert Stamp.of(snapshot.version) == Stamp(7, 7, NOW // DAY_MS, 1)


def test_without_anything_new_nothing_is_published(shop: Shop) -> None:
    """What teaches nothing leaves the version; a count leaves the models."""
    shop.shows(1)
    before = shop.learn()
    assert shop.learner.publish() == []
    shop.tell(record(exposure("x", of=PLAN)), replace(record(exposure("x", of=PLAN)), body=Event("view", "APPLES")))
    after = shop.learn()
    assert (before.version != after.version, bits(before) == bits(after)) == (True, True)
    assert Stamp.of(before.version) == Stamp.of(after.version)


def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if making all weights took so long that it is not done at once again."""
    monkeypatch.setattr(module, "SHARE", 1e9)


def test_what_was_touched_is_new_at_once_and_what_is_wider_later(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between bases only the items and variants that were met have new weights; with the next base all have."""
    shop.shows(1, 2, bought=True)
    before = shop.learn().models["home"]
    hurried(monkeypatch)
    shop.shows(3, 4, item="BREAD", bought=True)
    middle = shop.learn().models["home"]
    assert middle.stamp == Stamp(8, 4, NOW // DAY_MS, 1)
    assert np.array_equal(middle.model.wide, before.model.wide)
    apples = middle.model.levels[1].find(np.array([item_key("APPLES")], np.uint64))
    assert np.array_equal(middle.model.levels[1].values[apples], before.model.levels[1].values)
    assert len(middle.model.levels[1].keys) == 2
    shop.now += DAY_MS
    shop.shows(5)
    after = shop.learn().models["home"]
    assert (after.stamp.base, after.model.exposures) == (9, 5.0)


@pytest.mark.parametrize("fading", [0.0, 20.0])
def test_a_past_model_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fading: float) -> None:
    """Every version whose file is gone is made again from the journal, bit for bit, bases and what followed them."""
    shop = Shop(tmp_path, half_life_days=fading)
    kept = {}
    for at in range(8):
        if at in (2, 6):
            hurried(monkeypatch)
        elif at == 4:
            shop.now += 30 * DAY_MS
        shop.shows(at, at + 100, item=("APPLES", "BREAD", "PEARS")[at % 3], bought=at % 2 == 0)
        snapshot = shop.learn()
        kept[snapshot.version] = bits(snapshot)
    for path in policy_folder(tmp_path, "main").glob(f"*{SUFFIX}"):
        path.unlink()
    rebuilder = Rebuilder(shop.store.read_changes, tmp_path)
    remade = {version: rebuilder.snapshot("main", version) for version in kept}
    assert {version: bits(one.snapshot) for version, one in remade.items()} == kept
    assert {one.note for one in remade.values()} == {""}
    assert len({Stamp.of(version).base for version in kept}) < len(kept)  # type: ignore[union-attr]


def test_what_was_forgotten_is_in_no_model(shop: Shop) -> None:
    """The models after an erasure are those that were never told of the subject; and a remade one says so."""
    shop.shows(1, 2, bought=True)
    before = shop.learn().version
    shop.shows(9, 18, item="BREAD", bought=True)
    shop.learn()
    shop.store.delete(record(exposure("d9", of=PLAN), 0).subject, NOW)
    after = shop.learn()
    assert bits(after) == bits(open_snapshot(policy_folder(shop.data, "main"), before))
    assert len(after.models["home"].model.levels[1].keys) == 1


def test_a_restart_goes_on_from_the_check_point(shop: Shop) -> None:
    """A new learner reads only what came since the check-point, and has the same models."""
    shop.shows(1, 2, bought=True)
    shop.learn()
    shop.learner.publish(last=True)
    reads = []
    shop.shows(3)
    read = shop.store.read_changes

    def noticed(after: int, limit: int, noted_through: int) -> Changes:
        reads.append(after)
        return read(after, limit, noted_through)

    shop.store.read_changes = noticed  # type: ignore[method-assign]
    shop.start()
    model = shop.learn().model("home")
    assert (min(reads), model.exposures if model else 0) == (4, 3.0)


def jump(shop: Shop) -> PolicySnapshot:
    """Nobody buys for long, then everybody does."""
    shop.shows(*range(40))
    shop.learn()
    shop.shows(*range(100, 400), bought=True)
    return shop.learn()


def test_a_model_that_jumps_is_held_back(tmp_path: Path) -> None:
    """The model before stays in force and counts go on; it is logged and remembered, also over a restart."""
    shop = Shop(tmp_path, Gates(drift=0.2, young=30.0))
    with structlog.testing.capture_logs() as logs:
        snapshot = jump(shop)
    model = snapshot.model("home")
    assert model is not None
    assert (model.exposures, snapshot.counts("exposure", np.array([item_key("APPLES")], np.uint64)).tolist()) == (
        40.0,
        [340],
    )
    (hold,) = orders.holds(policy_folder(tmp_path, "main"))
    assert (hold.placement, hold.until, "moved by" in hold.reason) == ("home", 0, True)
    assert [one["log_level"] for one in logs if one["event"] == "model_held_back"] == ["error"]
    assert held_back(tmp_path) == 1
    shop.start()
    shop.shows(500)
    again = shop.learn().model("home")
    assert (again.exposures if again else 0, len(orders.holds(policy_folder(tmp_path, "main")))) == (40.0, 1)


def test_a_person_lets_a_model_in(tmp_path: Path) -> None:
    """After `resume` the model that was held back is in force, though nothing new was learned."""
    shop = Shop(tmp_path, Gates(drift=0.2, young=30.0))
    jump(shop)
    orders.resume(policy_folder(tmp_path, "main"))
    model = shop.learn().model("home")
    assert model is not None
    assert model.exposures == 340.0
    (hold,) = orders.holds(policy_folder(tmp_path, "main"))
    assert held_back(tmp_path) == 0
    assert (hold.until > 0, orders.accepts(policy_folder(tmp_path, "main"))) == (True, False)


def test_young_models_may_move(tmp_path: Path) -> None:
    """While a model has seen little it moves as it likes."""
    model = jump(Shop(tmp_path, Gates(drift=0.2, young=41.0))).model("home")
    assert model is not None
    assert model.exposures == 340.0


def spoiled(model: Model, how: str) -> Model:
    wide = model.wide.copy()
    if how == "nan":
        wide[0, 0] = np.nan
        return model._replace(wide=wide)
    if how == "inf":
        values = model.levels[1].values.copy()
        values[0] = np.inf
        return model._replace(levels=(model.levels[0], model.levels[1]._replace(values=values), model.levels[2]))
    return model._replace(wide=wide[:, 1:])


@pytest.mark.parametrize(
    ("how", "check"), [("nan", is_finite), ("inf", is_finite), ("cut", lambda model: has_shape(PLAN, model))]
)
def test_broken_models_do_not_pass(shop: Shop, how: str, check: Callable[[Model], bool]) -> None:
    """What is not finite, or of another shape, is never served; a person cannot let it in either."""
    shop.shows(1)
    model = shop.learn().model("home")
    assert model is not None
    broken = spoiled(model, how)
    assert (check(model), check(broken)) == (True, False)
    assert Gates().fault(PLAN, broken, None, []) != ""


def test_pinned_models_stay(shop: Shop) -> None:
    """While a version is pinned its models are in every snapshot, over restarts too, and counts go on."""
    folder = policy_folder(shop.data, "main")
    shop.shows(1)
    pinned = shop.learn()
    shop.shows(2)
    shop.learn()
    orders.pin(folder, pinned.version)
    for number in (3, 4):
        shop.shows(number)
        snapshot = shop.learn()
        assert bits(snapshot) == bits(pinned)
        shop.start()
    assert snapshot.counts("exposure", np.array([item_key("APPLES")], np.uint64)).tolist() == [4]
    assert Stamp.of(snapshot.version) == Stamp.of(pinned.version)
    orders.resume(folder)
    model = shop.learn().model("home")
    assert model is not None
    assert model.exposures == 4.0


def test_old_spaces_are_not_served(shop: Shop) -> None:
    """With other features a placement has no model until one was learned from decisions with them."""
    shop.shows(1)
    shop.learn()
    publish(shop.data, replace(LEARNING, features=(*FAMILIES, "popularity")))
    shop.learner.publish()
    assert (shop.learn().model("home", PLAN.space.name), shop.learner.lane("main", "home") is None) == (None, False)
