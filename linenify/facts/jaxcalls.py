"""Calls of JAX functions that are gone and whose replacement looks otherwise."""

from __future__ import annotations

import ast

from linenify.facts.arguments import Unclear, as_given, text
from linenify.facts.kinds import External
from linenify.facts.plan import Plan
from linenify.facts.rendering import repeated_or_unclear
from linenify.facts.sites import Given, Reordered, Reshaped
from linenify.project.source import Source

_UPDATES = {
    "jax.ops.index_update": "set",
    "jax.ops.index_add": "add",
    "jax.ops.index_mul": "multiply",
    "jax.ops.index_min": "min",
    "jax.ops.index_max": "max",
}
TIE_IN = "jax.lax.tie_in"


def is_gone(path: str) -> bool:
    """Whether `emit` has something to say about a function."""
    return path in _UPDATES or path == TIE_IN


def emit(plan: Plan, source: Source, call: ast.Call, path: str) -> None:
    """`index_update(x, jax.ops.index[i], y)` becomes `x.at[i].set(y)`; `tie_in(x, y)`, `y`."""
    if call.keywords or any(isinstance(a, ast.Starred) for a in call.args):
        raise Unclear("LN191", f"the arguments of `{text(call.func)}` are not spelled out")
    if path == TIE_IN and len(call.args) == 2:
        plan.at(source, call, Reshaped("{1}", "LN104"))
        return
    if path not in _UPDATES or len(call.args) != 3:
        raise Unclear("LN191", f"the arguments of `{text(call.func)}` are not spelled out")
    index = _index(plan, call.args[1])
    plan.at(source, call, Reshaped("{0}.at[%s].%s({2})" % (index, _UPDATES[path]), "LN104"))


# Keywords that are called differently now; by position nothing changes.
_KEYWORDS = {
    "jax.numpy.clip": {"a_min": "min", "a_max": "max"},
    "jax.numpy.reshape": {"newshape": "shape"},
}


def emit_keywords(plan: Plan, source: Source, call: ast.Call, path: str) -> None:
    """`jnp.clip(x, a_max=1)` is `jnp.clip(x, max=1)`."""
    renamed = _KEYWORDS.get(path, {})
    if not any(keyword.arg in renamed for keyword in call.keywords):
        return
    arguments = tuple(
        Given(a.index, renamed.get(a.keyword or "", a.keyword)) for a in as_given(call)
    )
    plan.at(source, call, Reordered(arguments, "LN104"))


def _index(plan: Plan, node: ast.expr) -> str:
    """What stands between the brackets of `jax.ops.index[...]`, or the index itself."""
    match node:
        case ast.Subscript(value=value) if External("jax.ops.index") in plan.flow.values.get(
            value, frozenset()
        ):
            return _spelt_index(plan, node.slice)
    return "{1}"


def _spelt_index(plan: Plan, node: ast.expr) -> str:
    match node:
        case ast.Tuple(elts=elements) if elements and node.col_offset == elements[0].col_offset:
            return ", ".join(_spelt_index(plan, each) for each in elements) + "," * (
                len(elements) == 1
            )
        case ast.Slice(lower=lower, upper=upper, step=step):
            parts = [_spelt_index(plan, each) if each else "" for each in (lower, upper)]
            return ":".join([*parts, _spelt_index(plan, step)] if step else parts)
    return repeated_or_unclear(plan, plan.source(node), node, "LN191")
