"""Where playbooks are published."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from maitred_server.playbook.versions import Keeping
from maitred_server.store import Store
from maitred_server.store.published import brand_folder


class Place(NamedTuple):
    """Where to work: the data directory, and how long what is published there is kept."""

    data: Path
    map_size: int
    keeping: Keeping = Keeping()

    def catalogue(self, brand: str) -> Path:
        """The folder of a brand's versions."""
        return brand_folder(self.data, brand) / "catalogue"

    def store(self) -> Store:
        """To read from; of whoever asks, who closes it. Raises StoreRefused."""
        return Store.open(self.data, map_size=self.map_size, read_only=True)
