"""Which parameters a value came from, through how many calls soever, and what that tells of them.

A call that hands on a parameter joins two parameters; the joints are kept here, and
the values themselves carry the parameters of their own function only.  So what
flows stays small however long the chain of calls is.  What gathers parts of very many
parameters all the same (the attribute of an object that everybody sets) stands for
them as one parameter of its own, a *pool*.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Hashable, Iterable

from linenify.facts.flow.kinds import Atom, Parameter, Value
from linenify.project.scopes import FunctionNode

Slot = tuple[FunctionNode, str]  # one parameter of one function
ENOUGH = 8  # parameters that one value carries before they become a pool
_NO_ARGUMENTS = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
_Note = tuple[str, str, str, bool]  # role, hint, part, mixed


class Origins:
    """Joints between parameters, and evidence about them."""

    def __init__(self) -> None:
        self._sources: dict[Slot, set[Parameter]] = defaultdict(set)
        self._notes: dict[Slot, set[_Note]] = defaultdict(set)
        self._pools: dict[Hashable, Parameter] = {}
        self._pooled: set[FunctionNode] = set()
        self._found: dict[Parameter, frozenset[Parameter]] = {}  # what `of` gave

    def hand(self, slot: Slot, value: Value) -> Value:
        """Keeps which parameters `value` hands to `slot`; gives what else it may be."""
        sources = {a for a in value if isinstance(a, Parameter)}
        if not sources:
            return value
        if not sources <= self._sources[slot]:
            self._sources[slot] |= sources
            self._found.clear()
        return value - sources

    def bounded(self, place: Hashable, value: Value) -> Value:
        """`value`, which is kept at a place, with a pool for parameters that are too many."""
        pool = self._pools.get(place)
        sources = {a for a in value if isinstance(a, Parameter)}
        if pool is None and len(sources) <= ENOUGH:
            return value
        if pool is None:
            pool = self._pools[place] = Parameter(ast.Lambda(_NO_ARGUMENTS, ast.Constant(None)), "")
            self._pooled.add(pool.function)
        return self.hand((pool.function, pool.name), value) | {pool}

    def note(self, atom: Parameter, role: str, hint: str) -> None:
        """A use of a parameter, or of a part of it, in a certain role."""
        self._notes[atom.function, atom.name].add((role, hint, atom.part, atom.mixed))

    def of(self, value: Iterable[Atom]) -> frozenset[Parameter]:
        """The parameters that a value came from, directly or through calls."""
        return frozenset().union(*(self._of(a) for a in value if isinstance(a, Parameter)))

    def _of(self, parameter: Parameter) -> frozenset[Parameter]:
        if parameter in self._found:
            return self._found[parameter]
        first = (parameter.function, parameter.name, parameter.part, parameter.mixed)
        found, waiting = {first}, [first]
        while waiting:
            function, name, inner, mixed = waiting.pop()
            for source in self._sources.get((function, name), ()):
                part = _part(source.part, inner)
                origin = (source.function, source.name, part, mixed or source.mixed)
                if origin not in found:
                    found.add(origin)
                    waiting.append(origin)
        everywhere = frozenset(
            Parameter(*origin) for origin in found if origin[0] not in self._pooled
        )
        self._found[parameter] = everywhere
        return everywhere

    def fed(self, slots: Iterable[Slot]) -> set[Slot]:
        """`slots`, and all that may be handed what they hold, or a part of it, as it is."""
        takers: dict[Slot, set[Slot]] = defaultdict(set)
        for slot, sources in self._sources.items():
            for source in sources:
                if not source.mixed:
                    takers[source.function, source.name].add(slot)
        found = set(slots)
        waiting = list(found)
        while waiting:
            new = takers.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found

    def evidence(self) -> tuple[dict[Slot, set[tuple[str, str]]], dict[Slot, set[str]]]:
        """Roles and types of all parameters; a use counts for everybody who handed on."""
        notes = {slot: set(found) for slot, found in self._notes.items()}
        waiting = list(notes)
        while waiting:
            slot = waiting.pop()
            for source in self._sources.get(slot, ()):
                home = (source.function, source.name)
                held = notes.setdefault(home, set())
                passed = {
                    (role, hint, _part(source.part, part), mixed or source.mixed)
                    for role, hint, part, mixed in notes[slot]
                }
                if not passed <= held:
                    held |= passed
                    waiting.append(home)
        roles = {
            slot: {(role, _how(part, mixed)) for role, _, part, mixed in found}
            for slot, found in notes.items()
        }
        hints = {slot: set(filter(None, map(_hint, found))) for slot, found in notes.items()}
        return roles, hints


def _part(outer: str, inner: str) -> str:
    """What an element (or attribute) of an element (or attribute) is."""
    if outer and inner:
        return "attribute"
    return outer or inner


def _how(part: str, mixed: bool) -> str:
    return "mixed" if mixed else "part" if part else "whole"


def _hint(note: _Note) -> str:
    _, hint, part, mixed = note
    if hint in {"", "Any"} or mixed or part == "attribute":
        return ""
    return f"Sequence[{hint}]" if part == "item" else hint
