"""`learning` of placements: what is learned there, with what goes without saying filled in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from maitred_server.playbook.checks import arm_policies, twice
from maitred_server.playbook.control import Learning, Response
from maitred_server.playbook.desk import Desk
from maitred_server.playbook.hints import did_you_mean
from maitred_server.playbook.loading_subjects import Subjects
from maitred_server.playbook.schema.header import PlaybookFile
from maitred_server.playbook.schema.learning import LearningPart, ResponsePart
from maitred_server.playbook.schema.placements import PlacementPart, PlacementsFile
from maitred_server.playbook.schema.values import LONGEST_WINDOW_MS, milliseconds
from maitred_server.playbook.validation import Checked
from maitred_server.playbook.yamltree import Path
from maitred_server.policy.exploring import LEARNED
from maitred_server.policy.families import FAMILIES

DAY_MS: Final = 86_400_000
_OUTCOME: Final = "outcome."


def learning(
    checked: Checked[PlacementsFile], header: Checked[PlaybookFile] | None, known: Subjects, desk: Desk
) -> Iterator[Learning]:
    """Of placements that say what is learned, and of those that a learned policy may serve."""
    served = {one.placement for one in arm_policies(header.part) if one.policy in LEARNED} if header else set()
    for at, part in enumerate(checked.part.placements):
        path: Path = ("placements", at)
        if part.baseline in LEARNED:
            message = f"`{part.baseline}` learns; a baseline is what would be shown without that, e.g. `popular`"
            desk.mistakes.append(checked.mistake((*path, "baseline"), message))
        if part.learning is not None:
            _check(checked, (*path, "learning"), part.learning, known, desk)
            yield _learning(part, part.learning)
        elif part.policy in LEARNED or part.name in served:
            yield _learning(part, LearningPart())


def _learning(part: PlacementPart, said: LearningPart) -> Learning:
    counted = [ResponsePart(type=part.counts.removeprefix(_OUTCOME))]
    return Learning(
        part.name,
        tuple(_response(one) for one in said.responses or counted),
        tuple(said.features),
        tuple(said.traits),
        milliseconds(said.half_life, LONGEST_WINDOW_MS) / DAY_MS if said.half_life else 0.0,
        said.exploration,
        said.scale,
        said.hashed,
    )


def _response(part: ResponsePart) -> Response:
    return Response(part.type, milliseconds(part.wait), part.default, part.full, part.worth)


def _check(checked: Checked[PlacementsFile], path: Path, part: LearningPart, known: Subjects, desk: Desk) -> None:
    desk.mistakes += twice(checked, (*path, "responses"), [one.type for one in part.responses])
    desk.mistakes += twice(checked, (*path, "features"), part.features)
    desk.mistakes += twice(checked, (*path, "traits"), part.traits)
    for at, name in enumerate(part.features):
        if name not in FAMILIES:
            message = f"unknown family of features `{name}`{did_you_mean(name, FAMILIES)}"
            desk.mistakes.append(checked.mistake((*path, "features", at), message))
    usable = [f"subject.{one.name}" for one in known.traits if not one.sensitive]
    usable += [f"context.{one.name}" for one in known.context]
    for at, name in enumerate(part.traits):
        if name not in usable:
            message = f"`{name}` is not declared in subjects.yaml, or sensitive{did_you_mean(name, usable)}"
            desk.mistakes.append(checked.mistake((*path, "traits", at), message))
