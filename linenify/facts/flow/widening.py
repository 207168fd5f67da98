"""Values that may be very many things stay small: what cannot matter becomes one thing.

A list through which half of a library passes would else hold every method of every
object that is ever read from it, in every place that it reaches.  Once a place has
held too many of one sort, it keeps only that there are some: so a fixpoint exists.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Hashable

from linenify.facts.flow.kinds import (
    Api,
    Atom,
    Bound,
    Class,
    Container,
    External,
    Function,
    Instance,
    Legacy,
    Model,
    Optimizer,
    OptimizerDef,
    Params,
    Partial,
    Static,
    Transformed,
    Value,
)

ENOUGH = 12  # of one sort in one value
CALLED = 40  # of functions: a table of them is a table, and what they are given is to reach them
CROWD = Container(ast.Dict(keys=[], values=[]), "dict")  # any of very many containers
_OBJECT = ast.ClassDef("object", bases=[], keywords=[], body=[], decorator_list=[])
_SOMETHING = Api(Instance(_OBJECT), "")  # any of very many plain objects and functions
_SOME_NAME = External("builtins.object")


class Widening:
    """What is kept at each place, and of which sorts it has too many."""

    def __init__(self, near: Callable[[ast.AST], bool]) -> None:
        self._near = near  # whether a function or class stands in a file that names flax
        self._many: dict[Hashable, set[str]] = defaultdict(set)

    def __call__(self, place: Hashable, value: Value) -> Value:
        """`value`, with one atom for each sort of which the place has too many."""
        if len(value) <= ENOUGH and place not in self._many:
            return value
        by_sort: dict[str, list[Atom]] = defaultdict(list)
        for atom in value:
            by_sort[self._sort(atom)].append(atom)
        for sort, atoms in by_sort.items():
            if not sort or (len(atoms) <= _enough(sort) and sort not in self._many.get(place, ())):
                continue
            self._many[place].add(sort)
            value = value.difference(atoms) | {_general(atom) for atom in atoms}
        return value

    def _sort(self, atom: Atom) -> str:
        """The sort that an atom is counted in; none for what a migration cares about."""
        match atom:
            case Api(receiver=Model() | Optimizer() | OptimizerDef() | Legacy()):
                return ""
            case Api():
                return "method"
            case Function(node=node) | Bound(node=node) if not self._near(node):
                return "function"
            case Partial(function=function) | Transformed(function=function):
                return self._sort(function)
            case Instance(node=node) | Class(node=node) if not self._near(node):
                return "object"
            case External(path=path) if not path.startswith("flax."):
                return "name"
            case Static(literal=str()):
                return "literal"
            case Container():
                return "container"
            case Params(path=[_, *_]):
                return "params"
        return ""


def _enough(sort: str) -> int:
    """From how many on the atoms of a sort are not told apart."""
    return CALLED if sort == "function" else ENOUGH


def _general(atom: Atom) -> Atom:
    match atom:
        case Static(type=type_):
            return Static(type_)
        case Params():
            return atom.somewhere()
        case External():
            return _SOME_NAME
        case Container():
            return CROWD
    return _SOMETHING
