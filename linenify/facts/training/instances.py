"""Partials outside of modules that nobody completes: Linen has instances for them.

`module = Net.partial(width=3)` that is only initialised, run or made a Model of
is `module = Net(width=3)`, wherever it travels.
"""

from __future__ import annotations

import ast

from linenify.facts.ask.arguments import fill, in_module_code
from linenify.facts.ask.effects import RUNS
from linenify.facts.ask.parameters import Role
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow import lookup
from linenify.facts.flow.kinds import (
    Bound,
    Class,
    External,
    Function,
    Instance,
    Module,
    ModuleApi,
    Partial,
    Transformed,
    modules,
)
from linenify.facts.modules.completing import missing
from linenify.facts.modules.decorated import is_configured
from linenify.facts.sites import Unclear

_RUNS_ITS_ARGUMENTS = (Function, Bound, Class, Instance, Partial, Transformed)


def promote_partials(plan: Plan) -> None:
    """Marks the partials that become instances."""
    found: dict[ast.Call, Module] = {}
    spoilt: set[ast.Call] = set()
    run: set[ast.Call] = set()
    meetings: list[set[ast.Call | None]] = []
    known: dict[Module, ast.Call | None] = {}
    for node, value in plan.flow.values.items():
        # The module of a Model is an instance in any case.
        here = [m for m in modules(value) if m.receiver != "model"]
        if not here or not isinstance(node, ast.expr):
            continue
        for module in here:
            if module not in known:
                known[module] = _origin(plan, module)
        meetings.append({known[module] for module in here})
        for module in here:
            origin = known[module]
            if origin is None:
                continue
            found[origin] = module
            if not _may_travel(plan, node, module):
                spoilt.add(origin)
            elif _is_run(plan, node):
                run.add(origin)
    spoilt |= {origin for origin, module in found.items() if not _is_complete(plan, origin, module)}
    while True:
        fresh = {
            origin
            for origins in meetings
            if None in origins or origins & spoilt
            for origin in origins
            if origin is not None and origin not in spoilt
        }
        if not fresh:
            break
        spoilt |= fresh
    plan.promoted |= (found.keys() & run) - spoilt


def _origin(plan: Plan, module: Module) -> ast.Call | None:
    """The partial that made a module class, when it is of a class of the project."""
    plain = (
        not module.shared and module.receiver == "" and isinstance(module.definition, ast.ClassDef)
    )
    origin = module.origin if plain else None
    if origin is None or not isinstance(origin.func, ast.Attribute):
        return None
    inner = modules(plan.flow.values.get(origin.func.value, frozenset()))
    direct = bool(inner) and all(m.origin is None for m in inner)
    return origin if direct and not in_module_code(plan, origin) else None


def _is_complete(plan: Plan, origin: ast.Call, module: Module) -> bool:
    """Whether the partial binds all that an instance needs."""
    if plan.code(origin) is None and is_configured(plan, module.definition):
        return False  # what is to be read from a configuration is not known at import
    try:
        return missing(plan, origin, module) == "" and not _in_class(plan, origin)
    except Unclear:
        return False


def _in_class(plan: Plan, origin: ast.Call) -> bool:
    return isinstance(plan.parents.get(plan.statement(origin)), ast.ClassDef)


def _may_travel(plan: Plan, node: ast.expr, module: Module) -> bool:
    """Whether an instance can stand where a partial does."""
    parent = plan.parents.get(node)
    match parent:
        case ast.Call(func=func) if func is node:
            return False
        case ast.Call():
            callee = plan.flow.values.get(parent.func, frozenset())
            return bool(callee) and all(
                isinstance(a, _RUNS_ITS_ARGUMENTS) or a == External("flax.nn.Model") for a in callee
            )
        case ast.keyword():
            outer = plan.parents[parent]
            if not isinstance(outer, ast.Call):
                return False
            callee = plan.flow.values.get(outer.func, frozenset())
            return bool(callee) and all(
                isinstance(a, _RUNS_ITS_ARGUMENTS) or a == External("flax.nn.Model") for a in callee
            )
        case ast.Attribute(attr=name):
            if name not in RUNS:
                return _belongs_to_class(plan, module, name)
            call = plan.parents.get(parent)
            if not isinstance(call, ast.Call) or call.func is not parent:
                return False
            return only_inputs(plan, call, module)
        case ast.Compare() | ast.Starred() | ast.Subscript():
            return False
    return True


def _belongs_to_class(plan: Plan, module: Module, name: str) -> bool:
    """Whether an instance gives what its class does: a static method, or an attribute."""
    reached = lookup.module_attribute(plan.flow, module, name)
    return bool(reached) and not any(
        isinstance(a, Module | ModuleApi) or (isinstance(a, Bound) and a.drops_first)
        for a in reached
    )


def _is_run(plan: Plan, node: ast.expr) -> bool:
    """Whether a module class is initialised, run or made a Model of here."""
    parent = plan.parents.get(node)
    if isinstance(parent, ast.Attribute):
        return parent.attr in RUNS
    call = plan.parents.get(parent) if isinstance(parent, ast.keyword) else parent
    if not isinstance(call, ast.Call):
        return False
    return External("flax.nn.Model") in plan.flow.values.get(call.func, frozenset())


def only_inputs(plan: Plan, call: ast.Call, module: Module) -> bool:
    """Whether a run gives nothing that an instance would have to know before."""
    function = plan.flow.function_of(module)
    if function is None:
        return False
    by_shape = isinstance(call.func, ast.Attribute) and call.func.attr.endswith("_by_shape")
    rest = call.args[2:] if by_shape else call.args[1:]
    bare = ast.copy_location(ast.Call(call.func, rest, _inputs(call)), call)
    try:
        filled = fill(plan, bare, module)
    except Unclear:
        return False
    return all(f.name is not None and plan.role(function, f.name) is Role.INPUT for f in filled)


def _inputs(call: ast.Call) -> list[ast.keyword]:
    return [k for k in call.keywords if k.arg != "input_specs"]
