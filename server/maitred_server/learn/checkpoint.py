"""Check-points of lanes: one file each, replaced whole, which says how far it goes. What came after is in the journal.

A file that is not there, damaged or of another plan costs time, not truth: the lane begins at the beginning.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from maitred_server.errors import RecordDamaged
from maitred_server.learn.join import Came, Held, Row
from maitred_server.learn.lane import Lane
from maitred_server.learn.plans import Plan
from maitred_server.learn.reached import Reached
from maitred_server.learn.ridge import Sums
from maitred_server.store.published import LEARNER, write_file

SUFFIX: Final = ".lane"
_CHECKSUM_BYTES: Final = 16


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    plan: str
    reached: Reached
    today: int
    clock: int
    variants: dict[int, list[int]]
    held: dict[str, tuple[list[Row], list[Came]]]
    sums: bytes


_decoder = msgspec.msgpack.Decoder(_Stored)


def lane_folder(data: Path, brand: str) -> Path:
    """Where the check-points of a brand are."""
    return data / LEARNER / brand


def save_lane(folder: Path, lane: Lane) -> None:
    """Write the check-point of a lane, durably. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    variants = {item: list(keys) for item, keys in lane.variants.items()}
    held = {decision: (held.rows, held.came) for decision, held in lane.joins}
    stored = _Stored(lane.plan.key, lane.reached, lane.today, lane.clock, variants, held, lane.sums.to_bytes())
    content = msgspec.msgpack.encode(stored)
    write_file(folder / f"{lane.plan.key}{SUFFIX}", [_checksum(content), content])


def load_lane(folder: Path, plan: Plan) -> Lane:
    """A lane as it was check-pointed; a new one where nothing sound was. Raises OSError."""
    try:
        return _restored(plan, (folder / f"{plan.key}{SUFFIX}").read_bytes())
    except (FileNotFoundError, RecordDamaged, msgspec.MsgspecError):
        return Lane(plan)


def keep_lanes(folder: Path, keys: set[str]) -> None:
    """Remove the check-points of other plans: nobody would take out of them what is forgotten from now on."""
    for path in folder.glob(f"*{SUFFIX}") if folder.exists() else ():
        if path.name.removesuffix(SUFFIX) not in keys:
            path.unlink(missing_ok=True)


def _restored(plan: Plan, stored: bytes) -> Lane:
    checksum, content = stored[:_CHECKSUM_BYTES], stored[_CHECKSUM_BYTES:]
    if checksum != _checksum(content):
        raise RecordDamaged("the check-point fails its checksum")
    found = _decoder.decode(content)
    if found.plan != plan.key:
        raise RecordDamaged("the check-point is of another plan")
    lane = Lane(plan)
    lane.reached, lane.today, lane.clock = found.reached, found.today, found.clock
    lane.variants = {item: dict.fromkeys(keys) for item, keys in found.variants.items()}
    lane.sums = Sums.from_bytes(found.sums)
    for decision, (rows, came) in found.held.items():
        lane.joins.restore(decision, Held(rows, came))
    return lane


def _checksum(content: bytes) -> bytes:
    return blake2b(content, digest_size=_CHECKSUM_BYTES, person=b"maitred.lane").digest()
