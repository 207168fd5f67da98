"""Partials in a list beside plain functions, each called once: instances are called alike.

layers = [nn.Dense.partial(features=4), nn.relu]  ->  [nn.Dense(features=4), nn.relu]
for layer in layers:
x = layer(x)
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from linenify.facts.ask.places import LOOPS
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Module
from linenify.facts.modules.binds import emit_bind
from linenify.facts.sites import ModuleCall
from linenify.project.nodes import walk
from linenify.project.source import Source


def as_instances(
    plan: Plan, source: Source, call: ast.Call, found: Sequence[Module], site: ModuleCall
) -> ModuleCall | None:
    """What a call of one of them becomes; None where instances would not do."""
    origins = {module.origin for module in found}
    if site.construct or not _is_of_each(plan, call):
        return None
    if not all(origin is not None and _is_used_here(plan, origin, call) for origin in origins):
        return None
    for origin in origins:
        assert origin is not None
        plan.promoted.add(origin)
        plan.forget(source, origin)
        callee = plan.flow.values.get(origin.func, frozenset())
        emit_bind(plan, source, origin, callee, "partial")
    return ModuleCall(None, site.call, rule="LN304")


def _is_of_each(plan: Plan, call: ast.Call) -> bool:
    """Whether a call is made once for each element of something."""
    loops = []
    for ancestor in plan.ancestors(call):
        if isinstance(ancestor, ast.FunctionDef | ast.Lambda):
            break
        if isinstance(ancestor, LOOPS):
            loops.append(ancestor)
    match loops, call.func:
        case [ast.For(target=ast.Name(id=target), iter=over)], ast.Name(id=name):
            return target == name and _is_plain(plan, over)
    return False


def _is_plain(plan: Plan, over: ast.expr) -> bool:
    """Whether a list holds each of its elements once, and is gone through once."""
    if isinstance(over, ast.List | ast.Tuple):
        return True
    code = plan.code(over)
    if code is None or not isinstance(over, ast.Name):
        return False
    stores = 0
    for node in walk(code.node):
        if not isinstance(node, ast.Name) or node.id != over.id or node is over:
            continue
        match plan.parents[node]:
            case ast.Assign(targets=[target], value=ast.List() | ast.Tuple()) if target is node:
                stores += 1
            case ast.Attribute(attr="append") as method:
                if not isinstance(plan.parents[method], ast.Call):
                    return False
            case _:
                return False
    return stores == 1


def _is_used_here(plan: Plan, origin: ast.Call, call: ast.Call) -> bool:
    """Whether a partial is made in the function of a call, and named nowhere but there."""
    if not isinstance(origin.func, ast.Attribute) or plan.code(origin) is not plan.code(call):
        return False
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    for node, value in plan.flow.values.items():
        if node is origin or not any(isinstance(a, Module) and a.origin is origin for a in value):
            continue
        if not (isinstance(node, ast.Name) and node.id == name):
            return False
        if isinstance(node.ctx, ast.Load) and node is not call.func:
            return False
    parent = plan.parents.get(origin)
    match parent:
        case ast.List() | ast.Tuple():
            return isinstance(plan.parents[parent], ast.Assign | ast.For)
        case ast.Call(func=ast.Attribute(attr="append"), args=[added]):
            return added is origin
    return False
