"""Hyper-parameters that `super().apply(...)` leaves to the default of the base."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from linenify.facts.flow.kinds import SuperMethod
from linenify.project.scopes import FunctionNode, all_arguments, defaults_by_name

if TYPE_CHECKING:
    from linenify.facts.flow.interpret import Interpreter

# In legacy `super().apply(x, features)` ran the base with the base's own default
# of `scale`, whatever `scale` the subclass was given.  A Linen base that reads a
# field would get the subclass's value, so it takes such an argument per call.


@dataclass(frozen=True, slots=True)
class _Call:
    """One `super().apply(...)`: the class and method around it, and what it may reach."""

    node: ast.Call
    owner: ast.ClassDef
    method: ast.FunctionDef
    bases: tuple[ast.FunctionDef, ...]


def left_to_defaults(flow: Interpreter) -> frozenset[tuple[FunctionNode, str]]:
    """The parameters of bases that take another value in a class below, but not from it."""
    found: set[tuple[FunctionNode, str]] = set()
    calls = list(_calls(flow))
    for call in calls:
        below = [call.owner, *flow.hierarchy.descendants(call.owner)]
        for base in call.bases:
            for name in defaults_by_name(base.args):
                if any(_loses(flow, calls, call, base, each, name) for each in below):
                    found.add((base, name))
    return frozenset(found)


def reached(flow: Interpreter, owner: ast.ClassDef, name: str) -> list[ast.FunctionDef]:
    """The methods that `super().<name>` in `owner` may run, whichever class the object is of."""
    found: list[ast.FunctionDef] = []
    for line in [owner, *flow.hierarchy.descendants(owner)]:
        order = flow.hierarchy.mro(line)
        after = order[order.index(owner) + 1 :]
        infos = (flow.hierarchy.infos[each].methods.get(name) for each in after)
        first = next((method for method in infos if method is not None), None)
        if first is not None and first not in found:
            found.append(first)
    return found


def _calls(flow: Interpreter) -> Iterator[_Call]:
    for node in flow.where:
        if not isinstance(node, ast.Call):
            continue
        for atom in flow.values.get(node.func, frozenset()):
            if isinstance(atom, SuperMethod) and atom.name == "apply":
                around = flow.where[node].function()
                while around is not None and around.node not in flow.code:
                    around = around.parent.function() if around.parent is not None else None
                method = flow.hierarchy.infos[atom.owner].methods.get("apply")
                if around is not None and around.node is method and method is not None:
                    bases = reached(flow, atom.owner, "apply")
                    yield _Call(node, atom.owner, method, tuple(bases))


def _loses(
    flow: Interpreter,
    calls: list[_Call],
    call: _Call,
    base: ast.FunctionDef,
    line: ast.ClassDef,
    name: str,
) -> bool:
    """Whether an object of `line` has a value of its own for `name` that `base` does not get."""
    method = flow.hierarchy.infos[line].methods.get("apply")
    if method is None or name not in {a.arg for a in all_arguments(method.args)}:
        return False
    if not any(other.owner is line for other in calls):
        return False  # it has an `apply` of its own, and never runs the base
    if not _gives(call, base, name):
        return True
    if line is call.owner or name in {a.arg for a in all_arguments(call.method.args)}:
        return False
    # It comes in `**kwargs`, if the class below hands it up.
    return any(
        other.owner is line and not _gives(other, call.method, name)
        for other in calls
        if call.method in other.bases
    )


def _gives(call: _Call, base: ast.FunctionDef, name: str) -> bool:
    """Whether a call of the base may fill one of its parameters."""
    names = [a.arg for a in [*base.args.posonlyargs, *base.args.args]][1:]
    if any(isinstance(a, ast.Starred) for a in call.node.args):
        return True
    if name in names[: len(call.node.args)]:
        return True
    if any(keyword.arg == name for keyword in call.node.keywords):
        return True
    own = call.method.args.kwarg.arg if call.method.args.kwarg is not None else None
    explicit = {a.arg for a in all_arguments(call.method.args)}
    return any(
        keyword.arg is None
        and not (
            isinstance(keyword.value, ast.Name) and keyword.value.id == own and name in explicit
        )
        for keyword in call.node.keywords
    )
