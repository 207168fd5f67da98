"""Which children may have got which numbers, by what legacy's numbering rules allow.

Legacy had one counter for all children of a scope.  A module took the next number when
it was called, and was named `Dense_3`; a shared one did when it was *constructed*, and
was named `3`.  A trace of the Linen module does not show for sure which of them were
shared, but the names in the checkpoint leave few ways.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from linenify.checkpoint.scopes import Scope

_MOST = 16
_STEPS = 20_000


def numberings(
    scope: Scope,
    bearing: Collection[str],
    names: Collection[str],
    fixed: Collection[str],
) -> Iterator[dict[str, str]]:
    """Linen names of children to legacy names, the likeliest first, all names used.

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
    for count, found in enumerate(search.solutions(0, 0, {})):
        if count >= _MOST:
            return
        yield found


@dataclass
class _Search:
    events: Sequence[tuple[int, bool, Scope]]
    bearing: set[str]
    free: set[str]
    usual: int
    steps: int = field(default=0)

    def solutions(
        self, at: int, number: int, given: dict[str, str | None]
    ) -> Iterator[dict[str, str]]:
        self.steps += 1
        if self.steps > _STEPS:
            return
        if at == len(self.events):
            named = {child: name for child, name in given.items() if name is not None}
            if set(named.values()) == self.free:
                yield named
            return
        _, called, child = self.events[at]
        if child.name in given:
            yield from self.solutions(at + 1, number, given)
        elif called:
            for name in self._called(child, number):
                yield from self.solutions(at + 1, number + 1, {**given, child.name: name})
        else:
            if self._may_be_shared(child, number):
                name = str(number) if child.name in self.bearing else None
                yield from self.solutions(at + 1, number + 1, {**given, child.name: name})
            if child.called >= 0:
                yield from self.solutions(at + 1, number, given)

    def _may_be_shared(self, child: Scope, number: int) -> bool:
        """Whether it can have got its number here, where it is constructed."""
        kept = child.apart or child.called < 0 or child.calls > self.usual
        return kept and (child.name not in self.bearing or str(number) in self.free)

    def _called(self, child: Scope, number: int) -> list[str | None]:
        if child.name not in self.bearing:
            return [None]
        return [f"{stem}_{number}" for stem in child.stems if f"{stem}_{number}" in self.free]
