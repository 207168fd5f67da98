"""Who calls the functions of a project: by name, through a transform, or unseen."""

from __future__ import annotations

import ast
from collections import defaultdict

from linenify.facts.ask.program import Program
from linenify.facts.flow.kinds import Atom, External, Function, Legacy
from linenify.project.scopes import FunctionNode


class Callers:
    """The calls that run each function of a project."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._known: dict[FunctionNode, list[ast.Call]] | None = None

    def of(self, function: FunctionNode) -> list[ast.Call]:
        """The calls that run a function, itself or through a transform."""
        if self._known is None:
            self._known = self._all()
        return self._known.get(function, [])

    def _all(self) -> dict[FunctionNode, list[ast.Call]]:
        found: dict[FunctionNode, list[ast.Call]] = defaultdict(list)
        for call in self._program.flow.where:
            assert isinstance(call, ast.Call)
            callee = self._program.flow.values.get(call.func, frozenset())
            here = {innermost(atom) for atom in callee}
            if any(isinstance(a, External) or _is_method(a) for a in callee) and (
                self._is_called(call)
            ):
                # `lax.scan(f, ...)` and `optimizer.optimize(f)` call it, too.
                for argument in [*call.args, *(k.value for k in call.keywords)]:
                    value = self._program.flow.values.get(argument, frozenset())
                    here |= {innermost(a) for a in value}
            for function in here:
                if function is not None:
                    found[function].append(call)
        return found

    def _is_called(self, call: ast.Call) -> bool:
        """Whether a call runs what it is given, rather than making a function of it."""
        made = self._program.flow.values.get(call, frozenset())
        return not any(hasattr(atom, "function") and not hasattr(atom, "part") for atom in made)


def innermost(atom: Atom) -> FunctionNode | None:
    """The function of the project under partials and transforms."""
    inner: object = atom
    while not isinstance(inner, Function) and hasattr(inner, "function"):
        inner = inner.function
        if isinstance(inner, FunctionNode):
            return None
    if isinstance(inner, Function):
        return inner.node
    node = getattr(inner, "node", None)
    return node if isinstance(node, FunctionNode) else None


def is_called_unseen(program: Program, function: FunctionNode) -> bool:
    """Whether a function runs without a call: a property, or what an operator calls."""
    code = program.flow.code[function]
    if code.owner is None or not isinstance(function, ast.FunctionDef):
        return False
    if program.flow.is_property(function):
        return True
    special = function.name.startswith("__") and function.name.endswith("__")
    return special and function.name not in {"__init__", "__call__"}


def _is_method(atom: Atom) -> bool:
    receiver = getattr(atom, "receiver", None)
    return receiver is not None and not isinstance(receiver, Legacy | str)
