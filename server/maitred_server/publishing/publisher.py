"""The publisher of a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Final

from maitred_server.decide.ask import Ask
from maitred_server.playbook.versions import Version, published
from maitred_server.publishing import errands
from maitred_server.publishing.lanes import Lane
from maitred_server.publishing.place import Place
from maitred_server.rpc.publisher import By, Diffed, Previewed, Published

STEPPED_BACK: Final = 10  # niceness of trials


class ProcessPublisher:
    """Publishes in one process and tries in another: a long preview keeps no rollback waiting."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._publishing = Lane()
        self._trying = Lane(STEPPED_BACK)

    def publish(self, brand: str, files: Mapping[str, bytes], by: By, dry_run: bool) -> Future[Published]:
        if dry_run:
            return self._trying.submit(errands.check, self._place, brand, dict(files))
        return self._publishing.submit(errands.publish, self._place, brand, dict(files), by)

    def rollback(self, brand: str, version: str, by: By) -> Future[Published]:
        return self._publishing.submit(errands.rollback, self._place, brand, version, by)

    def diff(self, brand: str, files: Mapping[str, bytes], against: str) -> Future[Diffed]:
        return self._trying.submit(errands.diff, self._place, brand, dict(files), against)

    def preview(self, brand: str, files: Mapping[str, bytes], asks: Sequence[Ask]) -> Future[Previewed]:
        return self._trying.submit(errands.preview, self._place, brand, dict(files), list(asks))

    def versions(self, brand: str, limit: int) -> list[Version]:
        return published(self._place.catalogue(brand), limit)

    def close(self) -> None:
        """Wait for the jobs under way."""
        self._trying.close()
        self._publishing.close()
