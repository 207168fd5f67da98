"""Params of half precision or of integers, whose dtype optax keeps.

A legacy step gave `param - rate * grad` whatever dtype that has: params of
`bfloat16` became `float32` by gradients of `float32`.  optax casts the step to
the dtype of the param.
"""

from __future__ import annotations

import ast

from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import (
    Container,
    External,
    Function,
    Model,
    OptimizerDef,
    Params,
    Value,
)
from linenify.project.nodes import walk
from linenify.project.source import Source

_NARROW = frozenset(
    {"bfloat16", "float16", "half"}
    | {f"{sign}int{width}" for sign in ("", "u") for width in (8, 16, 32)}
)


def check_initializer(plan: Plan, source: Source, call: ast.Call, initializer: ast.expr) -> None:
    """Says so where `self.param` makes params that are no `float32`."""
    dtype = _dtype(plan, [initializer, *_bodies(plan, initializer)])
    if dtype is not None and _optimizes(plan):
        plan.notice(source, call, "LN809", _said(dtype))


def check_cast(plan: Plan, source: Source, call: ast.Call, path: str) -> None:
    """Says so where `tree_map` casts params."""
    if not path.endswith(("tree_map", "tree_multimap", "tree.map")) or len(call.args) < 2:
        return
    dtype = _dtype(plan, _bodies(plan, call.args[0]))
    given = frozenset(a for n in call.args[1:] for a in plan.flow.values.get(n, frozenset()))
    if dtype is not None and _are_params(plan, given) and _optimizes(plan):
        plan.notice(source, call, "LN809", _said(dtype))


def _said(dtype: str) -> str:
    return (
        f"Params of `{dtype}` took the dtype of wider gradients in a legacy step; "
        "optax casts the step back."
    )


def _are_params(plan: Plan, value: Value) -> bool:
    held = frozenset(a for a in value if isinstance(a, Container))
    every = value | plan.flow.iterate(held) if held else value
    return any(isinstance(a, Params) or (isinstance(a, Model) and not a.gradient) for a in every)


def _bodies(plan: Plan, node: ast.expr) -> list[ast.AST]:
    """The functions of the project that an expression may be."""
    value = plan.flow.values.get(node, frozenset())
    return [a.node for a in value if isinstance(a, Function)]


def _dtype(plan: Plan, nodes: list[ast.AST] | list[ast.expr | ast.AST]) -> str | None:
    """A narrow dtype that is named somewhere in the nodes."""
    for part in (part for node in nodes for part in walk(node)):
        if isinstance(part, ast.Name | ast.Attribute):
            for atom in plan.flow.values.get(part, frozenset()):
                if isinstance(atom, External) and atom.path.rpartition(".")[2] in _NARROW:
                    return atom.path.rpartition(".")[2]
        elif isinstance(part, ast.Constant) and part.value in _NARROW:
            return str(part.value)
    return None


def _optimizes(plan: Plan) -> bool:
    return any(isinstance(a, OptimizerDef) for v in plan.flow.values.values() for a in v)
