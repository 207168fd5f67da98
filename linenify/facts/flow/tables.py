"""Tables that know who has read them, so that only those run again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, ItemsView, Iterator
from typing import TypeVar

from linenify.facts.flow.kinds import Value

K = TypeVar("K", bound=Hashable)
Read = Callable[[tuple[int, Hashable]], None]
EVERY = "every key"  # what reading a table as a whole depends on


class Table(dict[K, Value]):
    """Values by key; every read is told to the listener."""

    def __init__(self, read: Read) -> None:
        super().__init__()
        self._read = read

    def get(self, key: K, default: Value = frozenset()) -> Value:  # type: ignore[override]
        """What is known under `key`."""
        self._read((id(self), key))
        return super().get(key, default)

    def __getitem__(self, key: K) -> Value:
        self._read((id(self), key))
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._read((id(self), key))
        return super().__contains__(key)

    def __iter__(self) -> Iterator[K]:
        self._read((id(self), EVERY))
        return super().__iter__()

    def items(self) -> ItemsView[K, Value]:  # type: ignore[override]
        """All of it."""
        self._read((id(self), EVERY))
        return super().items()


class Readers:
    """Which unit of work has read which key, and which units have to run again."""

    def __init__(self) -> None:
        self.current: Hashable = None
        self.pending: set[Hashable] = set()
        self._units: dict[tuple[int, Hashable], set[Hashable]] = defaultdict(set)

    def read(self, what: tuple[int, Hashable]) -> None:
        """The current unit depends on a key."""
        self._units[what].add(self.current)

    def wrote(self, table: object, key: Hashable) -> None:
        """Whoever read this key, or the table as a whole, runs again."""
        for what in ((id(table), key), (id(table), EVERY)):
            if what in self._units:
                self.pending |= self._units[what]
