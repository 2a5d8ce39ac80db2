"""What the benchmark measures on: profiles as the store makes them, and a playbook that the server accepts."""

from __future__ import annotations

import numpy as np
from maitred.v1 import decision_pb2
from maitred_server.model import Kind
from maitred_server.playbook.loader import load
from maitred_server.policy import POLICIES
from maitred_server.store import Profile
from maitred_server.store.keys import item_key
from maitred_server.subjects.identity import Pseudonyms
from maitred_tools.bench import seed

PSEUDONYMS = Pseudonyms(bytes(32))


def test_profiles_are_the_stores_own() -> None:
    """Each stored profile is read back by the store under its key, with its purchases and traits."""
    stored = dict(seed.stored_profiles(500, PSEUDONYMS))
    assert len(stored) == 500
    items = np.array([item_key(seed.item(number)) for number in range(seed.ITEMS)], np.uint64)
    for key, value in stored.items():
        profile = Profile.decode(key, value)
        assert profile.count(seed.PURCHASE, items).sum() == 20
        assert set(profile.traits) == {"age", "city", "loyal", "likes"}


def test_profiles_come_in_the_order_of_their_keys() -> None:
    """The bulk load appends: keys rise."""
    keys = [key for key, _ in seed.stored_profiles(300, PSEUDONYMS)]
    assert keys == sorted(set(keys))


def test_every_request_is_about_a_known_subject() -> None:
    """No call is cheap because nothing is known of its subject."""
    stored = dict(seed.stored_profiles(200, PSEUDONYMS))
    for request in seed.requests(200, 50):
        subject = decision_pb2.DecideRequest.FromString(request).subject
        assert PSEUDONYMS.subject_key(seed.BRAND, Kind(subject.kind), subject.id) in stored


def test_the_playbook_has_a_thousand_candidates() -> None:
    """The playbook loads without mistakes or warnings."""
    playbook = load(seed.playbook(), policies=frozenset(POLICIES))
    (placement,) = playbook.placements
    assert (len(playbook.items), placement.every_item, placement.slots) == (1_000, True, 3)
    assert playbook.warnings == ()
