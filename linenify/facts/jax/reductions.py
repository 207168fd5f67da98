"""Reductions of NumPy over lists of traced values, which it took as arrays."""

from __future__ import annotations

import ast

from linenify.facts.ask.callers import innermost
from linenify.facts.ask.spelt import certain
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Array, Container, Parameter, Transformed
from linenify.facts.sites import Reshaped
from linenify.project.scopes import FunctionNode
from linenify.project.source import Source

REDUCTIONS = frozenset(
    {"all", "amax", "amin", "any", "argmax", "argmin", "average", "max", "mean", "median", "min"}
    | {"nanmax", "nanmean", "nanmin", "nansum", "prod", "ptp", "std", "sum", "var", "linalg.norm"}
)
_LISTS = ast.List | ast.ListComp | ast.Tuple
NUMPY = "numpy."


def emit(plan: Plan, source: Source, call: ast.Call, path: str) -> None:
    """`np.sum([a, b])` is `jnp.sum(jnp.array([a, b]))` where JAX traces what is in it."""
    if len(call.args) != 1 or call.keywords or isinstance(call.args[0], ast.Starred):
        return
    name = path.removeprefix(NUMPY)
    if name not in REDUCTIONS or certain(plan, call.func) != path:
        return
    if _is_list(plan, call.args[0]) and _holds_tracers(plan, call):
        template = "{jnp}.%s({jnp}.array({0}))" % name
        plan.at(source, call, Reshaped(template, "LN104"))


def _is_list(plan: Plan, node: ast.expr) -> bool:
    """Whether a value can be nothing but a list or a tuple."""
    if isinstance(node, _LISTS):
        return True
    value = plan.flow.values.get(node, frozenset())
    held = [a for a in value if not isinstance(a, Parameter)]
    return bool(held) and all(isinstance(a, Container) and isinstance(a.node, _LISTS) for a in held)


def _holds_tracers(plan: Plan, call: ast.Call) -> bool:
    """Whether a list of arrays stands in a function that JAX traces."""
    value = plan.flow.values.get(call.args[0], frozenset())
    items = plan.flow.iterate(frozenset(a for a in value if isinstance(a, Container)))
    code = plan.code(call)
    if code is None or not any(isinstance(a, Array) for a in items):
        return False
    return _is_traced(plan, code.node, set())


def _is_traced(plan: Plan, function: FunctionNode, seen: set[FunctionNode]) -> bool:
    """Whether a function, one around it or a caller of it is under a JAX transform."""
    if function in seen:
        return False
    seen.add(function)
    transformed = {
        innermost(atom)
        for value in plan.flow.values.values()
        for atom in value
        if isinstance(atom, Transformed)
    }
    around = [a for a in plan.ancestors(function) if isinstance(a, FunctionNode)]
    if function in transformed:
        return True
    callers = [c for c in plan.flow.code[function].callers if c is not None]
    return any(_is_traced(plan, other, seen) for other in [*around, *callers])
