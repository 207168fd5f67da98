"""Which children may have got which numbers, by what legacy's numbering rules allow.

Legacy had one counter for all children of a scope.  A module took the next number when
it was called, and was named `Dense_3`; a shared one did when it was *constructed*, and
was named `3`.  A trace of the Linen module does not show for sure which of them were
shared, but the names in the checkpoint leave few ways.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from linenify.checkpoint.scopes import Scope

_NUMBERED = re.compile(r"(?:(?P<stem>.*)_)?(?P<number>\d+)")
_MOST = 16
_STEPS = 20_000


def legacy_names(scope: Scope, shared: Callable[[Scope, Scope], bool]) -> dict[str, str]:
    """Linen names of the children to legacy names.

    Args:
        scope: whose children.
        shared: which of them were legacy's shared modules, which take their number when
            they are constructed.
    """
    children = scope.children
    names = {child.name: child.name for child in children if child.given}
    events = []
    for child in children:
        if child.given or not child.counts:
            continue
        bare = shared(scope, child)
        when = child.created if bare or child.called < 0 else child.called
        events.append((when, child, bare))
    events.sort(key=lambda event: event[0])
    for number, (_, child, bare) in enumerate(events):
        names[child.name] = str(number) if bare else f"{_stem(child)}_{number}"
    for child in children:
        names.setdefault(child.name, child.name)
    return names


def called_again(scope: Scope, child: Scope) -> bool:
    """Called more often than its parent is."""
    return child.calls > max(scope.calls, 1)


def kept(scope: Scope, child: Scope) -> bool:
    """Constructed in another expression than it is called in, or called again."""
    return child.apart or called_again(scope, child)


def no_one(scope: Scope, child: Scope) -> bool:  # noqa: ARG001 - one of three of a kind
    """None at all."""
    return False


def _stem(child: Scope) -> str:
    return child.stems[0] if child.stems else child.name.rpartition("_")[0]


def by_number(names: Iterable[str]) -> list[str]:
    """Names in the order of the numbers that they end in; those without come last."""

    def rank(name: str) -> tuple[float, str]:
        found = _NUMBERED.fullmatch(name)
        return (int(found["number"]) if found else math.inf, name)

    return sorted(names, key=rank)


def numberings(
    scope: Scope,
    bearing: Collection[str],
    names: Collection[str],
    fixed: Collection[str],
) -> tuple[list[dict[str, str]], bool]:
    """Linen names of children to legacy names, all names used; and whether these are all ways.

    Args:
        scope: whose children.
        bearing: the Linen names of those that have variables.
        names: the legacy names that are not given by the program.
        fixed: the names that are.
    """
    auto = [child for child in scope.children if child.name not in fixed and child.counts]
    events = [(child.created, False, child) for child in auto if child.created >= 0]
    events += [(child.called, True, child) for child in auto if child.called >= 0]
    events.sort(key=lambda event: event[0])
    search = _Search(events, set(bearing), set(names), max(scope.calls, 1))
    found = list(itertools.islice(search.solutions(), _MOST))
    return found, search.complete


@dataclass
class _Search:
    events: Sequence[tuple[int, bool, Scope]]
    bearing: set[str]
    free: set[str]
    usual: int
    complete: bool = False

    def solutions(self) -> Iterator[dict[str, str]]:
        """Goes through the events; where a child may be shared or not, that it is comes first."""
        waiting: list[tuple[int, int, dict[str, str | None]]] = [(0, 0, {})]
        for _ in range(_STEPS):
            if not waiting:
                self.complete = True
                return
            at, number, given = waiting.pop()
            if at < len(self.events):
                waiting += reversed(list(self._after(at, number, given)))
                continue
            named = {child: name for child, name in given.items() if name is not None}
            if set(named.values()) == self.free:
                yield named

    def _after(
        self, at: int, number: int, given: dict[str, str | None]
    ) -> Iterator[tuple[int, int, dict[str, str | None]]]:
        """What may come of one event."""
        _, called, child = self.events[at]
        if child.name in given:
            yield at + 1, number, given
        elif called:
            for name in self._called(child, number):
                yield at + 1, number + 1, {**given, child.name: name}
        else:
            if self._may_be_shared(child, number):
                own = str(number) if child.name in self.bearing else None
                yield at + 1, number + 1, {**given, child.name: own}
            if child.called >= 0 and self._may_be_called(child):
                yield at + 1, number, given

    def _may_be_shared(self, child: Scope, number: int) -> bool:
        """Whether it can have got its number here, where it is constructed."""
        kept = child.apart or child.called < 0 or child.calls > self.usual
        return kept and (child.name not in self.bearing or str(number) in self.free)

    def _may_be_called(self, child: Scope) -> bool:
        """Whether a name is left that it can get at its call."""
        return child.name not in self.bearing or any(
            name.rpartition("_")[0] in child.stems for name in self.free if "_" in name
        )

    def _called(self, child: Scope, number: int) -> list[str | None]:
        if child.name not in self.bearing:
            return [None]
        return [f"{stem}_{number}" for stem in child.stems if f"{stem}_{number}" in self.free]
