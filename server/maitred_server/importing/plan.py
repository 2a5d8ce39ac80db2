"""From what was asked for to what is to be done: how a file is read, and what tells it from others."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from maitred_server.importing import mapping as mappings
from maitred_server.importing.checks import name
from maitred_server.importing.mapping import Mapping
from maitred_server.importing.parser import Reading
from maitred_server.importing.progress import FORMAT, Identity, digest_of, digest_of_parts
from maitred_server.importing.report import Watcher
from maitred_server.importing.rows import Defaults
from maitred_server.importing.sources import opened
from maitred_server.model import Kind


class Asked(NamedTuple):
    """What a file is to be imported as. Texts that are "" were not given. `source_id`: a name to know the file by."""

    kind: str  # "profiles", "events" or "items"
    file: Path
    mapping: Path | None = None
    default_kind: Kind = Kind.PERSON
    source: str = ""
    touchpoint: str = ""
    purpose: str = ""
    source_id: str = ""
    remember_ids: bool = False
    rejects: Path | None = None
    max_rejects: int | None = None

    @property
    def rejects_file(self) -> Path:
        """Where bad rows go."""
        return self.rejects or self.file.with_name(self.file.name + ".rejects.jsonl")


class Prepared(NamedTuple):
    """A file that can be opened, and how it is read."""

    reading: Reading
    identity: Identity


def prepare(asked: Asked, brand: str, watcher: Watcher) -> Prepared:
    """Look at a file. Raises InvalidRequest."""
    mapping = mappings.load(asked.mapping) if asked.mapping else None
    with opened(asked.file, mapping) as source:
        reading = Reading(asked.kind, mapping, source.names, _defaults(asked))
    watcher.stage("looking", asked.file.stat().st_size)
    digest = digest_of(asked.file, lambda done: watcher.at(done, ""))
    if asked.source_id:
        digest = digest_of_parts(name(asked.source_id, "source_id").encode(), digest.encode())
    return Prepared(reading, Identity(asked.kind, digest, _digest(reading, asked.remember_ids, brand)))


def _defaults(asked: Asked) -> Defaults:
    standard = Defaults()
    return Defaults(
        asked.default_kind,
        name(asked.source or standard.source, "source"),
        name(asked.touchpoint, "touchpoint", required=False),
        name(asked.purpose or standard.purpose, "purpose"),
    )


def _digest(reading: Reading, remember_ids: bool, brand: str) -> str:
    encode = msgspec.json.encode
    form: Mapping | None = reading.mapping
    parts = [encode(part) for part in (FORMAT, form, reading.defaults, remember_ids, brand)]
    return digest_of_parts(*parts)
