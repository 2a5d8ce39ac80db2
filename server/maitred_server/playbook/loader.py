"""From a playbook's files to its nouns, or to all its mistakes at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from msgspec.structs import replace
from pydantic import BaseModel

from maitred_server.errors import Mistake, PlaybookError
from maitred_server.model import Arm, Audience, Dimensions, Item, Kind, Layer, Stages, ValueBands
from maitred_server.playbook import checks, items
from maitred_server.playbook.hints import did_you_mean
from maitred_server.playbook.loading_control import ControlFiles, load_control
from maitred_server.playbook.nouns import Group, PlannedPlacement, Playbook, Reference
from maitred_server.playbook.schema import FILES
from maitred_server.playbook.schema.header import DimensionsPart, EligiblePart, LayerPart, PlaybookFile
from maitred_server.playbook.schema.items import GroupsFile, ItemsFile
from maitred_server.playbook.schema.placements import ChosenCandidates, PlacementPart, PlacementsFile
from maitred_server.playbook.schema.rules import ArbitrationFile, ContactPoliciesFile, RulesFile
from maitred_server.playbook.schema.subjects import SegmentsFile, SubjectsFile
from maitred_server.playbook.schema.values import KNOWN_POLICIES, milliseconds
from maitred_server.playbook.schema.wording import ReasonsFile
from maitred_server.playbook.validation import Checked, validate
from maitred_server.playbook.yamltree import MOST_MISTAKES, read

MOST_FILES: Final = 100
MOST_WARNINGS: Final = 100
MOST_BYTES: Final = {"items.yaml": 8 * 1024 * 1024}  # any other YAML file: 1 MiB
REQUIRED: Final = ("playbook.yaml", "placements.yaml")
IGNORED_ENDINGS: Final = (".md", ".txt")

M = TypeVar("M", bound=BaseModel)


def load(
    files: Mapping[str, bytes],
    imported: Iterable[Item] | None = None,
    policies: Collection[str] = KNOWN_POLICIES,
) -> Playbook:
    """The playbook in `files` (path in its folder -> content). Raises PlaybookError with every mistake.

    `imported`: items that are known beside the playbook's own. With it (even empty) all names of items and groups are
    checked here; without it `build` checks them.
    """
    playbook, mistakes = _Loading(files, policies).result(imported)
    if mistakes:
        raise PlaybookError(mistakes)
    return playbook


class Reading(NamedTuple):
    """What was read. `playbook`: what is right of it; `places`: where items and placements are, by kind and name."""

    playbook: Playbook
    mistakes: list[Mistake]
    places: dict[tuple[str, str], Reference]


def read_playbook(
    files: Mapping[str, bytes],
    imported: Iterable[Item] | None = None,
    policies: Collection[str] = KNOWN_POLICIES,
) -> Reading:
    """As `load`, with mistakes and without raising."""
    loading = _Loading(files, policies)
    return Reading(*loading.result(imported), loading.places())


class _Loading:
    """One reading of the files: gathers mistakes as it goes, and goes on as far as it can."""

    def __init__(self, files: Mapping[str, bytes], policies: Collection[str]) -> None:
        self._files = files
        self._policies = policies
        self._mistakes: list[Mistake] = list(_check_paths(files))
        self._header = self._read("playbook.yaml", PlaybookFile)
        self._placements = self._read("placements.yaml", PlacementsFile)
        self._groups = self._read("groups.yaml", GroupsFile)
        self._items = self._read_items()
        self._control = ControlFiles(
            subjects=self._read("subjects.yaml", SubjectsFile),
            segments=self._read("segments.yaml", SegmentsFile),
            rules=self._read("rules.yaml", RulesFile),
            contact_policies=self._read("contact_policies.yaml", ContactPoliciesFile),
            arbitration=self._read("arbitration.yaml", ArbitrationFile),
            reasons=self._read("reasons.yaml", ReasonsFile),
            placements=self._placements,
            groups=self._groups,
            header=self._header,
        )

    def _read(self, file: str, model: type[M]) -> Checked[M] | None:
        content = self._files.get(file)
        if content is None:
            return None
        node, mistakes = read(file, content, MOST_BYTES.get(file, 1024 * 1024))
        self._mistakes += mistakes
        if node is None:
            return None
        checked, mistakes = validate(file, node, model)
        self._mistakes += mistakes
        return checked

    def _read_items(self) -> list[items.Written]:
        checked = self._read("items.yaml", ItemsFile)
        written = items.from_yaml(checked) if checked else []
        if "items.jsonl" in self._files:
            lines, mistakes = items.from_jsonl("items.jsonl", self._files["items.jsonl"])
            written += lines
            self._mistakes += mistakes
        return written

    def result(self, imported: Iterable[Item] | None) -> tuple[Playbook, list[Mistake]]:
        self._mistakes += self._check()
        others = {item.id: item for item in imported or ()}
        own = {one.item.id: one.item for one in self._items}
        left = [item for item in others.values() if item.id not in own]
        loaded = load_control(self._control, self._items, left)
        self._mistakes += loaded.mistakes
        playbook = replace(self._playbook(), control=loaded.control, mentions=loaded.mentions)
        if imported is not None:
            self._mistakes += checks.check_references(playbook, others | own)
        return playbook, _ordered(self._mistakes)

    def places(self) -> dict[tuple[str, str], Reference]:
        found = {("items", one.item.id): Reference(one.item.id, one.file, one.line, one.column) for one in self._items}
        if self._placements:
            for at, part in enumerate(self._placements.part.placements):
                place = self._placements.place("placements", at)
                found["placements", part.name] = Reference(part.name, self._placements.file, *place)
        return found

    def _check(self) -> Iterator[Mistake]:
        yield from items.check(self._items)
        if self._groups:
            yield from checks.twice(self._groups, ("groups",), [group.id for group in self._groups.part.groups])
        if self._header:
            yield from checks.check_header(self._header, self._policies)
        if self._placements:
            yield from checks.check_placements(self._placements, self._policies)
            yield from checks.check_fixed(self._placements)
        if self._header and self._placements:
            yield from checks.check_both(self._header, self._placements)

    def _playbook(self) -> Playbook:
        header = self._header.part if self._header else PlaybookFile(name="unnamed")
        placements = self._placements.part.placements if self._placements else []
        groups = self._groups.part.groups if self._groups else []
        return Playbook(
            name=header.name,
            description=header.description,
            placements=tuple(self._planned(at, part) for at, part in enumerate(placements)),
            layers=tuple(_layers(header)),
            groups=tuple(Group(group.id, group.name, group.description) for group in groups),
            items=tuple(one.item for one in self._items),
            warnings=tuple(
                [*checks.unused_orders(header, placements), *checks.shared_salts(header), *self._undescribed()][
                    :MOST_WARNINGS
                ]
            ),
            dimensions=_dimensions(header.dimensions),
        )

    def _planned(self, at: int, part: PlacementPart) -> PlannedPlacement:
        chosen = part.candidates if isinstance(part.candidates, ChosenCandidates) else None
        return PlannedPlacement(
            name=part.name,
            description=part.description,
            slots=part.slots,
            every_item=chosen is None,
            groups=self._references(chosen.groups if chosen else (), at, "candidates", "groups"),
            items=self._references(chosen.items if chosen else (), at, "candidates", "items"),
            policy=part.policy,
            baseline=part.baseline,
            order=self._references(part.order, at, "order"),
            fallback=self._references(part.fallback, at, "fallback"),
            counts=part.counts,
            ttl_ms=milliseconds(part.ttl),
            stale_ms=milliseconds(part.stale),
            automation=part.automation,
        )

    def _references(self, names: Sequence[str], placement: int, *path: str) -> tuple[Reference, ...]:
        assert self._placements is not None
        written = self._placements
        return tuple(
            Reference(name, written.file, *written.place("placements", placement, *path, at))
            for at, name in enumerate(names)
        )

    def _undescribed(self) -> Iterator[str]:
        """Warnings about groups that groups.yaml, where there is one, does not know."""
        if not self._groups:
            return
        described = {group.id for group in self._groups.part.groups}
        used = {group for one in self._items for group in one.item.groups}
        for group in sorted(used - described):
            yield f"group `{group}` is not in groups.yaml{did_you_mean(group, described)}"


def _check_paths(files: Mapping[str, bytes]) -> Iterator[Mistake]:
    if len(files) > MOST_FILES:
        yield Mistake("playbook", 0, f"these are {len(files):,} files; at most {MOST_FILES} are taken")
    for path in sorted(files)[:MOST_FILES]:
        if path not in FILES and not path.endswith(IGNORED_ENDINGS):
            yield Mistake(path[:200], 0, f"unknown file{did_you_mean(path[:200], FILES)}")
    for path in REQUIRED:
        if path not in files:
            yield Mistake(path, 0, "the file is missing")


def _layers(header: PlaybookFile) -> Iterator[Layer]:
    """The layers, the holdout first."""
    if header.holdout is not None:
        arms = (Arm(checks.HOLDOUT, header.holdout.share),)
        yield Layer(checks.HOLDOUT, _unit(header.holdout.unit), header.holdout.salt, arms, holdout=True)
    yield from (_layer(part) for part in header.layers)


def _layer(part: LayerPart) -> Layer:
    arms = tuple(Arm(arm.name, arm.share, dict(arm.policies)) for arm in part.arms)
    audience = _audience(part.eligible) if part.eligible else Audience()
    return Layer(part.name, _unit(part.unit), part.salt or part.name, arms, eligible=audience)


def _audience(part: EligiblePart) -> Audience:
    return Audience(
        kinds=tuple(Kind[kind.upper()] for kind in part.kinds),
        context={name: tuple(values) for name, values in part.context.items()},
        traits={name: tuple(values) for name, values in part.traits.items()},
    )


def _dimensions(part: DimensionsPart) -> Dimensions:
    stages = Stages(part.stage.new_below, part.stage.lapsing_days, part.stage.lapsed_days)
    bands = ValueBands(part.value_band.counts, tuple(part.value_band.bands.items()))
    return Dimensions(tuple(part.context), stages, bands)


def _unit(name: str) -> Kind | None:
    return None if name == "subject" else Kind[name.upper()]


def _ordered(mistakes: Sequence[Mistake]) -> list[Mistake]:
    """Each once, by file and place, and no more than anyone reads."""
    files = list(FILES)
    order = {file: number for number, file in enumerate(files)}

    def place(one: Mistake) -> tuple[int, str, int, int]:
        return order.get(one.file, len(files)), one.file, one.line, one.column

    ordered = sorted(dict.fromkeys(mistakes), key=place)
    if len(ordered) <= MOST_MISTAKES:
        return ordered
    more = Mistake("playbook", 0, f"and {len(ordered) - MOST_MISTAKES:,} more mistakes")
    return [*ordered[:MOST_MISTAKES], more]
