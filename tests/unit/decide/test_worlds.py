"""What is taken up of what is published."""

from __future__ import annotations

from pathlib import Path

from harness.control import DECLARED, rule
from harness.desk import put_in_force
from maitred_server.decide.worlds import Worlds
from maitred_server.model import StateChange
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.control import Control
from maitred_server.store import MemoryStore
from maitred_server.store.published import brand_folder
from msgspec.structs import replace


def test_a_version_whose_rules_cannot_be_read_is_not_taken_up(tmp_path: Path) -> None:
    """The one before stays in force, and live states still reach it; the next good one is taken up."""
    catalogues = brand_folder(tmp_path, "shop") / "catalogue"
    store = MemoryStore()
    worlds = Worlds(tmp_path, store)
    put_in_force(catalogues, Control())
    worlds.poll()
    first = worlds.world("shop")
    broken = replace(rule(DECLARED, "subject.age > 1.0"), plan=b"", expression="subject.agee > 1.0")
    put_in_force(catalogues, replace(DECLARED, rules=(broken,)))
    store.submit_item_states("shop", [StateChange("MILK", kill=True)], 1).result()
    worlds.poll()
    after = worlds.world("shop")
    assert first is not None
    assert after is not None
    assert (after.catalogue, after.overlay.all_open) == (first.catalogue, False)
    put_in_force(catalogues, Control())
    worlds.poll()
    last = worlds.world("shop")
    assert last is not None
    assert last.catalogue.version == Catalogue.open(catalogues).version != first.catalogue.version
    worlds.close()


def test_a_trial_loses_no_change(tmp_path: Path) -> None:
    """What was published just before a trial is taken up by it, and served from then on."""
    catalogues = brand_folder(tmp_path, "shop") / "catalogue"
    worlds = Worlds(tmp_path, MemoryStore())
    put_in_force(catalogues, Control())
    worlds.trial("shop", Catalogue.open(catalogues))
    worlds.poll()
    assert worlds.world("shop") is not None
    worlds.close()
