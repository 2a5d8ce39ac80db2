"""From a playbook and the items to a catalogue version on disk, and that version in force."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from maitred_server.errors import PlaybookError
from maitred_server.model import Item
from maitred_server.playbook import columns, editions, versions
from maitred_server.playbook.checks import check_references
from maitred_server.playbook.columns import Array, Frozen, FrozenPlacement
from maitred_server.playbook.draft import Draft
from maitred_server.playbook.editions import Publication
from maitred_server.playbook.hints import listed
from maitred_server.playbook.nouns import PlannedPlacement, Playbook, Reference
from maitred_server.store.published import current, numbered, switch, sync_folder

MOST_NAMED: Final = 5  # in one warning


class BuildResult(NamedTuple):
    """What was built. `warnings`: what is allowed and probably not meant."""

    version: str
    items: int
    actions: int
    placements: int
    warnings: tuple[str, ...]


class Actions(NamedTuple):
    """The actions of a placement; see `nouns.Placement`."""

    candidates: Array
    order: Array
    fallback: Array


def build(
    playbook: Playbook, items: Iterable[Item], folder: Path, publication: Publication | None = None
) -> BuildResult:
    """Writes the next catalogue version into `folder` and puts it in force. `items` stand beside the playbook's own.

    `publication`: what to keep of it, in the version's folder and in the history; None: nothing. Raises PlaybookError
    when names meet nothing or keys collide, OSError when it cannot be written; then all stays as it was. Not for two
    callers at once in one folder.
    """
    imported = {item.id: item for item in items}
    everything = imported | {item.id: item for item in playbook.items}
    mistakes = check_references(playbook, everything)
    if mistakes:
        raise PlaybookError(mistakes)
    draft = Draft(everything.values())
    placed = _place(playbook.placements, draft)
    parts = _Parts(_frozen(playbook, draft, placed), _columns(draft, placed), tuple(imported.values()))
    version = _write(folder, parts, len(draft.items), publication)
    switch(folder, version)
    warnings = (*playbook.warnings, *_warnings(playbook, imported, draft, placed))
    return BuildResult(version, len(draft.items), draft.actions, len(playbook.placements), warnings)


def _place(plans: Sequence[PlannedPlacement], draft: Draft) -> list[Actions]:
    number = {item.id: at for at, item in enumerate(draft.items)}

    def first_variants(references: Sequence[Reference]) -> Array:
        return draft.first[np.array([number[one.name] for one in references], np.int64)]

    return [
        Actions(_candidates(plan, draft, number), first_variants(plan.order), first_variants(plan.fallback))
        for plan in plans
    ]


def _candidates(plan: PlannedPlacement, draft: Draft, number: dict[str, int]) -> Array:
    if plan.every_item:
        return np.arange(draft.actions, dtype=np.int32)
    groups = {one.name for one in plan.groups}
    is_chosen = np.zeros(len(draft.items), np.bool_)
    is_chosen[[number[one.name] for one in plan.items]] = True
    is_chosen[[at for at, item in enumerate(draft.items) if not groups.isdisjoint(item.groups)]] = True
    return np.flatnonzero(np.repeat(is_chosen, np.diff(draft.first))).astype(np.int32)


def _frozen(playbook: Playbook, draft: Draft, placed: Sequence[Actions]) -> Frozen:
    return Frozen(
        name=playbook.name,
        description=playbook.description,
        placements=tuple(_frozen_placements(playbook.placements, placed)),
        layers=playbook.layers,
        groups=tuple(draft.groups),
        variants=tuple(draft.variants),
        content_types=tuple(draft.content_types),
        number_names=tuple(draft.attributes.number_names),
        text_names=tuple(draft.attributes.text_names),
        texts=tuple(draft.attributes.texts),
        list_names=tuple(draft.attributes.list_names),
        dimensions=playbook.dimensions,
        control=playbook.control,
        fits=tuple(draft.fits),
        plains=tuple(draft.plains),
    )


def _frozen_placements(plans: Sequence[PlannedPlacement], placed: Sequence[Actions]) -> Iterator[FrozenPlacement]:
    begin = 0
    for plan, actions in zip(plans, placed, strict=True):
        cuts = tuple(accumulate(map(len, actions), initial=begin))
        begin = cuts[-1]
        yield FrozenPlacement(
            name=plan.name,
            slots=plan.slots,
            policy=plan.policy,
            baseline=plan.baseline,
            counts=plan.counts,
            ttl_ms=plan.ttl_ms,
            stale_ms=plan.stale_ms,
            automation=plan.automation,
            cuts=(cuts[0], cuts[1], cuts[2], cuts[3]),
        )


class _Parts(NamedTuple):
    """What a version is written from."""

    frozen: Frozen
    columns: dict[str, Array]
    imported: tuple[Item, ...]


def _columns(draft: Draft, placed: Sequence[Actions]) -> dict[str, Array]:
    actions = np.concatenate([np.zeros(0, np.int32), *(part for one in placed for part in one)])
    return {**draft.columns(), "placement_actions": actions}


def _write(folder: Path, parts: _Parts, items: int, publication: Publication | None) -> str:
    """Writes the next version; its name stands only when all of it is on disk."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left_over in folder.glob(".new-*"):
        shutil.rmtree(left_over)
    held = current(folder) or ""
    version = str(max([0, *numbered(folder), int(held) if held.isdigit() else 0]) + 1)
    edition = None if publication is None else editions.edition(version, publication, items)
    beside = editions.packed(edition, publication, parts.imported) if edition and publication else {}
    fresh = folder / f".new-{version}"
    fresh.mkdir(mode=0o700)
    columns.write(fresh, parts.frozen, parts.columns, beside, folder / held if held else None)
    fresh.rename(folder / version)
    sync_folder(folder)
    if edition is not None:
        versions.append(folder, edition)
    return version


def _warnings(playbook: Playbook, imported: dict[str, Item], draft: Draft, placed: Sequence[Actions]) -> Iterator[str]:
    replaced = sorted(item.id for item in playbook.items if item.id in imported)
    if replaced:
        yield f"items that are imported and in the playbook are as the playbook has them: {_some(replaced)}"
    empty = sorted({group.id for group in playbook.groups} - set(draft.groups))
    if empty:
        yield f"groups without items: {_some(empty)}"
    for plan, actions in zip(playbook.placements, placed, strict=True):
        if not len(actions.candidates):
            yield f"placement `{plan.name}` has no candidates"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return f"{listed(names[:MOST_NAMED])}{more}"
