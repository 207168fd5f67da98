"""Optimizers that `replicate()` themselves: their steps average the gradients of all devices.

Legacy decided that by the class of the optimizer.  Where a step only runs under
`pmap`, the mean is written there; where it also runs without, the state carries
a class of its own from `replicate` to `unreplicate`.
"""

from __future__ import annotations

import ast

from linenify.facts.ask.callers import Callers, innermost
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.support import require
from linenify.facts.flow.kinds import (
    Api,
    Atom,
    External,
    Optimizer,
    Partial,
    Transformed,
    Value,
)
from linenify.facts.sites import Reshaped
from linenify.project.scopes import FunctionNode
from linenify.project.source import Source

STATE = "ReplicatedState"  # the support class
_STATE = "flax.training.train_state.TrainState"


class Replicas:
    """Which steps average gradients, and which optimizers need a class for that."""

    def __init__(self, plan: Plan, callers: Callers, steps: frozenset[str]) -> None:
        self._plan = plan
        self._callers = callers
        self._ways: dict[FunctionNode, frozenset[str]] = {}
        self._mixed: set[ast.Call] = set()
        for call in plan.flow.where:
            assert isinstance(call, ast.Call)
            callee = plan.flow.values.get(call.func, frozenset())
            found = [a for a in _receivers(callee) if _method(callee, a) in steps]
            if len({a.replicated for a in found}) == 2 and self._where(call) not in _SURE:
                self._mixed |= {a.created for a in found}

    def averages(self, call: ast.Call, callee: Value) -> bool:
        """Whether a step has to average its gradients where it stands."""
        found = _receivers(callee)
        flags = {atom.replicated for atom in found}
        if self.is_mixed(callee):
            return False
        return flags == {True} or (True in flags and self._where(call) == _MAPPED)

    def is_mixed(self, callee: Value) -> bool:
        """Whether the states that a method may belong to average by their class."""
        return any(atom.created in self._mixed for atom in _receivers(callee))

    def _where(self, call: ast.AST) -> frozenset[str]:
        code = self._plan.code(call)
        return self._runs(code.node, frozenset()) if code is not None else _PLAIN

    def _runs(self, function: FunctionNode, below: frozenset[FunctionNode]) -> frozenset[str]:
        """How a function runs: under `pmap`, plainly, both, or nobody knows."""
        if function in self._ways:
            return self._ways[function]
        if _is_decorated(self._plan, function):
            self._ways[function] = _MAPPED
            return _MAPPED
        found: set[str] = set()
        for call in self._callers.of(function):
            callee = self._plan.flow.values.get(call.func, frozenset())
            here = [atom for atom in callee if innermost(atom) is function]
            mapped = [atom for atom in here if _is_mapped(atom)]
            if mapped:
                found.add("mapped")
            if len(mapped) < len(here) or not here:
                found |= self._around(call, below | {function})
        outer = self._plan.code(function)
        if not found and outer is not None and outer.node not in below:
            found |= self._runs(outer.node, below | {function})  # handed to what runs it there
        self._ways[function] = frozenset(found)
        return self._ways[function]

    def _around(self, call: ast.Call, below: frozenset[FunctionNode]) -> frozenset[str]:
        code = self._plan.code(call)
        if code is None:
            return _PLAIN
        return frozenset() if code.node in below else self._runs(code.node, below) or _PLAIN


_MAPPED = frozenset({"mapped"})
_PLAIN = frozenset({"plain"})
_SURE = (_MAPPED, _PLAIN)


def emit(
    plan: Plan, replicas: Replicas, source: Source, call: ast.Call, callee: Value, name: str
) -> None:
    """`optimizer.replicate()` and `optimizer.unreplicate()`."""
    template = "{spell:flax.jax_utils.%s}({owner})" % name
    if replicas.is_mixed(callee):
        require(plan, source, [STATE], "LN692")
        if name == "replicate":
            template = "{spell:flax.jax_utils.replicate}(%s(**vars({owner})))" % STATE
        else:
            template = "{spell:%s}(**vars(%s))" % (_STATE, template)
    plan.at(source, call, Reshaped(template, "LN605"))


def _receivers(callee: Value) -> list[Optimizer]:
    return [a.receiver for a in callee if isinstance(a, Api) and isinstance(a.receiver, Optimizer)]


def _method(callee: Value, receiver: Optimizer) -> str:
    return next(a.name for a in callee if isinstance(a, Api) and a.receiver == receiver)


def _is_mapped(atom: Atom) -> bool:
    match atom:
        case Transformed(transform="pmap"):
            return True
        case Transformed(function=inner) | Partial(function=inner):
            return _is_mapped(inner)
    return False


def _is_decorated(plan: Plan, function: FunctionNode) -> bool:
    decorators = plan.flow.decorators.get(function, frozenset())
    inner = {a.function if isinstance(a, Partial) else a for a in decorators}
    return External("jax.pmap") in inner or any(
        isinstance(a, Transformed) and a.transform == "pmap" for a in inner
    )
