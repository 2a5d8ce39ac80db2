"""A subject as it was: its profile made anew from the records that had come by then."""

from __future__ import annotations

from maitred_server.model import SubjectKey
from maitred_server.store import AnyStore, Profile
from maitred_server.store.replay import history, keys_of, replayed

PAGE = 1_000


def as_of(store: AnyStore, subject: SubjectKey, sequence: int) -> Profile | None:
    """The profile to which a key led after a journal record; None: nothing was kept then, or is kept of it no more.

    Merges count from their own record on, until they were taken back. Records that are gone by retention or by an
    erasure are in no past either.
    """
    records = history(subject, lambda key: store.read_key(key, sequence))
    keys = {key for _, record in records for key in keys_of(record)}
    return replayed(records, store.origins(keys)).profile(subject)


def as_of_time(store: AnyStore, subject: SubjectKey, at_ms: int) -> Profile | None:
    """The same by the server's clock: after the last record that was received at or before this time."""
    return as_of(store, subject, sequence_at(store, at_ms))


def sequence_at(store: AnyStore, at_ms: int) -> int:
    """The last of the journal's records before the first that was received after a time; 0: there is none.

    The journal is in the order of receipt, so this is a search by halves.
    """
    low, high = 0, store.last_sequence()
    while low < high:
        middle = (low + high) // 2
        found = store.read_journal(middle, 1)
        if found and found[0][1].received_at <= at_ms:
            low = found[0][0]
        else:
            high = middle
    return low
