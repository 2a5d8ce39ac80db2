"""AdminService: the life of a playbook."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Final

from maitred.v1 import admin_pb2, types_pb2

from maitred_server.decide.ask import Ask
from maitred_server.decide.worlds import Worlds
from maitred_server.errors import InvalidRequest
from maitred_server.playbook.versions import Version
from maitred_server.rpc import convert
from maitred_server.rpc.access import ANONYMOUS, Caller
from maitred_server.rpc.durable import Durable, after
from maitred_server.rpc.people import People
from maitred_server.rpc.publisher import By, Diffed, Previewed, Published, Publisher

MAX_SUBJECTS: Final = 10_000
MAX_VERSIONS: Final = 1_000
USUAL_VERSIONS: Final = 20
NOTE_BYTES: Final = 1024
VERSION = re.compile(r"[0-9]{1,18}")

_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


class Playbooks:
    """Publish, diff, preview, history, rollback."""

    def __init__(self, publisher: Publisher, worlds: Worlds, people: People) -> None:
        self._publisher = publisher
        self._worlds = worlds
        self._people = people

    def publish(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(admin_pb2.PublishRequest, data)
        files, by = _files(wire.files), _by(wire.author, wire.note, caller)

        def answer(published: Published) -> bytes:
            return admin_pb2.PublishResponse(
                versions=self._versions(caller.brand, published.version),
                items=published.items,
                actions=published.actions,
                placements=published.placements,
                warnings=published.warnings,
            ).SerializeToString()

        return Durable(self._served(self._publisher.publish(caller.brand, files, by, wire.dry_run)), answer)

    def rollback(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(admin_pb2.RollbackRequest, data)
        version, by = _version(wire.version, "version"), _by(wire.author, wire.note, caller)

        def answer(published: Published) -> bytes:
            return admin_pb2.RollbackResponse(
                versions=self._versions(caller.brand, published.version), warnings=published.warnings
            ).SerializeToString()

        return Durable(self._served(self._publisher.rollback(caller.brand, version, by)), answer)

    def diff_playbook(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(admin_pb2.DiffPlaybookRequest, data)
        files = _files(wire.files)
        against = _version(wire.against, "against") if wire.against else ""

        def answer(diffed: Diffed) -> bytes:
            changes = [
                admin_pb2.PlaybookChange(what=one.what, name=one.name, change=one.change, text=one.text)
                for one in diffed.changes
            ]
            return admin_pb2.DiffPlaybookResponse(against=diffed.against, changes=changes).SerializeToString()

        return Durable(self._publisher.diff(caller.brand, files, against), answer)

    def preview_playbook(self, data: bytes, caller: Caller) -> Durable:
        wire = convert.parse(admin_pb2.PreviewPlaybookRequest, data)
        files = _files(wire.files)
        if not 1 <= len(wire.subjects) <= MAX_SUBJECTS:
            raise InvalidRequest(f"subjects must hold 1 to {MAX_SUBJECTS:,}", "subjects")
        asks = [self._ask(one, caller.brand, f"subjects[{at}]") for at, one in enumerate(wire.subjects)]
        return Durable(self._publisher.preview(caller.brand, files, asks), _previewed_to_wire)

    def list_versions(self, data: bytes, caller: Caller) -> bytes:
        wire = convert.parse(admin_pb2.ListVersionsRequest, data)
        if wire.limit > MAX_VERSIONS:
            raise InvalidRequest(f"limit must be at most {MAX_VERSIONS:,}", "limit")
        versions = self._publisher.versions(caller.brand, wire.limit or USUAL_VERSIONS)
        return admin_pb2.ListVersionsResponse(versions=map(_version_to_wire, versions)).SerializeToString()

    def _ask(self, wire: admin_pb2.PreviewSubject, brand: str, field: str) -> Ask:
        who = self._people.addressed(wire.subject, brand, f"{field}.subject")
        context = convert.values(wire.context, convert.MAX_CONTEXT, f"{field}.context")
        return Ask(brand, who.subject, who.kind, who.units(), (), who.looked_up, context)

    def _served(self, published: Future[Published]) -> Future[Published]:
        """Answered when this worker serves it, so that its next answer is already from it."""
        return after(published, self._worlds.poll_soon)

    def _versions(self, brand: str, catalogue: str) -> types_pb2.SnapshotVersions:
        world = self._worlds.world(brand)
        return types_pb2.SnapshotVersions(catalogue=catalogue, policy=world.snapshot_version if world else "")


def _files(wire: Mapping[str, bytes]) -> dict[str, bytes]:
    if not wire:
        raise InvalidRequest("files is missing: the files of a playbook folder by their path", "files")
    return dict(wire)


def _version(text: str, field: str) -> str:
    if not VERSION.fullmatch(text):
        raise InvalidRequest(f"{field} must be the number of a version, as 7", field)
    return text


def _by(author: str, note: str, caller: Caller) -> By:
    if len(note.encode()) > NOTE_BYTES:
        raise InvalidRequest(f"note is longer than {NOTE_BYTES} bytes", "note")
    if _UNPRINTABLE.search(note):
        raise InvalidRequest("note has a control character", "note")
    key = "" if caller.name == ANONYMOUS else caller.name
    return By(convert.name(author, "author", required=False), note, key)


def _previewed_to_wire(previewed: Previewed) -> bytes:
    changes: Sequence[admin_pb2.ShareChange] = [
        admin_pb2.ShareChange(
            placement=one.placement,
            segment=one.segment,
            item=one.item,
            before=one.before,
            after=one.after,
            subjects=one.subjects,
        )
        for one in previewed.changes
    ]
    return admin_pb2.PreviewPlaybookResponse(
        subjects=previewed.subjects, changes=changes, changed=previewed.changed
    ).SerializeToString()


def _version_to_wire(version: Version) -> admin_pb2.PublishedVersion:
    edition = version.edition
    return admin_pb2.PublishedVersion(
        version=edition.version,
        published_at_ms=edition.published_at,
        author=_author(edition.author, edition.key),
        note=edition.note,
        in_force=version.in_force,
        rollback_of=edition.rollback_of,
        items=edition.items,
        kept=version.kept,
    )


def _author(author: str, key: str) -> str:
    """What somebody says of themselves, and what their key proves."""
    return f"{author} (key {key})" if author and key else author or key
