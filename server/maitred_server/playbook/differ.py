"""What changes from one playbook to another, in words.

It knows no noun by name: whatever a `Playbook` holds is compared field by field, so a new noun needs nothing here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import groupby
from typing import Any, Final, NamedTuple

import msgspec

from maitred_server.model import Item
from maitred_server.playbook.nouns import Playbook, Reference
from maitred_server.playbook.words import described, label, listed, name_of, quoted, shortened, singular, spoken, told

MOST_TOLD: Final = 20  # of one kind of noun and change; of more the first few are named
FIRST_FEW: Final = 5
LONGEST_TEXT: Final = 1_000  # characters
INLINE: Final = frozenset({"control"})  # parts whose own parts people know by name
EMPTY: Final = Playbook(name="", description="", placements=(), layers=(), groups=(), items=())


class Change(NamedTuple):
    """One change. `what`: the kind of noun; `change`: added, removed or changed; `text`: in words."""

    what: str
    name: str
    change: str
    text: str


def differences(before: Playbook, after: Playbook) -> list[Change]:
    """All changes, by the playbook's parts. Of many alike the first five are told, and how many more there are."""
    return [change for what in _grouped(_changes(before, after)) for change in _summed(what)]


def with_items(playbook: Playbook, imported: Iterable[Item]) -> Playbook:
    """The playbook with all items that it serves: its own, and the imported ones that it does not replace."""
    items = {item.id: item for item in imported} | {item.id: item for item in playbook.items}
    return msgspec.structs.replace(playbook, items=tuple(items[name] for name in sorted(items)))


def _grouped(changes: Iterable[Change]) -> Iterator[list[Change]]:
    for _, alike in groupby(changes, key=lambda one: (one.what, one.change)):
        yield list(alike)


def _summed(alike: Sequence[Change]) -> Iterator[Change]:
    if len(alike) <= MOST_TOLD:
        yield from alike
        return
    yield from alike[:FIRST_FEW]
    yield alike[0]._replace(name="", text=f"and {len(alike) - FIRST_FEW:,} more")


def _changes(before: msgspec.Struct, after: msgspec.Struct) -> Iterator[Change]:
    for field in spoken(type(after)):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if field.name in INLINE:
            yield from _changes(old, new)
        elif old != new:
            yield from _of_field(field.name, old, new)


def _of_field(field: str, old: Any, new: Any) -> Iterator[Change]:
    if _nouns(old, new):
        yield from _of_nouns(singular(label(field), type((*old, *new)[0])), old, new)
    elif _is_named(old, new):
        yield from _of_names(singular(label(field)), field, dict(old), dict(new))
    elif parts := list(_altered(field, old, new)):
        told_at = f"{label(field)} "
        yield Change(label(field), "", "changed", _joined(part.removeprefix(told_at) for part in parts))


def _of_nouns(what: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[Change]:
    pairs = _paired(old, new)
    for _, one in pairs.added:
        yield Change(what, name_of(one), "added", shortened(described(one), LONGEST_TEXT))
    for one, _ in pairs.removed:
        yield Change(what, name_of(one), "removed", shortened(described(one), LONGEST_TEXT))
    for one, other in pairs.both:
        if parts := list(_parts(one, other)):
            yield Change(what, name_of(other), "changed", _joined(parts))


def _of_names(what: str, field: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    yield from (Change(what, name, "added", told(field, new[name])) for name in new if name not in old)
    yield from (Change(what, name, "removed", told(field, old[name])) for name in old if name not in new)
    for name in new:
        if name in old and old[name] != new[name]:
            yield Change(what, name, "changed", f"{told(field, old[name])} -> {told(field, new[name])}")


class _Pairs(NamedTuple):
    """Nouns of two lists by name. Equal ones are left out."""

    added: list[tuple[None, Any]]
    removed: list[tuple[Any, None]]
    both: list[tuple[Any, Any]]


def _paired(old: Sequence[Any], new: Sequence[Any]) -> _Pairs:
    """Of several with one name those that are equal go together, then the others in their order."""
    waiting = _by_name(old)
    left = [one for one in new if not _taken(waiting, one)]
    pairs = _Pairs([], [], [])
    for one in left:
        alike = waiting[name_of(one)]
        pairs.both.append((alike.pop(0), one)) if alike else pairs.added.append((None, one))
    pairs.removed.extend((one, None) for alike in waiting.values() for one in alike)
    return pairs


def _by_name(nouns: Iterable[Any]) -> defaultdict[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for one in nouns:
        found[name_of(one)].append(one)
    return found


def _taken(waiting: Mapping[str, list[Any]], one: Any) -> bool:
    """Take out its equal, when there is one."""
    alike = waiting[name_of(one)]
    if one not in alike:
        return False
    alike.remove(one)
    return True


def _parts(old: msgspec.Struct, new: msgspec.Struct) -> Iterator[str]:
    """What differs between two nouns of a kind, part by part."""
    for field in spoken(type(new)):
        yield from _altered(field.name, getattr(old, field.name), getattr(new, field.name))


def _altered(field: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    if _nouns(old, new):
        yield from _altered_nouns(singular(label(field)), old, new)
    elif _is_named(old, new):
        yield from _altered_names(singular(label(field)), field, dict(old), dict(new))
    elif isinstance(old, tuple) and isinstance(new, tuple):
        yield from _altered_list(field, old, new)
    elif isinstance(old, msgspec.Struct) and type(old) is type(new) and not isinstance(old, Reference):
        yield from (f"{label(field)} {part}" for part in _parts(old, new))
    else:
        yield _from_to(field, told(field, old), told(field, new))


def _altered_nouns(what: str, old: Sequence[Any], new: Sequence[Any]) -> Iterator[str]:
    pairs = _paired(old, new)
    yield from (f"{what} {quoted(name_of(one))}added ({described(one)})" for _, one in pairs.added)
    yield from (f"{what} {quoted(name_of(one))}removed" for one, _ in pairs.removed)
    parts = [f"{what} {quoted(name_of(new))}{part}" for old, new in pairs.both for part in _parts(old, new)]
    yield from parts
    if not (parts or pairs.added or pairs.removed) and [*map(name_of, old)] != [*map(name_of, new)]:
        yield f"{what} in another order: {listed(f'`{name_of(one)}`' for one in new)}"


def _altered_names(what: str, field: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for _, name, change, text in _of_names(what, field, old, new):
        yield f"{what} `{name}` {text if change == 'changed' else f'{change}: {text}'}"


def _altered_list(field: str, old: tuple[Any, ...], new: tuple[Any, ...]) -> Iterator[str]:
    before, after = ([told(field, one) for one in every] for every in (old, new))
    if before == after:  # the same names in other lines
        return
    if sorted(before) == sorted(after):
        yield _from_to(field, listed(before), listed(after))
        return
    added = [one for one in after if one not in before]
    removed = [one for one in before if one not in after]
    words = [f"{word} {listed(some)}" for word, some in (("added", added), ("removed", removed)) if some]
    yield f"{label(field)}: {', '.join(words)}"


def _from_to(field: str, old: str, new: str) -> str:
    return f"{label(field)} {old} -> {new}" if old != new else f"{label(field)} changed"


def _nouns(old: Any, new: Any) -> bool:
    """Two lists of nouns that have names."""
    both = (*old, *new) if isinstance(old, tuple) and isinstance(new, tuple) else ()
    return bool(both) and all(isinstance(one, msgspec.Struct) and not isinstance(one, Reference) for one in both)


def _is_named(old: Any, new: Any) -> bool:
    """Two mappings, or lists of names with a value each."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return True
    both = (*old, *new) if isinstance(old, tuple) and isinstance(new, tuple) else ()
    return bool(both) and all(_is_pair(one) for one in both)


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str | Enum)


def _joined(parts: Iterable[str]) -> str:
    return shortened("; ".join(parts), LONGEST_TEXT)
