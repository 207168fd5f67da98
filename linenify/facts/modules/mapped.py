"""`jax.vmap` over a module: a lambda that takes what the module takes."""

from __future__ import annotations

import ast
from dataclasses import replace

from linenify.facts.ask.arguments import text
from linenify.facts.ask.parameters import Role
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Module, Parameter, Static, Value, modules
from linenify.facts.legacy import catalogue
from linenify.facts.modules.members import travelling
from linenify.facts.sites import Added, Bind, Reshaped, Unclear
from linenify.project.source import Source


def emit(plan: Plan, source: Source, call: ast.Call, value: Value) -> None:
    """`jax.vmap(layer)`: Linen instances are no functions for JAX, a lambda is."""
    if any(k.arg is None for k in call.keywords) or not call.args:
        raise Unclear("LN394", f"`{text(call.func)}` is called with a splat")
    if any(not isinstance(a, Module | Parameter | Static) for a in value):
        raise Unclear("LN394", f"`{text(call.func)}` maps a module class or something else")
    _make_in_place(plan, source, call.args[0], value)
    inner = {_mapped(plan, call, module) for module in modules(value)}
    if len(inner) != 1:
        raise Unclear("LN394", f"`{text(call.func)}` maps one of several modules")
    rest = "".join(
        f", {k.arg}={{{i}}}" for i, k in enumerate(call.keywords, len(call.args))
    ) + "".join(f", {{{i}}}" for i in range(1, len(call.args)))
    plan.at(source, call, Reshaped("{func}(%s%s)" % (inner.pop(), rest), "LN308"))


def _make_in_place(plan: Plan, source: Source, made: ast.expr, value: Value) -> None:
    """`jax.vmap(Net.partial(width=3))`: an instance in the lambda, and no partial."""
    if isinstance(made, ast.Call) and all(m.origin is made for m in modules(value)):
        site = plan.site_at(source, made)
        plan.promoted.add(made)
        if isinstance(site, Bind):
            plan.at(source, made, replace(site, instance=True, rule="LN303"))


def _mapped(plan: Plan, call: ast.Call, module: Module) -> str:
    """The lambda around one module, with the inputs that it takes."""
    function = plan.flow.function_of(module)
    bound: list[str] = []
    if function is not None:
        assert not isinstance(module.definition, str)
        if plan.classes[module.definition].refused is not None:
            because = plan.waits_for(module.definition)
            raise Unclear("LN398", "the mapped module class was not migrated", because=because)
        for argument in travelling(plan, plan.source(call), function, module, set()):
            assert isinstance(argument, Added)
            bound.append(f"{argument.keyword}={argument.code}")
    names = _mapped_inputs(plan, call, module)
    made = "{0}" if module.shared or module.origin in plan.promoted else "{0}()"
    if module.method != "apply" and not module.shared:
        raise Unclear("LN394", f"`{text(call.args[0])}` is mapped over")
    return f"lambda {', '.join(names)}: {made}({', '.join([*names, *bound])})"


def _mapped_inputs(plan: Plan, call: ast.Call, module: Module) -> list[str]:
    """What the mapped call is given: by the call itself, `in_axes`, or the module's inputs."""
    outer = plan.parents.get(call)
    count: int | None = None
    if isinstance(outer, ast.Call) and outer.func is call:
        if outer.keywords or any(isinstance(a, ast.Starred) for a in outer.args):
            raise Unclear("LN394", "the mapped module is called with keywords")
        count = len(outer.args)
    axes = next((k.value for k in call.keywords if k.arg == "in_axes"), None)
    axes = call.args[1] if axes is None and len(call.args) > 1 else axes
    if count is None and isinstance(axes, ast.Tuple | ast.List):
        count = len(axes.elts)
    names = _input_names(plan, module)
    if count is None:
        if names is None:
            return ["*xs"]
        count = len(names)
    if count == 1:
        return ["x"]
    if names is not None and len(names) == count:
        return names
    return [f"x{i}" for i in range(1, count + 1)]


def _input_names(plan: Plan, module: Module) -> list[str] | None:
    """The inputs of a module, in order; None where some may be left out."""
    function = plan.flow.function_of(module)
    if function is not None:
        if function.args.vararg is not None or function.args.kwarg is not None:
            return None
        inputs = [d for d in plan.decisions[function].values() if d.role is Role.INPUT]
        inputs = [d for d in inputs if d.name not in module.bound]
        return None if any(d.default for d in inputs) else [d.name for d in inputs]
    layer = plan.flow.signature(module)
    if isinstance(layer, catalogue.Layer | catalogue.Method):
        slots = [a.name for a in layer.arguments if a.slot is catalogue.Slot.INPUT]
        return slots if len(slots) == 1 else None
    return None
