"""Which calls of legacy module classes are in Linen form: they make instances."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow.kinds import External, Module
from linenify.project.scopes import FunctionNode, Scope

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine

# What is asked of an instance right where it is made.
INSTANCE_API = frozenset(
    {"init", "init_with_output", "lazy_init", "apply", "bind", "clone", "tabulate", "copy"}
)


def notice_use(flow: Machine, call: ast.Call) -> None:
    """Remembers what `call` is the use of: `Inner(3)(x)` and `Inner(3).init(...)` make one."""
    match call.func:
        case ast.Call() as made:
            flow.made.add(made)
        case ast.Attribute(value=ast.Call() as made, attr=name) if name in INSTANCE_API:
            flow.made.add(made)


def is_linen_form(flow: Machine, module: Module, call: ast.Call, scope: Scope) -> bool:
    """Whether a call of a legacy module class makes an instance, as in Linen."""
    if module.method != "apply" or module.shared or module.receiver == "self":
        return False
    if isinstance(module.definition, str) and not _in_linen_class(flow, scope):
        return False
    return is_certain(flow, call, scope) or _lacks_inputs(flow, module, call)


def is_certain(flow: Machine, call: ast.Call, scope: Scope) -> bool:
    """Whether a call shows by its surroundings that it is in Linen form."""
    return call in flow.made or _in_linen_class(flow, scope)


def _in_linen_class(flow: Machine, scope: Scope) -> bool:
    for outer in scope.ancestors():
        if isinstance(outer.node, ast.ClassDef) and outer.node in flow.hierarchy.infos:
            return flow.hierarchy.is_linen(outer.node)
    return False


def _lacks_inputs(flow: Machine, module: Module, call: ast.Call) -> bool:
    """Whether parameters stay empty that legacy insists on: no legacy call does that."""
    function = flow.function_of(module)
    if function is None or any(isinstance(a, ast.Starred) for a in call.args):
        return False
    if any(keyword.arg is None for keyword in call.keywords):
        return False
    names = flow.positional_names(module)
    required = names[: len(names) - len(function.args.defaults)]
    given = {*names[: len(call.args)], *(k.arg for k in call.keywords), *module.bound}
    if _may_fill_in(flow, function):
        return False
    origin = module.origin
    if origin is not None and any(k.arg is None for k in origin.keywords):
        return False
    return not set(required) <= given


def _may_fill_in(flow: Machine, function: FunctionNode) -> bool:
    """Whether a decorator may give arguments that no caller gives, as configurations do."""
    decorators = getattr(function, "decorator_list", [])
    known = {External("flax.nn.module"), External("flax.nn.module_method")}
    return any(not known & flow.values.get(each, frozenset()) for each in decorators)
