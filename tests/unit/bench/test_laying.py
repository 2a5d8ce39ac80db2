"""A journal that is laid quickly is one that the store would have written."""

from __future__ import annotations

from pathlib import Path

import msgspec
from maitred_server.learn.learner import Learner
from maitred_server.model import Entry, Exposure, Outcome
from maitred_server.store import Store
from maitred_tools.bench import laying, learning

MAP_SIZE = 1 << 28


def test_a_laid_journal_is_as_the_store_writes_it(tmp_path: Path) -> None:
    """The same records, handed in to a store, come to the same journal and the same counts by kind."""
    shop = learning.publish(tmp_path / "laid", 20)
    laying.lay(tmp_path / "laid", MAP_SIZE, shop, 1_500)
    with Store.open(tmp_path / "laid", MAP_SIZE, read_only=True) as laid:
        records = laid.read_changes(0, 2_000, 0).records
        counts = laid.usage()[1]
    with Store.open(tmp_path / "handed", MAP_SIZE) as store:
        store.submit([Entry(record) for _, record in records]).result(30)
        assert store.read_changes(0, 2_000, 0).records == records
        assert store.usage()[1] == counts
    assert len(records) == 1_500


def test_decisions_are_shown_once_each(tmp_path: Path) -> None:
    """Exposures are of decisions of their own; an outcome is of one of them, of what was in its first slot."""
    shop = learning.publish(tmp_path, 20)
    bodies = [record.body for record in laying.records_of(shop, 1_300)]
    exposures = {body.decision_id: body for body in bodies if isinstance(body, Exposure)}
    outcomes = [body for body in bodies if isinstance(body, Outcome)]
    assert (len(exposures), len(outcomes), len(bodies)) == (1_000, 250, 1_300)
    assert [body.item for body in outcomes] == [exposures[body.decision_id].shown[0].item for body in outcomes]
    assert len({msgspec.json.encode(body.shown) for body in exposures.values()}) > 900


def test_the_learner_reads_all_of_it(tmp_path: Path) -> None:
    """Its cursor comes to the last record, over more than one commit."""
    shop = learning.publish(tmp_path, 20)
    laying.lay(tmp_path, MAP_SIZE, shop, 6_000)
    with Store.open(tmp_path, MAP_SIZE, read_only=True) as store:
        reader = Learner(store.read_changes, tmp_path, 5_000)
        while reader.step():
            pass
        assert reader.cursor == 6_000
