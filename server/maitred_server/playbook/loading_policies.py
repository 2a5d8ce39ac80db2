"""contact_policies.yaml and arbitration.yaml: how often, when not, and what weighs more."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo, available_timezones

from maitred_server.errors import Mistake
from maitred_server.playbook.control import ContactPolicy, ContextWeight, Lever, QuietHours, TypeName
from maitred_server.playbook.desk import Desk
from maitred_server.playbook.expressions import Declared
from maitred_server.playbook.hints import did_you_mean
from maitred_server.playbook.itemtypes import WORDS
from maitred_server.playbook.schema.rules import (
    ArbitrationFile,
    ContactPoliciesFile,
    QuietHoursPart,
    minutes,
)
from maitred_server.playbook.schema.values import LONGEST_WINDOW_MS, milliseconds
from maitred_server.playbook.validation import Checked
from maitred_server.playbook.yamltree import Path

OUTCOME = "outcome."


def contact_policies(checked: Checked[ContactPoliciesFile], desk: Desk) -> Iterator[ContactPolicy]:
    """The file's contact policies."""
    for part, path in desk.each(checked, "contact_policies", checked.part.contact_policies):
        if part.counts == OUTCOME:
            message = "the outcome's type is missing, e.g. `outcome.purchase`"
            desk.mistakes.append(checked.mistake((*path, "counts"), message))
        yield ContactPolicy(
            name=part.name,
            counts=part.counts,
            most=part.most,
            window_ms=milliseconds(part.window, LONGEST_WINDOW_MS),
            suppress_ms=milliseconds(part.suppress_for, LONGEST_WINDOW_MS) if part.suppress_for else 0,
            per=part.per,
            scope=desk.scope(checked, (*path, "for"), part.for_),
            why=part.why,
        )


def quiet_hours(checked: Checked[ContactPoliciesFile], desk: Desk) -> Iterator[QuietHours]:
    """The file's quiet hours."""
    for part, path in desk.each(checked, "quiet_hours", checked.part.quiet_hours):
        desk.mistakes += _check_zone(checked, path, part, desk.compiler.declared)
        yield QuietHours(
            name=part.name,
            begin=minutes(part.from_),
            end=minutes(part.to),
            zone=part.zone,
            zone_from=tuple(part.zone_from),
            scope=desk.scope(checked, (*path, "for"), part.for_),
        )


def _check_zone(
    checked: Checked[ContactPoliciesFile], path: Path, part: QuietHoursPart, declared: Declared
) -> Iterator[Mistake]:
    try:
        ZoneInfo(part.zone)
    except (KeyError, OSError, ValueError):  # unknown, a folder, no name at all
        yield checked.mistake((*path, "zone"), _unknown_zone(part.zone))
    for at, source in enumerate(part.zone_from):
        if said := _not_a_zone(source, declared):
            yield checked.mistake((*path, "zone_from", at), said)


def _unknown_zone(name: str) -> str:
    return f"unknown time zone `{name}`{did_you_mean(name, available_timezones())}"


def _not_a_zone(source: str, declared: Declared) -> str:
    """What is wrong with `subject.NAME` or `context.NAME`; "" when nothing is."""
    root, _, name = source.partition(".")
    names: dict[str, TypeName] = declared.names.subject if root == "subject" else declared.names.context
    what = "trait" if root == "subject" else "context key"
    if name not in names:
        return f"unknown {what} `{name}`{did_you_mean(name, names)}"
    if root == "subject" and name in declared.sensitive:
        return f"trait `{name}` is sensitive: it is kept, and never used"
    return "" if names[name] == "text" else f"a time zone is a text, and {what} `{name}` is {WORDS[names[name]]}"


def levers(checked: Checked[ArbitrationFile], desk: Desk) -> Iterator[Lever]:
    """The file's levers."""
    for part, path in desk.each(checked, "levers", checked.part.levers):
        yield Lever(part.name, part.factor, desk.scope(checked, (*path, "for"), part.for_), part.why)


def context_weights(checked: Checked[ArbitrationFile], desk: Desk) -> Iterator[ContextWeight]:
    """The file's context weights; their plan is empty where they have mistakes."""
    for part, path in desk.each(checked, "context_weights", checked.part.context_weights):
        plan = desk.plan(checked, (*path, "if"), part.if_)
        scope = desk.scope(checked, (*path, "for"), part.for_)
        yield ContextWeight(part.name, part.weight, part.if_.strip(), plan, scope)
