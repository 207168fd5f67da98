"""`.partial`, `.shared` and `functools.partial`: arguments bound to a module class."""

from __future__ import annotations

import ast

from linenify.facts.ask.arguments import Filled, as_given, splat_keys, text
from linenify.facts.ask.parameters import Role
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import (
    Bound,
    Class,
    External,
    Function,
    Module,
    ModuleApi,
    Partial,
    Value,
    modules,
)
from linenify.facts.legacy import catalogue
from linenify.facts.legacy.catalogue import Slot
from linenify.facts.modules import attention, initializers, recurrent
from linenify.facts.modules.layers import check_migrated, is_absent, layer_of, widen_initializers
from linenify.facts.modules.members import (
    called_in_sight,
    called_locally,
    extra_fields,
    extra_keyword,
    field_argument,
    passed_on,
    receiver_of,
    runnable,
)
from linenify.facts.modules.splats import given_by_splats, layer_splat_keys
from linenify.facts.sites import (
    Added,
    Argument,
    Bind,
    Given,
    Reordered,
    Unclear,
)
from linenify.project.nodes import walk
from linenify.project.source import Source


def emit_bind(plan: Plan, source: Source, call: ast.Call, callee: Value, operation: str) -> None:
    """Decides `.partial(...)` and `.shared(...)`."""
    found = [a.module for a in callee if isinstance(a, ModuleApi)]
    others = [a for a in callee if isinstance(a, Function | Bound | Class)]
    if others:
        raise Unclear("LN392", f"`{text(call.func)}` may belong to something else")
    sites = {_bind(plan, call, module, operation) for module in runnable(plan, found)}
    if len(sites) != 1:
        why = f"`{text(call.func)}` may be classes with different arguments"
        raise Unclear("LN390", why, about=call.func)
    plan.at(source, call, sites.pop())


def _bind(plan: Plan, call: ast.Call, module: Module, operation: str) -> Bind:
    check_migrated(plan, call, module)
    instance = operation == "shared" or call in plan.promoted
    rule = "LN303" if instance else "LN302"
    arguments: list[Argument] = []
    function = plan.flow.function_of(module)
    layer = layer_of(plan, module) if function is None else None
    given = {k.arg for k in call.keywords}
    handed_on = {
        name
        for index, keyword in enumerate(call.keywords)
        if keyword.arg is None
        for name in passed_on(plan, call, Filled(index, None, keyword.value, False, "**")) or ()
    }
    extras: list[str] = []
    for index, keyword in enumerate(call.keywords):
        entry = Filled(index, keyword.arg, keyword.value, False, "" if keyword.arg else "**")
        if function is not None and _goes_open(plan, module, function, entry):
            extras.append(f"{entry.name}={{{index}}}")
            continue
        arguments.extend(_bound_argument(plan, call, module, layer, function, entry))
    if function is not None:
        assert not isinstance(module.definition, str)
        class_plan = plan.classes[module.definition]
        arguments.extend(extra_fields(plan, function, class_plan, module, extras))
    if layer is not None and module.origin is None:
        for name, value in layer.required:
            if name in given or (instance and _passed_later(plan, call, name)):
                continue
            if given_by_splats(plan, call.keywords, name) or name in handed_on:
                continue
            arguments.append(Added(name, value))
    if layer is not None:
        for trigger, name, value in layer.required_with:
            asked = trigger in given or given_by_splats(plan, call.keywords, trigger)
            known = name in given or given_by_splats(plan, call.keywords, name)
            if asked and not known and not _passed_later(plan, call, name):
                arguments.append(Added(name, value))
        if layer.derived and instance:
            arguments = recurrent.shared_features(plan, call, module, layer, arguments)
        entries = [
            Filled(index, keyword.arg, keyword.value, False, "" if keyword.arg else "**")
            for index, keyword in enumerate(call.keywords)
        ]
        arguments = initializers.converted(plan, layer, entries, arguments)
        for keyword in call.keywords:
            argument = layer.argument(keyword.arg) if keyword.arg else None
            if argument is not None and argument.role == "initializer":
                widen_initializers(plan, plan.flow.values.get(keyword.value, frozenset()))
    static = not instance and _in_module_class(plan, call)
    return Bind(tuple(arguments), instance, static=static, rule=rule)


def _in_module_class(plan: Plan, call: ast.Call) -> bool:
    """Whether a call is the value of an attribute in the body of a module class."""
    statement = plan.parents[call]
    owner = plan.parents.get(statement)
    return (
        isinstance(statement, ast.Assign | ast.AnnAssign)
        and isinstance(owner, ast.ClassDef)
        and plan.flow.hierarchy.is_module(owner)
    )


def _goes_open(plan: Plan, module: Module, function: ast.FunctionDef, entry: Filled) -> bool:
    assert not isinstance(module.definition, str)
    class_plan = plan.classes[module.definition]
    return (
        function in class_plan.open
        and entry.name is not None
        and entry.name not in {"name", *plan.decisions[function], *class_plan.order}
    )


def _bound_argument(
    plan: Plan,
    call: ast.Call,
    module: Module,
    layer: catalogue.Layer | None,
    function: ast.FunctionDef | None,
    entry: Filled,
) -> list[Argument]:
    if entry.name == "name":
        return [Given(entry.index, "name")]
    passed = passed_on(plan, call, entry) if entry.name is None else None
    if passed is not None:
        given = {k.arg for k in call.keywords} | module.bound
        receiver = receiver_of(plan, call)
        left = [n for n in passed if n not in given]
        if layer is not None:
            fields = [(layer.argument(n), n) for n in left]
            return [Added(a.linen, f"{receiver}.{n}") for a, n in fields if a is not None]
        assert not isinstance(module.definition, str)
        order = plan.classes[module.definition].order
        return [Added(n, f"{receiver}.{n}") for n in left if n in order]
    if layer is not None:
        if entry.name is None:
            keys = splat_keys(plan, entry.node)
            if keys is None:
                raise Unclear("LN390", "the keys of the splat are not known")
            return [layer_splat_keys(plan, layer, entry, keys)]
        argument = layer.argument(entry.name)
        if argument is None:
            raise Unclear("LN390", f"`{entry.name}=` is not an argument of {layer.name}")
        if argument.slot is Slot.SPECIAL and argument.role == "statistics":
            if not is_absent(plan, entry.node):
                raise Unclear("LN491", f"`{entry.name}=` has no counterpart in Linen")
            return []
        if argument.slot is Slot.SPECIAL:
            return attention.bound(plan, call, layer, entry.name, entry.index, entry.node)
        if argument.slot is Slot.INPUT:
            if layer.name in attention.LAYERS and isinstance(entry.node, ast.Constant):
                return []
            raise Unclear("LN393", f"`{text(call.func)}` binds the input `{entry.name}`")
        return [Given(entry.index, argument.linen)]
    assert function is not None
    assert not isinstance(module.definition, str)
    if entry.name is None:
        keys = splat_keys(plan, entry.node)
        decisions = plan.decisions[function]
        order = plan.classes[module.definition].order
        unknown = keys is None or any(
            k not in {"name", *order} and (k not in decisions or decisions[k].role is Role.INPUT)
            for k in keys
        )
        if unknown and any(
            d.role is Role.INPUT and d.default is not None for d in decisions.values()
        ):
            raise Unclear("LN390", f"`**{text(entry.node)}` may bind call arguments")
        return [Given(entry.index)]
    role = plan.role(function, entry.name)
    if role is None:
        extra = extra_keyword(plan, function, plan.classes[module.definition].order, entry.name)
        if extra is Role.FIELD or function.args.kwarg is not None:
            return [Given(entry.index, entry.name)]
        raise Unclear("LN390", f"`{entry.name}=` is not an argument of `{text(call.func)}`")
    if role is Role.INPUT:
        lasting = isinstance(entry.node, ast.Constant) or _is_lasting(plan, entry.node)
        if lasting and called_locally(plan, call):
            return []  # travels to the calls
        if isinstance(entry.node, ast.Constant) and called_in_sight(plan, call):
            return []
        raise Unclear("LN393", f"`{entry.name}` is bound here and taken per call in Linen")
    return [field_argument(plan, function, entry, plan.field(module.definition, entry.name))]


def _is_lasting(plan: Plan, node: ast.expr) -> bool:
    """Whether a variable still holds the same when what is bound here is called."""
    code = plan.code(node)
    if not isinstance(node, ast.Name) or code is None:
        return False
    own = code.scope.lookup(node.id) is code.scope
    home = code.node if own else plan.source(node).tree
    place = (node.lineno, node.col_offset)
    stores = [
        n
        for n in walk(home)
        if isinstance(n, ast.Name) and n.id == node.id and isinstance(n.ctx, ast.Store | ast.Del)
    ]
    later = [n for n in stores if (n.lineno, n.col_offset) > place]
    return not later and (own or len(stores) <= 1)


def _passed_later(plan: Plan, call: ast.Call, name: str) -> bool:
    """Whether a call of what `call` made gives `name` itself."""
    return any(
        actual.parameter == name
        and isinstance(actual.callee, Module)
        and actual.callee.origin is call
        and actual.how in {"instance", "call"}
        for actual in plan.flow.actuals.values()
    )


def emit_functools(plan: Plan, source: Source, call: ast.Call) -> None:
    """Decides `functools.partial(...)` of a module class."""
    if not call.args:
        return
    found = modules(plan.flow.values.get(call.args[0], frozenset()))
    if not found:
        return
    if len(call.args) > 1:
        raise Unclear("LN393", "functools.partial binds positional arguments of a module class")
    binds = {_bind(plan, call, module, "partial") for module in found}
    if len(binds) != 1:
        why = f"`{text(call.args[0])}` may be classes with different arguments"
        raise Unclear("LN390", why, about=call.args[0])
    (bind,) = binds
    arguments: list[Argument] = [Given(0)]
    for argument in bind.arguments:
        if isinstance(argument, Given):
            arguments.append(Given(argument.index + 1, argument.keyword))
        else:
            arguments.append(initializers.shifted(argument, 1))
    value = plan.flow.values.get(call.args[0], frozenset())
    others = any(isinstance(a, Function | Bound | Class | External | Partial) for a in value)
    if others and tuple(arguments) != as_given(call):
        why = f"`{text(call.args[0])}` may be a module class or a plain function"
        raise Unclear("LN392", why, about=call.args[0])
    plan.at(source, call, Reordered(tuple(arguments), "LN302"))
