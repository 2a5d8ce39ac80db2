"""What a record taught, without what tells of its subject: the learner needs it again to take it back."""

from __future__ import annotations

from msgspec.structs import replace

from maitred_server.model import Exposure, Outcome, Reason, Record, Shown
from maitred_server.store.keys import brand_of, brand_prefix


def lesson_of(record: Record) -> Record | None:
    """An exposure that was learned from, or an outcome of a decision; None: nothing was learned from the record.

    The features stay in it: they are what has to be subtracted.
    """
    body = record.body
    if isinstance(body, Exposure) and body.space:
        return _bare(record, _taught(body))
    if isinstance(body, Outcome) and body.decision_id:
        return _bare(record, body)
    return None


def decision_of(lesson: Record) -> str:
    """The decision that a lesson is about."""
    body = lesson.body
    return body.decision_id if isinstance(body, Exposure | Outcome) else ""


def _bare(record: Record, body: Exposure | Outcome) -> Record:
    subject = brand_prefix(brand_of(record.subject))
    return replace(record, subject=subject, body=body, source="", touchpoint="", addressed=b"")


def _taught(body: Exposure) -> Exposure:
    shown = tuple(
        Shown(one.slot, one.item, one.variant, one.groups, 0.0, None, 0.0, Reason.LEARNED, features=one.features)
        for one in body.shown
    )
    return Exposure(
        body.decision_id,
        body.placement,
        body.showing,
        shown,
        "",
        Reason.LEARNED,
        (),
        "",
        "",
        body.decided_at,
        0,
        0,
        merged=body.merged,
        overridden=body.overridden,
        space=body.space,
    )
