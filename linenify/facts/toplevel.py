"""Initialising and running modules where it all happens in one function.

`M.init`, `M.call` and a Model that never leaves its function need no knowledge
of callers.  Whatever travels further is training code, and refused here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from linenify.facts import arrays, catalogue, recurrent
from linenify.facts.arguments import Unclear, text
from linenify.facts.kinds import External, Model, Module, Static, modules
from linenify.facts.plan import Plan
from linenify.facts.selfcalls import reachable_receiver
from linenify.facts.sites import (
    Added,
    Argument,
    Given,
    ModuleCall,
    Renamed,
    Reshaped,
    StatementSite,
)
from linenify.facts.transforms import draws
from linenify.project.source import Source

Split = Callable[[Plan, Source, ast.Call, Module], ModuleCall]
_HOLE = re.compile(r"\{(\d+)\}")


# --- init and call ---------------------------------------------------------------------------


def emit(
    plan: Plan, source: Source, call: ast.Call, module: Module, name: str, split: Split
) -> None:
    """`M.init(...)`, `M.init_by_shape(...)` and `M.call(...)`."""
    if name not in {"init", "init_by_shape", "call"} or module.shared:
        raise Unclear("LN690", f"`{text(call.func)}(...)` belongs to training code")
    _check_pure(plan, call, module)
    if not call.args or any(isinstance(a, ast.Starred) for a in call.args[:1]):
        raise Unclear("LN690", f"`{text(call.func)}` is called without its first argument")
    if any(k.arg == "name" for k in call.keywords):
        raise Unclear("LN690", f"`{text(call.func)}` names the outermost module")
    if name == "init_by_shape":
        construct, inputs = _by_shape(plan, source, call, module, split)
    else:
        site = split(plan, source, _rest(call), module)
        assert site.construct is not None
        construct = tuple(_shifted(a, 1) for a in site.construct)
        inputs = tuple(_shifted(a, 1) for a in site.call)
    if reachable_receiver(plan, call) is not None:
        construct = (*construct, Added("parent", "None"))
    if name == "call":
        variables = Added(None, "{'params': {0}}")
        plan.at(source, call, _method(construct, (variables, *inputs), "apply"))
        return
    method = _emit_targets(plan, source, call)
    plan.at(source, call, _method(construct, (Given(0), *inputs), method))


def _method(construct: Sequence[Argument], inputs: Sequence[Argument], method: str) -> ModuleCall:
    return ModuleCall(tuple(construct), tuple(inputs), rule="LN310", method=method)


def _rest(call: ast.Call) -> ast.Call:
    """The call of the module that `init` and `call` make, without the first argument."""
    return ast.copy_location(ast.Call(call.func, call.args[1:], call.keywords), call)


def _shifted(argument: Argument, by: int) -> Argument:
    if isinstance(argument, Given):
        return replace(argument, index=argument.index + by)
    moved = _HOLE.sub(lambda match: "{%d}" % (int(match[1]) + by), argument.code)
    return replace(argument, code=moved)


def _by_shape(
    plan: Plan, source: Source, call: ast.Call, module: Module, split: Split
) -> tuple[tuple[Argument, ...], tuple[Argument, ...]]:
    if len(call.args) != 2:
        raise Unclear("LN690", f"`{text(call.func)}` gets its specs in another way")
    specs = call.args[1]
    if not isinstance(specs, ast.List | ast.Tuple):
        raise Unclear("LN690", f"the specs of `{text(call.func)}` are not spelled out")
    ones = [_ones(plan, spec) for spec in specs.elts]
    bare = ast.copy_location(ast.Call(call.func, [], call.keywords), call)
    site = split(plan, source, bare, module)
    assert site.construct is not None
    construct = tuple(_shifted(a, 2) for a in site.construct)
    given = tuple(_shifted(a, 2) for a in site.call)
    return construct, (*(Added(None, each) for each in ones), *given)


def _ones(plan: Plan, spec: ast.expr) -> str:
    from linenify.facts.recurrent import migrated_text

    match spec:
        case ast.Tuple(elts=[shape, dtype]) if isinstance(shape, ast.Tuple) or _is_dtype(
            plan, dtype
        ):
            return "{jnp}.ones(%s, %s)" % (migrated_text(plan, shape), migrated_text(plan, dtype))
        case ast.Tuple(elts=elements) if all(isinstance(e, ast.Constant) for e in elements):
            return "{jnp}.ones(%s)" % migrated_text(plan, spec)
    raise Unclear("LN690", "a spec of `init_by_shape` is not spelled out")


def _is_dtype(plan: Plan, node: ast.expr) -> bool:
    return any(
        (isinstance(a, External) and arrays.constant(a.path) == "dtype")
        or (isinstance(a, Static) and a.type == "dtype")
        for a in plan.flow.values.get(node, frozenset())
    )


def _emit_targets(plan: Plan, source: Source, call: ast.Call) -> str:
    """What the pair of output and params is assigned to; gives the method to call."""
    statement = plan.parents.get(call)
    match statement:
        case ast.Expr():
            return "init"
        case ast.Assign(targets=[ast.Tuple(elts=[outputs, ast.Name() as params])]):
            pass
        case _:
            raise Unclear("LN690", f"the result of `{text(call.func)}` is not taken apart here")
    if not _is_read(plan, params):
        return "init_with_output"
    lines: tuple[str, ...] = (f"{params.id} = {{value}}['params']",)
    method = "init"
    named = [n for n in ast.walk(outputs) if isinstance(n, ast.Name)]
    if not isinstance(outputs, ast.Name) or any(_is_read(plan, n) for n in named):
        name = "variables" if _is_free(plan, call, "variables") else f"{params.id}_variables"
        shown = ast.unparse(outputs)
        lines = (f"{shown}, {name} = {{value}}", f"{params.id} = {name}['params']")
        method = "init_with_output"
    plan.files[source.name].statements[statement.lineno] = StatementSite("LN310", lines=lines)
    return method


def _is_read(plan: Plan, target: ast.Name) -> bool:
    code = plan.code(target)
    body: ast.AST | None = code.node if code is not None else None
    if body is None:
        body = next(a for a in reversed([*plan.ancestors(target)]))
    return any(
        isinstance(n, ast.Name) and n.id == target.id and isinstance(n.ctx, ast.Load)
        for n in ast.walk(body)
    )


def _is_free(plan: Plan, place: ast.AST, name: str) -> bool:
    code = plan.code(place)
    top: ast.AST = code.node if code is not None else next(reversed([*plan.ancestors(place)]))
    return not any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(top))


def _check_pure(plan: Plan, call: ast.Call, module: Module) -> None:
    function = plan.flow.function_of(module)
    if function is None:
        layer = module.definition if isinstance(module.definition, str) else None
        known = catalogue.layer(layer) if layer is not None else None
        rate = "dropout_rate" in module.bound or any(k.arg == "dropout_rate" for k in call.keywords)
        if known is None or known.name == "BatchNorm" or rate:
            raise Unclear("LN690", f"`{text(call.func)}` keeps state or draws keys")
        return
    if draws(plan, function, set()):
        raise Unclear("LN690", f"`{text(call.func)}` keeps state or draws keys")


# --- Models ----------------------------------------------------------------------------------


def emit_models(plan: Plan, split: Split) -> None:
    """Models that are made, called and read in one function only."""
    for call, scope in list(plan.flow.where.items()):
        assert isinstance(call, ast.Call)
        if External("flax.nn.Model") not in plan.flow.values.get(call.func, frozenset()):
            continue
        try:
            _emit_model(plan, scope.source, call, split)
        except Unclear:
            continue  # the call itself is refused with all other training code


def _emit_model(plan: Plan, source: Source, call: ast.Call, split: Split) -> None:
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
    _check_pure(plan, call, module)
    features = _missing(plan, call, module)
    code = plan.code(call)
    if code is None or isinstance(code.node, ast.Lambda):
        raise Unclear("LN690", "the Model is global")
    mentions = [n for n in ast.walk(code.node) if isinstance(n, ast.Name)]
    if any(_stores(mentions, name) > 1 for name in (target.id, params.id)):
        raise Unclear("LN690", "the Model changes")
    sites = [
        _use(plan, source, read, module, params.id, split)
        for read in mentions
        if read.id == target.id and isinstance(read.ctx, ast.Load)
    ]
    if reachable_receiver(plan, call) is not None:
        raise Unclear("LN690", "a Model inside a module")
    partial = isinstance(definition, ast.Call)
    if partial:
        assert isinstance(definition, ast.Call)
        plan.promoted.add(definition)
    plan.at(source, call, Reshaped("{0}" if partial else "{0}(%s)" % features, "LN311"))
    for node, site in sites:
        plan.at(source, node, site)


def _missing(plan: Plan, call: ast.Call, module: Module) -> str:
    """What an instance needs besides what is bound, as text."""
    if isinstance(module.definition, str):
        layer = catalogue.layer(module.definition)
        assert layer is not None
        needed = {
            a.name
            for a in layer.arguments
            if a.slot is catalogue.Slot.FIELD and a.default is None and a.name not in module.bound
        }
        size = recurrent.hidden_size(plan, call) if layer.derived else None
        if needed or (layer.derived and (size is None or module.bound)):
            raise Unclear("LN690", f"`{text(call)}` gets its hyper-parameters elsewhere")
        return f"features={size}" if size is not None else ""
    known = plan.classes.get(module.definition)
    if known is None or known.refused is not None:
        raise Unclear("LN398", f"`{text(call)}` is of a class that was not migrated")
    bound = {known.renamed.get(name, name) for name in module.bound}
    if any(name not in known.defaulted and name not in bound for name in known.order):
        raise Unclear("LN690", f"`{text(call)}` gets its hyper-parameters elsewhere")
    return ""


def _stores(mentions: Sequence[ast.Name], name: str) -> int:
    return sum(n.id == name and isinstance(n.ctx, ast.Store) for n in mentions)


def _use(
    plan: Plan, source: Source, read: ast.Name, module: Module, params: str, split: Split
) -> tuple[ast.expr, ModuleCall | Renamed]:
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
