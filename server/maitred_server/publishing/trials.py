"""What a playbook would change: against what is in force in words, and for some subjects in what they would see."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from maitred_server.decide.ask import Ask
from maitred_server.decide.pipeline import wall_clock
from maitred_server.decide.worlds import Worlds
from maitred_server.errors import PlaybookError, UnknownName
from maitred_server.playbook import versions
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.differ import EMPTY, differences, with_items
from maitred_server.playbook.editions import kept
from maitred_server.playbook.nouns import Playbook
from maitred_server.publishing.jobs import imported, loaded
from maitred_server.publishing.place import Place
from maitred_server.publishing.preview import Trial, compared
from maitred_server.rpc.publisher import Diffed, Previewed
from maitred_server.store.published import current


def diff(place: Place, brand: str, files: Mapping[str, bytes], against: str) -> Diffed:
    """What would change against a version; "": the one in force. Items that were imported since count too.

    Raises PlaybookError with every mistake of `files`, UnknownName when there is nothing to compare with, StoreRefused.
    """
    items = imported(place, brand)
    after = with_items(loaded(files, items), items)
    folder = place.catalogue(brand)
    version = against or current(folder)
    before = EMPTY if version is None else _before(folder, version)
    return Diffed(version or "", tuple(differences(before, after)))


def _before(folder: Path, version: str) -> Playbook:
    versions.find(folder, version)
    found = kept(folder, version)
    try:
        return with_items(loaded(found.files, found.imported), found.imported)
    except PlaybookError as error:
        reason = f"version `{version}` does not pass the checks of this server: {error.mistakes[0]}"
        raise UnknownName(f"{reason}; there is nothing to compare with", "against") from None


def preview(place: Place, brand: str, files: Mapping[str, bytes], asks: Sequence[Ask]) -> Previewed:
    """Decide for each subject with what is in force and with this playbook, at one moment and with one seed.

    Raises PlaybookError with every mistake, StoreRefused.
    """
    with place.store() as store, TemporaryDirectory() as scratch:
        items = list(store.items(brand))
        build(loaded(files, items), items, Path(scratch))
        worlds = Worlds(place.data, store)
        worlds.poll()
        after = worlds.trial(brand, Catalogue.open(Path(scratch)))
        return compared(Trial(store, worlds.world(brand), after, wall_clock(), os.urandom(16)), asks)
