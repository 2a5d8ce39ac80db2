from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maitred_server.decide.receipt import Receipt, SealedDecision, SealedSlot, Sealer
from maitred_server.errors import NotAllowed
from maitred_server.model import Kind, Reason

KEYS = {b"key1": bytes(range(32)), b"key2": bytes(range(32, 64))}
SLOT = SealedSlot(0, "BANANAS", "", Reason.HABIT, None, 1.0, 3.5)
RECEIPT = Receipt(
    subject=b"\x04shop" + bytes(16),
    kind=Kind.HOUSEHOLD,
    decided_at=1_700_000_000_000,
    seed=2**63 + 5,
    profile_sequence=77,
    catalogue="3",
    snapshot="1200",
    arms=(("split", "b"),),
    decisions=(SealedDecision("ab" * 16, "till", "habit", Reason.HABIT, (SLOT,)),),
)


def sealer(key_id: bytes = b"key1") -> Sealer:
    return Sealer((key_id, KEYS[key_id]), KEYS.get)


def test_a_receipt_comes_back_as_it_was_sealed() -> None:
    """What one process sealed another opens, bit for bit."""
    assert sealer().open(sealer().seal(RECEIPT)) == RECEIPT


def test_a_receipt_of_an_older_key_still_opens() -> None:
    """A server that seals with a new key opens what the old key sealed."""
    assert sealer(b"key2").open(sealer(b"key1").seal(RECEIPT)) == RECEIPT


def test_no_two_tokens_are_alike() -> None:
    """The same receipt sealed 1,000 times gives 1,000 tokens: no nonce comes twice."""
    one = sealer()
    assert len({one.seal(RECEIPT) for _ in range(1_000)}) == 1_000


def test_a_token_shows_nothing_of_what_it_holds() -> None:
    """Subject, items and placement cannot be read off a token."""
    token = sealer().seal(RECEIPT)
    assert all(secret not in token for secret in (b"BANANAS", b"till", b"shop"))


@given(st.data())
def test_a_changed_token_is_refused(data: st.DataObject) -> None:
    """Any single changed byte, anywhere in the token, makes it invalid."""
    token = bytearray(sealer().seal(RECEIPT))
    place = data.draw(st.integers(0, len(token) - 1))
    token[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(NotAllowed):
        sealer().open(bytes(token))


@given(st.binary(max_size=400))
def test_garbage_is_refused(token: bytes) -> None:
    """Bytes that nobody sealed never open, whatever they are."""
    with pytest.raises(NotAllowed):
        sealer().open(token)


def test_an_unknown_key_is_looked_up_again() -> None:
    """A key that appears after a refusal opens the same token: no restart is needed."""
    keys: dict[bytes, bytes] = {}
    one = Sealer((b"key1", KEYS[b"key1"]), keys.get)
    token = sealer().seal(RECEIPT)
    with pytest.raises(NotAllowed, match="does not have"):
        one.open(token)
    keys.update(KEYS)
    assert one.open(token) == RECEIPT


def test_the_receipt_of_the_largest_page_opens() -> None:
    """A page of 16 placements with 50 slots each, of items with names of 128 bytes, has a receipt that opens."""
    import msgspec

    slots = tuple(msgspec.structs.replace(SLOT, slot=slot, item="x" * 128) for slot in range(50))
    page = tuple(msgspec.structs.replace(RECEIPT.decisions[0], decision_id=f"{n:032x}", slots=slots) for n in range(16))
    receipt = msgspec.structs.replace(RECEIPT, decisions=page)
    assert sealer().open(sealer().seal(receipt)) == receipt
