"""What may be live at a place in the text, and how two such states are one."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field

from linenify.facts.flow.conditions import Narrowed, Version


@dataclass(eq=False, slots=True)
class Closure:
    """Code that runs later, and what it may then see of the variables that it reads."""

    reads: dict[str, list[ast.Name]] = field(default_factory=lambda: defaultdict(list))
    seen: dict[str, set[Version]] = field(default_factory=lambda: defaultdict(set))


@dataclass(slots=True)
class State:
    """What a place in the text may find: live versions by name, and code that may run later."""

    live: dict[str, frozenset[Version]]
    later: frozenset[Closure]

    def copy(self) -> State:
        """The same, to be changed."""
        return State(dict(self.live), self.later)


@dataclass(eq=False, slots=True)
class Loop:
    """A loop that is being walked, and what leaves its body by a jump."""

    left: State | None = None  # by break
    again: State | None = None  # by continue


@dataclass(eq=False, slots=True)
class Watched:
    """Statements that an exception may leave anywhere."""

    state: State | None = None
    final: bool = False  # what leaves by a jump comes through here as well
    jumps: set[str] = field(default_factory=set)


def join(one: State | None, other: State | None) -> State | None:
    """What a place may find that is reached in two ways."""
    if one is None or other is None:
        found = one or other
        return found.copy() if found is not None else None
    live = dict(one.live)
    for name, versions in other.live.items():
        known = live.get(name)
        if known is not versions:
            live[name] = _whole(versions | known) if known is not None else versions
    return State(live, one.later | other.later)


def _whole(versions: frozenset[Version]) -> frozenset[Version]:
    """Versions with both sides of a test put together again, and none that others contain."""
    versions = frozenset(v for v in versions if not isinstance(v, Narrowed) or not v.of <= versions)
    sides: dict[ast.Name, Narrowed] = {}
    for version in versions:
        if isinstance(version, Narrowed):
            other = sides.setdefault(version.test.name, version)
            if other is not version and other.holds != version.holds and other.of == version.of:
                return _whole((versions - {version, other}) | version.of)
    return versions
