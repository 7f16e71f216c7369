"""What operators remember: values by keys, in the order of the keys.

An operator sees its part of the state alone (`Part`): all its keys begin with its number.  Where the state is kept it
does not know: in memory while a view is filled (`MemoryState`), in a table of its own afterwards (session/deferred).

    key = number of the operator (2 bytes), what the operator makes of it; keys of one kind never begin with one another
    value = a tuple of atoms, as rows have them, tuples in it allowed
"""

from __future__ import annotations

from typing import Protocol

from skerry_engine.storage.heap import Row
from skerry_engine.storage.trees import KeyMap
from skerry_engine.values.keys import prefix_end


class KeyedState(Protocol):
    """Values by keys, in order."""

    def get(self, key: bytes) -> Row | None:
        """The value, or None."""
        ...

    def set(self, key: bytes, value: Row) -> None:
        """Keep a value in place of what there was."""
        ...

    def remove(self, key: bytes) -> None:
        """Forget a key, which may not be there."""
        ...

    def scan(self, prefix: bytes, limit: int) -> list[tuple[bytes, Row]]:
        """The first `limit` entries whose keys begin with `prefix`, in order."""
        ...


class Part:
    """One operator's share of the state."""

    __slots__ = ("_state", "_prefix")

    def __init__(self, state: KeyedState, number: int) -> None:
        self._state = state
        self._prefix = number.to_bytes(2, "big")

    def get(self, key: bytes) -> Row | None:
        return self._state.get(self._prefix + key)

    def set(self, key: bytes, value: Row) -> None:
        self._state.set(self._prefix + key, value)

    def remove(self, key: bytes) -> None:
        self._state.remove(self._prefix + key)

    def scan(self, prefix: bytes, limit: int = 1 << 60) -> list[tuple[bytes, Row]]:
        """As `KeyedState.scan`; the keys without the operator's number."""
        return [(key[2:], value) for key, value in self._state.scan(self._prefix + prefix, limit)]


class MemoryState:
    """State in memory (it implements `KeyedState`)."""

    __slots__ = ("_map",)

    def __init__(self) -> None:
        self._map: KeyMap = KeyMap()

    def __len__(self) -> int:
        return len(self._map)

    def get(self, key: bytes) -> Row | None:
        found: Row | None = self._map.get(key)
        return found

    def set(self, key: bytes, value: Row) -> None:
        self._map.set(key, value)

    def remove(self, key: bytes) -> None:
        self._map.remove(key)

    def scan(self, prefix: bytes, limit: int) -> list[tuple[bytes, Row]]:
        return self._map.entries(prefix, prefix_end(prefix), limit)

    def after(self, key: bytes | None, limit: int) -> list[tuple[bytes, Row]]:
        """The first `limit` entries behind a key (None: of all)."""
        return self._map.entries(None if key is None else key + b"\0", None, limit)
