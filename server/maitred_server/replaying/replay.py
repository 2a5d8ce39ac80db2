"""From a data directory to a log of another policy: every step on one screen. Reads, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from maitred_server.decide.past import Past
from maitred_server.errors import InvalidRequest, NothingKept, UnknownName
from maitred_server.evaluate.log import Log, Target, gather
from maitred_server.learn.publish import policy_folder
from maitred_server.learn.rebuild import Rebuilder
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.hints import did_you_mean, listed
from maitred_server.policy.fitted import Fitted, Stamp
from maitred_server.policy.snapshot import SUFFIX, open_snapshot
from maitred_server.replaying.again import Check, Retelling
from maitred_server.replaying.candidate import Candidate
from maitred_server.replaying.reading import Asked, Found, read
from maitred_server.replaying.rewards import Rewards
from maitred_server.replaying.rows import Agreement, Rows
from maitred_server.store import AnyStore
from maitred_server.store.published import CATALOGUE, brand_folder, current

MOST_WRONG: Final = 0.05  # of the checked decisions; above it nothing is believed
LATEST: Final = "latest"
Told = Callable[[str, int, int], None]


class Journal(msgspec.Struct, frozen=True):
    """Where the log came from. `left_out`, `notes`: decisions by reason. `sampled`: those that were looked at."""

    placement: str
    since_ms: int  # when the first of the decisions was made that were looked at
    reward: str
    decisions: int
    sampled: int
    replayed: int
    left_out: dict[str, int]
    notes: dict[str, int]
    checked: int
    same: int
    young: int
    model: str
    warnings: list[str]


class Replayed(NamedTuple):
    """The log of the decisions that could be made again, the other policy on it, and where it all came from."""

    log: Log
    target: Target
    journal: Journal
    agreement: list[Agreement]  # of each row


class Wanted(NamedTuple):
    """What is asked: see `maitred replay`. `model` "": the one that was in force at each decision."""

    asked: Asked
    candidate: Candidate
    response: str = ""
    wait_ms: int | None = None
    model: str = ""


def replay(store: AnyStore, data: Path, wanted: Wanted, told: Told = lambda what, done, of: None) -> Replayed:
    """Read the journal, make its decisions again, and ask the other policy. Raises MaitredError.

    `told`: of each stage how far it is.
    """
    asked = wanted.asked
    catalogue = catalogue_of(data, asked.brand)
    rewards = Rewards.of(catalogue, asked.placement, wanted.response, wanted.wait_ms)
    found = read(store, asked, rewards, lambda done, of: told("reading the journal", done, of))
    last = store.last_sequence()
    rebuilder = Rebuilder(store.read_changes, data, last)
    retelling = Retelling(
        store,
        Past(store, data, rebuilder, keep=True),
        wanted.candidate,
        models_of(rebuilder, data, asked.brand, wanted.model, last),
        lambda done, of: told("deciding again", done, of),
    )
    rows = Rows(found, rewards)
    log, target = gather(map(rows.decision, retelling.run(found)), wanted.candidate.name)
    _believed(retelling.check)
    return Replayed(log, target, _journal(wanted, rewards, found, retelling, log), rows.agreement)


def placement_of(data: Path, brand: str, placement: str) -> str:
    """The placement that is asked about; without a name the only one there is. Raises InvalidRequest, UnknownName."""
    known = sorted(catalogue_of(data, brand).placements)
    if not placement and len(known) == 1:
        return known[0]
    if not placement:
        raise InvalidRequest(
            f"the playbook has several placements; name one with --placement: {listed(known)}", "placement"
        )
    if placement not in known:
        raise UnknownName(f"there is no placement `{placement}`{did_you_mean(placement, known)}", "placement")
    return placement


def models_of(rebuilder: Rebuilder, data: Path, brand: str, model: str, last: int) -> Mapping[str, Fitted] | None:
    """The models of a version, or of the latest; None: those that were in force then. Raises NothingKept."""
    if not model:
        return None
    folder = policy_folder(data, brand)
    version = (current(folder) or "") if model == LATEST else model
    if version and (folder / f"{version}{SUFFIX}").exists():
        found = open_snapshot(folder, version).models
    else:
        stamp = Stamp.of(version)
        if stamp is None or stamp.through > last:
            raise NothingKept(
                f"there are no models of version `{version or model}`; `maitred policy list` shows them", "model"
            )
        found = rebuilder.snapshot(brand, version).snapshot.models
    if not found:
        raise NothingKept(f"version `{version}` has no models", "model")
    return found


def catalogue_of(data: Path, brand: str) -> Catalogue:
    """The one in force. Raises NothingKept."""
    folder = brand_folder(data, brand) / CATALOGUE
    if not folder.is_dir():
        raise NothingKept(f"nothing was published for the brand `{brand}` in {data}", "brand")
    return Catalogue.open(folder)


def _believed(check: Check) -> None:
    if check.differ > MOST_WRONG * check.checked:
        raise InvalidRequest(
            f"of {check.checked:,} decisions that were made again by the policy that had made them, {check.differ:,}"
            " got other probabilities than were logged: what another policy would have done cannot be told from it"
            " (is the journal whole, and was it written by this version of Maitred?)",
            "journal",
        )


def _journal(wanted: Wanted, rewards: Rewards, found: Found, retelling: Retelling, log: Log) -> Journal:
    check = retelling.check
    return Journal(
        placement=wanted.asked.placement,
        since_ms=found.since_ms,
        reward=rewards.said(),
        decisions=found.decisions,
        sampled=len(found.shown),
        replayed=log.decisions,
        left_out=dict((found.left_out + retelling.left_out).most_common()),
        notes=dict(retelling.notes.most_common()),
        checked=check.checked,
        same=check.same,
        young=found.young,
        model=(wanted.model or "in force then") if wanted.candidate.is_learned else "",
        warnings=list(_warnings(wanted, found, rewards)),
    )


def _warnings(wanted: Wanted, found: Found, rewards: Rewards) -> Iterator[str]:
    if wanted.candidate.is_learned and wanted.model:
        yield (
            "the model has learned from these very decisions as far as it is newer than they are: that flatters it;"
            " without --model each decision is made by the model that was in force then"
        )
    if found.young:
        yield f"{found.young:,} decisions are so new that outcomes may still come (reward: {rewards.said()})"
