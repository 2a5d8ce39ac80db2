"""An index of kept answers: which keys belong to a name. Most names have one key, so one takes no set of its own."""

from __future__ import annotations

from typing import Generic, TypeVar

from ._calls import Key

Name = TypeVar("Name", str, bytes)


class Index(Generic[Name]):
    """Keys by name. To be used under the cache's lock."""

    def __init__(self) -> None:
        self._keys: dict[Name, Key | set[Key]] = {}

    def add(self, name: Name, key: Key) -> None:
        known = self._keys.setdefault(name, key)
        if isinstance(known, set):
            known.add(key)
        elif known != key:
            self._keys[name] = {known, key}

    def discard(self, name: Name, key: Key) -> None:
        known = self._keys.get(name)
        if known == key:
            del self._keys[name]
        elif isinstance(known, set):
            known.discard(key)
            if not known:
                del self._keys[name]

    def of(self, name: Name) -> tuple[Key, ...]:
        """The keys of a name."""
        known = self._keys.get(name)
        if known is None:
            return ()
        return tuple(known) if isinstance(known, set) else (known,)
