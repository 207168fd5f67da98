"""Reductions over lists, which JAX took as arrays and takes no longer."""

from __future__ import annotations

import ast

from linenify.facts.arguments import as_given
from linenify.facts.callers import innermost
from linenify.facts.kinds import Array, Container, Parameter, Transformed
from linenify.facts.plan import Plan
from linenify.facts.sites import Added, Argument, Reordered, Reshaped
from linenify.project.scopes import FunctionNode
from linenify.project.source import Source

_REDUCTIONS = frozenset(
    {"all", "amax", "amin", "any", "argmax", "argmin", "average", "max", "mean", "median", "min"}
    | {"nanmax", "nanmean", "nanmin", "nansum", "prod", "ptp", "std", "sum", "var", "linalg.norm"}
)
_LISTS = ast.List | ast.ListComp | ast.Tuple
JAX, NUMPY = "jax.numpy.", "numpy."


def emit(plan: Plan, source: Source, call: ast.Call, path: str) -> None:
    """`jnp.mean([a, b])` is `jnp.mean(jnp.array([a, b]))`; `np.sum([a, b])`, too, of tracers."""
    if not call.args or isinstance(call.args[0], ast.Starred):
        return
    name = path.removeprefix(JAX).removeprefix(NUMPY)
    if name not in _REDUCTIONS or not _is_list(plan, call.args[0]):
        return
    if path.startswith(JAX):
        first, *rest = as_given(call)
        made = Added(None, "{jnp}.array({%d})" % first.index)
        arguments: list[Argument] = [made, *rest]
        plan.at(source, call, Reordered(tuple(arguments), "LN104"))
    elif len(call.args) == 1 and not call.keywords and _holds_tracers(plan, call):
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
