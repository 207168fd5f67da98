"""Models that are made, called and read in one function: an instance and its params."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from linenify.facts.ask.effects import effects
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import External, Model, Module, modules
from linenify.facts.modules.completing import missing
from linenify.facts.modules.modulecalls import split
from linenify.facts.modules.selfcalls import reachable_receiver
from linenify.facts.sites import Added, ModuleCall, Renamed, Reshaped, Unclear
from linenify.project.nodes import walk
from linenify.project.scopes import all_arguments
from linenify.project.source import Source


def emit_models(plan: Plan) -> None:
    """Models that are made, called and read in one function only."""
    for call, scope in list(plan.flow.where.items()):
        assert isinstance(call, ast.Call)
        if External("flax.nn.Model") not in plan.flow.values.get(call.func, frozenset()):
            continue
        try:
            _emit_model(plan, scope.source, call)
        except Unclear:
            continue  # the call itself is refused with all other training code


def _emit_model(plan: Plan, source: Source, call: ast.Call) -> None:
    statement = plan.parents.get(call)
    match statement, call:
        case ast.Assign(targets=[ast.Name() as target]), ast.Call(
            args=[definition, ast.Name() as params], keywords=[]
        ):
            pass
        case _:
            raise Unclear("LN690", "the Model is not assigned to a name")
    found = modules(plan.flow.values.get(definition, frozenset()))
    if len(found) != 1 or found[0].shared:
        raise Unclear("LN690", "the module of the Model is not known")
    module = found[0]
    touched = effects(plan, module)
    if touched.keys or touched.collections:
        raise Unclear("LN690", "the Model keeps state or draws keys")
    features = missing(plan, call, module)
    code = plan.code(call)
    if code is None or isinstance(code.node, ast.Lambda):
        raise Unclear("LN690", "the Model is global")
    mentions = [n for n in walk(code.node) if isinstance(n, ast.Name)]
    shadows = {a.arg for f in walk(code.node) if f is not code.node for a in _taken(f)}
    if {target.id, params.id} & shadows or any(isinstance(n.ctx, ast.Del) for n in mentions):
        raise Unclear("LN690", "the Model or its params end early")
    if any(_stores(mentions, name) > 1 for name in (target.id, params.id)):
        raise Unclear("LN690", "the Model changes")
    sites = [
        _use(plan, source, read, module, params.id)
        for read in mentions
        if read.id == target.id and isinstance(read.ctx, ast.Load)
    ]
    if reachable_receiver(plan, call) is not None:
        raise Unclear("LN690", "a Model inside a module")
    partial = module.origin in plan.promoted
    if isinstance(definition, ast.Call):
        partial = True
        plan.promoted.add(definition)
    plan.at(source, call, Reshaped("{0}" if partial else "{0}(%s)" % features, "LN311"))
    for node, site in sites:
        plan.at(source, node, site)


def _in_context(plan: Plan, node: ast.AST) -> bool:
    """Whether a legacy context is open where `node` stands."""
    for ancestor in plan.ancestors(node):
        if not isinstance(ancestor, ast.With):
            continue
        for item in ancestor.items:
            call = item.context_expr
            callee = plan.flow.values.get(getattr(call, "func", call), frozenset())
            if any(not isinstance(a, External) or a.path.startswith("flax.") for a in callee):
                return True
    return False


def _taken(node: ast.AST) -> list[ast.arg]:
    arguments = getattr(node, "args", None)
    return all_arguments(arguments) if isinstance(arguments, ast.arguments) else []


def _stores(mentions: Sequence[ast.Name], name: str) -> int:
    return sum(n.id == name and isinstance(n.ctx, ast.Store) for n in mentions)


def _use(
    plan: Plan, source: Source, read: ast.Name, module: Module, params: str
) -> tuple[ast.expr, ModuleCall | Renamed]:
    if _in_context(plan, read):
        raise Unclear("LN690", "the Model runs in a context")
    parent = plan.parents[read]
    grand = plan.parents.get(parent)
    variables = Added(None, "{'params': %s}" % params)
    if isinstance(parent, ast.Call) and parent.func is read:
        site = split(plan, source, parent, replace(module, shared=True))
        arguments = (variables, *site.call)
        return parent, ModuleCall(None, arguments, callee=f"{read.id}.apply", rule="LN311")
    if isinstance(parent, ast.Attribute) and parent.attr == "params":
        return parent, Renamed(params, "LN311")
    if isinstance(parent, ast.Attribute) and isinstance(grand, ast.Call) and grand.func is parent:
        found = plan.flow.values.get(parent, frozenset())
        methods = {a.method for a in found if isinstance(a, Model)}
        if methods == {parent.attr} and len(found) == 1:
            called = replace(module, shared=True, method=parent.attr)
            site = split(plan, source, grand, called)
            chosen = Added("method", repr(parent.attr))
            arguments = (variables, *site.call, chosen)
            return grand, ModuleCall(None, arguments, callee=f"{read.id}.apply", rule="LN311")
    raise Unclear("LN690", "the Model travels")
