"""All control files together: what people decided, as nouns, and all mistakes in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from maitred_server.errors import Mistake
from maitred_server.model import Item
from maitred_server.playbook import (
    loading_learning,
    loading_policies,
    loading_rules,
    loading_slates,
    loading_subjects,
    loading_wording,
)
from maitred_server.playbook.control import Control, Rule, Wording
from maitred_server.playbook.desk import Desk
from maitred_server.playbook.expressions import Compiler, Declared
from maitred_server.playbook.items import Written
from maitred_server.playbook.itemtypes import ItemTypes, item_types
from maitred_server.playbook.loading_subjects import Subjects
from maitred_server.playbook.nouns import Mentions
from maitred_server.playbook.rules.declarations import Declarations
from maitred_server.playbook.schema.header import PlaybookFile
from maitred_server.playbook.schema.items import GroupsFile
from maitred_server.playbook.schema.placements import PlacementsFile
from maitred_server.playbook.schema.rules import ArbitrationFile, ContactPoliciesFile, RulesFile
from maitred_server.playbook.schema.subjects import SegmentsFile, SubjectsFile
from maitred_server.playbook.schema.wording import ReasonsFile
from maitred_server.playbook.validation import Checked


class ControlFiles(NamedTuple):
    """The files that have anything to do with it; None: not there, or not to be read."""

    subjects: Checked[SubjectsFile] | None
    segments: Checked[SegmentsFile] | None
    rules: Checked[RulesFile] | None
    contact_policies: Checked[ContactPoliciesFile] | None
    arbitration: Checked[ArbitrationFile] | None
    reasons: Checked[ReasonsFile] | None
    placements: Checked[PlacementsFile] | None
    groups: Checked[GroupsFile] | None
    header: Checked[PlaybookFile] | None = None


class Loaded(NamedTuple):
    """What the files say, what they name, and what is wrong with them."""

    control: Control
    mentions: Mentions
    mistakes: list[Mistake]


def load_control(files: ControlFiles, written: Sequence[Written], imported: Sequence[Item]) -> Loaded:
    """`written`: the playbook's own items; `imported`: others that are known."""
    known = loading_subjects.subjects(files.subjects.part) if files.subjects else Subjects()
    types = item_types(written, imported, known.item_attributes)
    placements = [part.name for part in files.placements.part.placements] if files.placements else None
    desk = Desk(Compiler(_declared(known, types, files.segments)), placements)
    desk.mistakes += types.mistakes
    if files.subjects:
        desk.mistakes += loading_subjects.check_subjects(files.subjects)
    desk.mistakes += loading_wording.check_items(written, imported, desk)
    control = _control(files, known, written, desk)
    if control != Control() or any(variant.template for one in written for variant in one.item.variants):
        control = replace(control, item_types=tuple(types.types.items()))
    return Loaded(control, desk.mentions, desk.mistakes)


def _declared(known: Subjects, types: ItemTypes, segments: Checked[SegmentsFile] | None) -> Declared:
    names = Declarations(
        subject={one.name: one.type for one in known.traits},
        context={one.name: one.type for one in known.context},
        item=types.types,
        segments=tuple(dict.fromkeys(part.name for part in segments.part.segments)) if segments else (),
    )
    return Declared(names, frozenset(one.name for one in known.traits if one.sensitive), types.unclear)


def _control(files: ControlFiles, known: Subjects, written: Sequence[Written], desk: Desk) -> Control:
    contact, arbitration = files.contact_policies, files.arbitration
    return Control(
        purposes=known.purposes,
        intensity=known.intensity,
        traits=known.traits,
        context=known.context,
        events=known.events,
        segments=loading_subjects.segments(files.segments, desk) if files.segments else (),
        rules=tuple(_rules(files, written, desk)),
        contact_policies=tuple(loading_policies.contact_policies(contact, desk)) if contact else (),
        quiet_hours=tuple(loading_policies.quiet_hours(contact, desk)) if contact else (),
        levers=tuple(loading_policies.levers(arbitration, desk)) if arbitration else (),
        context_weights=tuple(loading_policies.context_weights(arbitration, desk)) if arbitration else (),
        slates=tuple(loading_slates.slates(files.placements, desk)) if files.placements else (),
        wording=loading_wording.wording(files.reasons, desk) if files.reasons else Wording(),
        learning=tuple(loading_learning.learning(files.placements, files.header, known, desk))
        if files.placements
        else (),
    )


def _rules(files: ControlFiles, written: Sequence[Written], desk: Desk) -> Iterator[Rule]:
    own = list(loading_rules.rules(files.rules, desk)) if files.rules else []
    yield from own
    carried = [*loading_rules.of_items(written)]
    if files.groups:
        carried += loading_rules.of_groups(files.groups)
    if files.placements:
        carried += loading_rules.of_placements(files.placements)
    yield from loading_rules.carried_rules(carried, desk, [rule.name for rule in own])
