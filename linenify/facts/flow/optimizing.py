"""What the methods of a legacy optimizer give."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow import higher, operators
from linenify.facts.flow.kinds import ARRAY, NOTHING, Container, Optimizer, OptimizerDef, Value

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine


def call(
    flow: Machine,
    receiver: Optimizer,
    created: ast.Call,
    name: str,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """A call of a method of an optimizer."""
    itself: Value = frozenset({receiver})
    table = dict(keywords)
    match name:
        case "apply_gradient":
            return itself
        case "replace":
            flow.join(flow.items, (created, "target"), table.get("target", NOTHING))
            return itself
        case "replicate" | "unreplicate":
            return frozenset({Optimizer(created, replicated=name == "replicate")})
        case "restore_state":
            return itself
        case "compute_gradient" | "compute_gradients" | "optimize":
            function = positional[0] if positional else table.get("loss_fn", NOTHING)
            return _differentiated(flow, itself, created, name, node, function)
    return NOTHING


def _differentiated(
    flow: Machine,
    itself: Value,
    created: ast.Call,
    name: str,
    node: ast.Call,
    function: Value,
) -> Value:
    """`(loss, grads)` or `(loss, aux, grads)`; `optimize` gives itself first, no grads."""
    scope = flow.where[node]
    target = flow.items.get((created, "target"), NOTHING)
    result = flow.call_value(function, [target], node, scope)
    pairs = frozenset(a for a in result if isinstance(a, Container))
    grads = higher.gradient(target)
    parts = [flow.item(pairs, 0), flow.item(pairs, 1)] if pairs else [ARRAY]
    parts = [itself, *parts] if name == "optimize" else [*parts, grads]
    return operators.make(flow, node, "tuple", parts)


def definitions(flow: Machine, optimizer: Optimizer) -> list[OptimizerDef]:
    """The definitions that an optimizer may have been created from."""
    value = flow.items.get((optimizer.created, "definition"), NOTHING)
    found = [atom for atom in value if isinstance(atom, OptimizerDef)]
    return sorted(found, key=lambda each: (each.node.lineno, each.node.col_offset))


def inner(flow: Machine, definition: OptimizerDef) -> list[OptimizerDef]:
    """The definitions that a MultiOptimizer or WeightNorm was made from."""
    found: list[OptimizerDef] = []
    for place in range(len(definition.node.args)):
        value = flow.items.get((definition.node, place), NOTHING)
        value |= flow.item(frozenset(a for a in value if isinstance(a, Container)), 1)
        found += [atom for atom in value if isinstance(atom, OptimizerDef)]
    return found
