"""How names become fixed-width keys, and the order of LMDB's keys.

Names are hashed, never numbered: a hash needs no table that all processes would have to share, and means the same in
every snapshot, counter and journal for ever. With 100,000 items the chance of any 64-bit collision is 3e-10; publishing
refuses a catalogue that has one.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from maitred_server.model import SubjectKey

BRAND_BYTES = 32  # longest brand prefix, so that every key stays far below LMDB's 511 bytes
PSEUDONYM_BYTES = 16

# The counter types of things that are not plain events.
EXPOSURE_TYPE = "exposure"
OBJECTION_TYPE = "not_for_me"

TAG_BYTES = 8
_TAG = blake2b(digest_size=TAG_BYTES, person=b"maitred.tag")


def outcome_type(name: str) -> str:
    """The counter type of an outcome: kept apart from an event of the same name."""
    return f"outcome.{name}"


def _hash64(domain: bytes, *parts: bytes) -> int:
    digest = blake2b(digest_size=8, person=domain)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return int.from_bytes(digest.digest(), "big")


@lru_cache(maxsize=262_144)
def item_key(item: str) -> int:
    """Key of an item as a whole, whatever the variant."""
    return _hash64(b"maitred.item", item.encode())


@lru_cache(maxsize=262_144)
def action_key(item: str, variant: str) -> int:
    """Key of an action: an item in one variant."""
    return _hash64(b"maitred.action", item.encode(), variant.encode())


@lru_cache(maxsize=65_536)
def group_key(group: str) -> int:
    """Key of a group of items."""
    return _hash64(b"maitred.group", group.encode())


@lru_cache(maxsize=65_536)
def placement_key(placement: str) -> int:
    """Key of a placement: every showing there counts for it once, however many slots it has."""
    return _hash64(b"maitred.place", placement.encode())


@lru_cache(maxsize=65_536)
def channel_key(channel: str) -> int:
    """Key of a channel: every showing through it counts for it once."""
    return _hash64(b"maitred.channel", channel.encode())


@lru_cache(maxsize=65_536)
def type_code(counter_type: str) -> int:
    """32-bit code of a counter type: `exposure`, `outcome.NAME` or an event's type."""
    return _hash64(b"maitred.type", counter_type.encode()) >> 32


@lru_cache(maxsize=1_024)
def brand_prefix(brand: str) -> bytes:
    """What every key of a brand begins with; length-prefixed, so that no brand is the beginning of another."""
    name = brand.encode()
    if not 1 <= len(name) <= BRAND_BYTES:
        raise ValueError(f"a brand has 1 to {BRAND_BYTES} bytes")
    return bytes([len(name)]) + name


def brand_of(key: SubjectKey) -> str:
    """The brand that a subject key (or any other key made with `brand_prefix`) belongs to."""
    return key[1 : 1 + key[0]].decode()


def subject_tag(subject: SubjectKey) -> bytes:
    """What names a subject to clients: 8 bytes made of its pseudonym, which was made with the installation's key."""
    digest = _TAG.copy()
    digest.update(subject)
    return digest.digest()


def same_brand(one: SubjectKey, other: SubjectKey) -> bool:
    """Whether two subject keys are of one brand."""
    return len(one) == len(other) and one[: 1 + one[0]] == other[: 1 + one[0]]


def client_key(brand: str, client: str) -> bytes:
    """Key of a feedback client: 16 bytes whatever the id's length, apart by brand."""
    return brand_prefix(brand) + blake2b(client.encode(), digest_size=16, person=b"maitred.client").digest()


# What every showing counts for once, wherever it is.
ALL_PLACEMENTS_KEY = placement_key("")
# What stands for the item of an event that is about none.
NO_ITEM_KEY = 0
# The entity that everything of a type counts for, whatever it is about: its counter holds the type's totals.
ANY_KEY = 0

_MASK64 = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


@lru_cache(maxsize=262_144)
def entity_keys(item: str, variant: str, groups: tuple[str, ...]) -> tuple[int, ...]:
    """Every key that something about this item counts for: its action, the item, each group once, and all of its type.

    `item` "": it is about none.
    """
    if not item:
        return (ANY_KEY,)
    return (action_key(item, variant), item_key(item), *dict.fromkeys(group_key(group) for group in groups), ANY_KEY)


@lru_cache(maxsize=65_536)
def type_mask(code: int) -> int:
    """What turns an entity key into a counter id and back: `id = key ^ type_mask(code)`."""
    return (code * _GOLDEN) & _MASK64


def sequence_key(sequence: int) -> bytes:
    """Journal key: big-endian, so that LMDB's order is the journal's."""
    return sequence.to_bytes(8, "big")


def window_key(client: bytes, epoch: int) -> bytes:
    """Key of a client's resend window; `client` is at most `client_key` long, so that the epoch is apart."""
    return bytes([len(client)]) + client + epoch.to_bytes(8, "big")


def foreign_key(brand: str, uuid: bytes) -> bytes:
    """Key of a foreign event id: the UUID's time first, so that old ones lie together."""
    if len(uuid) != 16:
        raise ValueError("a foreign event id has 16 bytes")
    return uuid + brand_prefix(brand)


def foreign_floor(before_ms: int) -> bytes:
    """The first foreign key that is not older than `before_ms`."""
    return max(before_ms, 0).to_bytes(6, "big")


def stored_item_key(brand: str, item: str) -> bytes:
    """Key of an imported item: wide enough that no two items ever share it."""
    return brand_prefix(brand) + blake2b(item.encode(), digest_size=16, person=b"maitred.stored").digest()
