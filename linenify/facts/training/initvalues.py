"""`jax.jit(Net.init)`: an initialisation that a transform is given, and the calls of it.

In Linen it is the method of an instance; a call gives variables in place of the pair of
output and params, so that the statement around it changes, too.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence

from linenify.facts.ask.arguments import text
from linenify.facts.ask.effects import effects, joined
from linenify.facts.ask.places import home
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import External, ModuleApi
from linenify.facts.legacy.externals import transparent
from linenify.facts.modules.completing import missing
from linenify.facts.sites import Unclear, Wrapped
from linenify.facts.training.instances import only_inputs
from linenify.facts.training.toplevel import emit_targets
from linenify.project.nodes import walk
from linenify.project.scopes import all_arguments

_MAPS = frozenset({"jit", "pmap", "vmap"})
_WHY = "travels as a value, and gives its params elsewhere"


def calls_of(
    plan: Plan,
    node: ast.Attribute,
    named: Mapping[ast.Attribute, set[ModuleApi]],
    calls: Mapping[ast.Call, set[ModuleApi]],
) -> list[ast.Call]:
    """The calls that run a value, when nothing but a transform is given it; else none."""
    outer = plan.parents.get(node)
    if not isinstance(outer, ast.Call) or outer.args[:1] != [node]:
        return []
    callee = plan.flow.values.get(outer.func, frozenset())
    paths = [a.path for a in callee if isinstance(a, External)]
    if len(paths) != 1 or len(callee) != 1 or transparent(paths[0]) not in _MAPS:
        return []
    called_here = {call.func: call for call in calls}
    if outer in called_here:
        return [called_here[outer]]
    return _by_name(plan, outer, [c for c, apis in calls.items() if apis & named[node]])


def _by_name(plan: Plan, made: ast.Call, calls: Collection[ast.Call]) -> list[ast.Call]:
    """The calls of a local variable that is nothing but what a transform has made."""
    match plan.parents.get(made):
        case ast.Assign(targets=[ast.Name(id=name)]):
            around = home(plan, made)
        case _:
            return []
    if not isinstance(around, ast.FunctionDef) or name in {
        a.arg for a in all_arguments(around.args)
    }:
        return []
    uses = [n for n in walk(around) if isinstance(n, ast.Name) and n.id == name]
    reads = [n for n in uses if isinstance(n.ctx, ast.Load)]
    found = [call for call in calls if call.func in reads]
    alone = len(uses) - len(reads) == 1 and len(found) == len(reads)
    return found if alone and all(home(plan, call) is around for call in found) else []


def emit(
    plan: Plan, node: ast.Attribute, apis: Collection[ModuleApi], calls: Sequence[ast.Call]
) -> None:
    """Decides an initialisation that is a value, and the statement that takes its pair.

    Raises:
        Unclear: it keeps state, is not complete, or its pair goes elsewhere.
    """
    shown = text(node)
    if any(api.name != "init" for api in apis) or len(plan.flow.values[node]) != len(apis):
        raise Unclear("LN699", f"`{shown}` {_WHY}")
    if not isinstance(node.value, ast.Name | ast.Attribute):
        raise Unclear("LN699", f"`{shown}` is taken off a class that is made in place")
    for api in apis:
        touched = joined([effects(plan, api.module)])
        if api.module.shared or touched.keys or touched.collections:
            raise Unclear("LN699", f"`{shown}` travels as a value, and keeps state or draws keys")
        if any(missing(plan, c, api.module) or not only_inputs(plan, c, api.module) for c in calls):
            raise Unclear("LN699", f"`{shown}` travels as a value without its hyper-parameters")
    around = [plan.parents.get(call) for call in calls]
    if not all(call.args for call in calls) or not all(
        isinstance(each, ast.Assign | ast.Return) for each in around
    ):
        raise Unclear("LN699", f"`{shown}` {_WHY}")
    made = all(plan.is_instance(api.module) for api in apis)
    methods = {emit_targets(plan, plan.source(call), call, None) for call in calls}
    if len(methods) != 1 or not methods <= {"init", "init_with_output"}:
        for call in calls:
            plan.files[plan.source(call).name].statements.pop(plan.statement(call).lineno, None)
        raise Unclear("LN699", f"`{shown}` {_WHY}")
    owner = "{owner}" if made else "{owner}()"
    plan.at(plan.source(node), node, Wrapped(f"{owner}.{methods.pop()}", "LN310"))
