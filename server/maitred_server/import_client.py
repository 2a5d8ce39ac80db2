"""Importing into a running server, over gRPC: for those who cannot reach the data directory.

Events are numbered by their rows, so that what is sent again, after whatever end, is recognised. The server takes what
lies more than its resend window behind as received: rows go in their order, and a batch at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias, cast

from maitred.v1 import admin_pb2, feedback_pb2, types_pb2

from maitred_server import admin_client
from maitred_server.errors import InvalidRequest
from maitred_server.importing import catalogue, rejects
from maitred_server.importing import mapping as mappings
from maitred_server.importing.local import Job, now_ms
from maitred_server.importing.parser import Parser, no_groups
from maitred_server.importing.plan import Asked, Prepared, prepare
from maitred_server.importing.report import Rate, Summary, Watcher
from maitred_server.importing.rows import Reject, Told
from maitred_server.importing.sources import opened
from maitred_server.importing.stager import time_ordered
from maitred_server.model import Consents, Event, Item, Traits
from maitred_server.rpc import convert

MOST_EVENTS = 500
MOST_BYTES = 900_000  # of a call, whose limit is 1 MiB
NUMBERS_A_ROW = 2  # traits and consents

Call: TypeAlias = Callable[[str, bytes], bytes]  # method and request to answer; raises MaitredError


class _Sent(NamedTuple):
    """An event and the line that it came from."""

    line: int
    event: feedback_pb2.FeedbackEvent


def run(asked: Asked, server: str, key: str | None, watcher: Watcher) -> Summary:
    """Import a file. Raises MaitredError; what was recorded until then stays, and the same call goes on from there."""
    job = Job(asked.file, asked.rejects_file, asked.max_rejects)
    with admin_client.connected(server, key) as call:
        if asked.kind == "items":
            mapping = mappings.load(asked.mapping) if asked.mapping else None
            return catalogue.run(lambda items: _put(call, items), mapping, job, watcher)
        if asked.remember_ids:
            raise InvalidRequest("--remember-ids is for imports into a data directory", "remember_ids")
        return _Import(call, prepare(asked, "", watcher), job, watcher).run()


class _Import:
    """One file being sent."""

    def __init__(self, call: Call, prepared: Prepared, job: Job, watcher: Watcher) -> None:
        self._call, self._job, self._watcher = call, job, watcher
        self._reading, self._identity = prepared
        self._client = self._identity.name
        self._parser = Parser(self._reading, no_groups)
        self._bad: list[Reject] = []
        self._summary = Summary(self._reading.kind, str(job.file))

    def run(self) -> Summary:
        rate, summary = Rate(), self._summary
        with opened(self._job.file, self._reading.mapping) as source:
            self._watcher.stage("sending", self._job.file.stat().st_size)
            for part in source.parts():
                before = len(self._bad)
                told = list(self._parser.told(part, now_ms(), self._bad))
                for batch in _batches(_events(told)):
                    self._send(batch)
                summary.rows += len(told) + len(self._bad) - before
                self._enough()
                self._watcher.at(source.position(), f"{summary.rows:,} rows, {rate(summary.rows)}")
        self._finish()
        return summary

    def _send(self, batch: list[_Sent]) -> None:
        events = [sent.event for sent in batch]
        wire = feedback_pb2.FeedbackBatch(client=self._client, epoch=self._identity.epoch, events=events)
        request = feedback_pb2.RecordRequest(batch=wire).SerializeToString()
        answer = feedback_pb2.RecordResponse.FromString(self._call("ProfileService/RecordEvents", request)).result
        self._summary.accepted += answer.accepted
        self._summary.duplicates += answer.duplicates
        self._summary.refused += len(answer.refused)
        self._bad += [Reject(batch[one.index].line, one.field, one.message, "") for one in answer.refused]

    def _enough(self) -> None:
        if self._job.max_rejects is not None and len(self._bad) > self._job.max_rejects:
            self._finish()
            raise InvalidRequest(f"more than {self._job.max_rejects} bad rows; they are in {self._job.rejects}")

    def _finish(self) -> None:
        self._summary.rejected = len(self._bad)
        if self._bad:
            rejects.write(self._job.rejects, sorted(self._bad))
            self._summary.rejects_file = str(self._job.rejects)


def _events(rows: list[tuple[int, list[Told]]]) -> Iterator[_Sent]:
    for line, told in rows:
        for place, one in enumerate(told, start=1):
            yield _Sent(line, _event(one, line * NUMBERS_A_ROW + place))


def _batches(events: Iterator[_Sent]) -> Iterator[list[_Sent]]:
    batch: list[_Sent] = []
    size = 0
    for sent in events:
        bytes_more = sent.event.ByteSize() + 8
        if batch and (len(batch) == MOST_EVENTS or size + bytes_more > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(sent)
        size += bytes_more
    if batch:
        yield batch


def _event(told: Told, number: int) -> feedback_pb2.FeedbackEvent:
    event = feedback_pb2.FeedbackEvent(
        sequence=number,
        foreign_id=told.own_id if time_ordered(told.own_id) else "",
        subject=types_pb2.Subject(kind=cast(types_pb2.SubjectKind, int(told.kind)), id=told.subject),
        occurred_at_ms=told.occurred_at,
        source=told.source,
        touchpoint=told.touchpoint,
        purpose=told.purpose,
    )
    if isinstance(told.body, Event):
        event.event.CopyFrom(_body(told.body))
    elif isinstance(told.body, Traits):
        event.traits.traits.extend(convert.trait_to_wire(trait) for trait in told.body.traits)
    elif isinstance(told.body, Consents):
        event.consents.consents.extend(convert.consent_to_wire(consent) for consent in told.body.consents)
    return event


def _body(event: Event) -> feedback_pb2.Event:
    attributes = {name: convert.value_to_wire(value) for name, value in event.attributes.items()}
    return feedback_pb2.Event(
        type=event.type,
        item=event.item,
        variant=event.variant,
        value=event.value,
        quantity=event.quantity,
        attributes=attributes,
    )


def _put(call: Call, items: list[Item]) -> list[tuple[int, str, str]]:
    request = admin_pb2.ImportItemsRequest(items=[item_to_wire(item) for item in items])
    answer = admin_pb2.ImportItemsResponse.FromString(call("AdminService/ImportItems", request.SerializeToString()))
    return [_refusal(one.field, one.message) for one in answer.refused]


def _refusal(field: str, message: str) -> tuple[int, str, str]:
    position, _, inner = field.removeprefix("items[").partition("]")
    return int(position), inner.lstrip("."), message


def item_to_wire(item: Item) -> admin_pb2.Item:
    """An item as it is sent."""
    return admin_pb2.Item(
        id=item.id,
        groups=item.groups,
        attributes={name: convert.value_to_wire(value) for name, value in item.attributes.items()},
        variants=[
            admin_pb2.ItemVariant(
                name=one.name,
                content=one.content,
                content_type=one.content_type,
                devices=one.devices,
                locales=one.locales,
                formats=one.formats,
                template=one.template,
                plain=one.plain,
            )
            for one in item.variants
        ],
    )
