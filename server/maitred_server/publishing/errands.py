"""The jobs by name. What does them is imported where they are done: the serving process never loads the parser of
playbooks, their schema and what checks them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maitred_server.decide.ask import Ask
from maitred_server.publishing.place import Place
from maitred_server.rpc.publisher import By, Diffed, Previewed, Published


def check(place: Place, brand: str, files: Mapping[str, bytes]) -> Published:
    """See `jobs.check`."""
    from maitred_server.publishing import jobs

    return jobs.run(jobs.check, place, brand, files)


def publish(place: Place, brand: str, files: Mapping[str, bytes], by: By) -> Published:
    """See `jobs.publish`."""
    from maitred_server.publishing import jobs

    return jobs.run(jobs.publish, place, brand, files, by)


def rollback(place: Place, brand: str, version: str, by: By) -> Published:
    """See `jobs.rollback`."""
    from maitred_server.publishing import jobs

    return jobs.run(jobs.rollback, place, brand, version, by)


def diff(place: Place, brand: str, files: Mapping[str, bytes], against: str) -> Diffed:
    """See `trials.diff`."""
    from maitred_server.publishing import jobs, trials

    return jobs.run(trials.diff, place, brand, files, against)


def preview(place: Place, brand: str, files: Mapping[str, bytes], asks: Sequence[Ask]) -> Previewed:
    """See `trials.preview`."""
    from maitred_server.publishing import jobs, trials

    return jobs.run(trials.preview, place, brand, files, asks)
