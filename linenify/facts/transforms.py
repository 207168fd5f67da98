"""Modules under JAX transforms: what is safe as it stands, and what is not."""

from __future__ import annotations

import ast

from linenify.facts.arguments import Unclear, text
from linenify.facts.externals import transparent
from linenify.facts.kinds import Bound, Function, Module, ModuleApi, Partial, Value, modules
from linenify.facts.plan import Plan
from linenify.facts.sites import Added, Given, Reordered, Reshaped
from linenify.project.scopes import FunctionNode
from linenify.project.source import Source

_SCANS = {
    "jax.lax.scan": ("f", "init", "xs", "length", "reverse", "unroll"),
    "flax.jax_utils.scan_in_dim": ("body_fn", "init", "xs", "axis", "keepdims"),
}
_INERT = frozenset(
    {
        *("builtins.isinstance", "builtins.issubclass", "builtins.print", "builtins.repr"),
        *("builtins.str", "builtins.type", "builtins.getattr", "builtins.hasattr"),
        *("builtins.setattr", "builtins.callable", "builtins.dict", "builtins.list"),
        *("builtins.tuple", "builtins.zip", "builtins.enumerate", "builtins.len", "builtins.id"),
        *("builtins.reversed", "builtins.super", "functools.partial"),
    }
)


def emit(plan: Plan, source: Source, call: ast.Call, path: str) -> None:
    """Judges a call that hands a module to a function of another library."""
    values = [plan.flow.values.get(argument, frozenset()) for argument in call.args]
    values += [plan.flow.values.get(k.value, frozenset()) for k in call.keywords]
    if path == "flax.jax_utils.scan_in_dim":
        _keepdims_by_keyword(plan, source, call)
    handed = [module for value in values for module in modules(value)]
    if handed and path not in _INERT:
        _emit_handed(plan, source, call, path, handed)
        return
    if any(isinstance(a, ModuleApi) for value in values for a in value):
        raise Unclear("LN395", f"`{text(call.func)}` is handed a method of a module class")
    kind = transparent(path)
    if kind in {"scan", "map", "fori", "vmap", "checkpoint", "jit", "grad"} and values:
        _check_bodies(plan, call, values[0] if kind != "fori" else values[-2])


def _keepdims_by_keyword(plan: Plan, source: Source, call: ast.Call) -> None:
    names = _SCANS["flax.jax_utils.scan_in_dim"]
    if len(call.args) <= 4 or any(isinstance(a, ast.Starred) for a in call.args):
        return
    arguments = [
        Given(i, names[i] if i >= 4 else None) for i in range(min(len(call.args), len(names)))
    ]
    arguments += [
        Given(i, k.arg) for i, k in enumerate(call.keywords, len(call.args)) if k.arg is not None
    ]
    plan.at(source, call, Reordered(tuple(arguments), "LN308"))


def _emit_handed(
    plan: Plan, source: Source, call: ast.Call, path: str, handed: list[Module]
) -> None:
    kind = transparent(path)
    if kind == "scan" and path in _SCANS:
        scan = _scan_over_cell(plan, call, path, handed)
        if scan is not None:
            plan.at(source, call, scan)
            return
    if kind is not None:
        raise Unclear("LN394", f"`{text(call.func)}` runs a module")
    raise Unclear("LN395", f"`{text(call.func)}` is handed a module class")


def _scan_over_cell(
    plan: Plan, call: ast.Call, path: str, handed: list[Module]
) -> Reshaped | None:
    """`lax.scan(Cell.partial(...), carry, xs)`: the cell itself is the body."""
    from linenify.facts import recurrent

    if any(isinstance(a, ast.Starred) for a in call.args) or len(handed) != 1:
        return None
    names = _SCANS[path]
    places = dict(zip(names, range(len(call.args)), strict=False))
    for index, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg is None:
            return None
        places[keyword.arg] = index
    if not set(places) <= {"f", "body_fn", "init", "xs", "axis"} or len(places) < 3:
        return None
    body = places.get("f", places.get("body_fn"))
    if body is None:
        return None
    axis = None
    if "axis" in places:
        node = call.args[places["axis"]] if places["axis"] < len(call.args) else None
        node = node or call.keywords[places["axis"] - len(call.args)].value
        match node:
            case ast.Constant(value=int(axis)):
                pass
            case ast.Tuple(elts=[ast.Constant(value=int(axis))]):
                pass
            case _:
                return None
    return recurrent.scan(plan, call, handed[0], body, places["init"], places["xs"], axis)


# --- functions that call modules -------------------------------------------------------------


def _check_bodies(plan: Plan, call: ast.Call, value: Value) -> None:
    """A body that calls modules is safe once they own their parameters.

    That is so when the same body, or the instances it calls, also run outside
    the transform (the usual `if self.is_initializing(): body(...)`).
    """
    for atom in value:
        while isinstance(atom, Partial):
            atom = atom.function
        if not isinstance(atom, Function | Bound):
            continue
        called = _module_calls(plan, atom.node, set())
        if not called:
            continue
        if _runs_elsewhere(plan, atom.node, call):
            continue
        fresh = [c for c in called if not _warmed(plan, c, atom.node)]
        if fresh:
            raise Unclear("LN394", f"`{text(call.func)}` runs `{text(fresh[0].func)}` for the first time")


def _module_calls(plan: Plan, function: FunctionNode, seen: set[FunctionNode]) -> list[ast.Call]:
    if function in seen:
        return []
    seen.add(function)
    found = []
    body = function.body if isinstance(function.body, list) else [function.body]
    for statement in body:
        for node in ast.walk(statement):
            if not isinstance(node, ast.Call):
                continue
            callee = plan.flow.values.get(node.func, frozenset())
            if modules(callee):
                found.append(node)
            for atom in callee:
                if isinstance(atom, Function | Bound) and not isinstance(atom.node, ast.Lambda):
                    found.extend(_module_calls(plan, atom.node, seen))
    return found


def _runs_elsewhere(plan: Plan, function: FunctionNode, transform: ast.Call) -> bool:
    for call in plan.flow.where:
        if call is transform or not isinstance(call, ast.Call):
            continue
        callee = plan.flow.values.get(call.func, frozenset())
        if any(isinstance(a, Function | Bound) and a.node is function for a in callee):
            return True
    return False


def _warmed(plan: Plan, call: ast.Call, function: FunctionNode) -> bool:
    """Whether the instance that `call` runs also runs outside `function`."""
    callee = modules(plan.flow.values.get(call.func, frozenset()))
    inside = set(ast.walk(function))
    for module in callee:
        if not module.shared:
            return False
        others = [
            other
            for other in plan.flow.where
            if isinstance(other, ast.Call)
            and other not in inside
            and any(m.origin is module.origin for m in modules(plan.flow.values.get(other.func, frozenset())))
        ]
        if not others:
            return False
    return bool(callee)


__all__ = ["Added", "emit"]
