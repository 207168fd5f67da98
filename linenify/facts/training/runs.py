"""What becomes of every Model that is made, called or taken apart."""

from __future__ import annotations

import ast
from dataclasses import replace

from linenify.facts.ask.arguments import as_given, text
from linenify.facts.ask.effects import Effects, effects, joined
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import rendered
from linenify.facts.flow.binding import fits
from linenify.facts.flow.kinds import Api, Bound, Function, Value, models, modules, rivals
from linenify.facts.legacy.snippets import OBJECT
from linenify.facts.modules.completing import missing
from linenify.facts.modules.modulecalls import split
from linenify.facts.sites import (
    Added,
    Argument,
    ModuleCall,
    Reshaped,
    Unclear,
    Wrapped,
    one_of,
)
from linenify.facts.training import caches, captures
from linenify.facts.training.caches import CACHE
from linenify.facts.training.callees import Callee
from linenify.facts.training.stated import context_key, handed_out, opened_with, parted, splits
from linenify.facts.training.training import Training
from linenify.facts.training.withitems import Around
from linenify.project.source import Source

_OPTIONS = frozenset({"mutable", "method", "rngs", "capture_intermediates", "variables"})


# --- calls -----------------------------------------------------------------------------------


def emit_call(training: Training, source: Source, call: ast.Call) -> None:
    """`model(x)` and `model.encode(x)`."""
    plan = training.plan
    value = plan.flow.values.get(call.func, frozenset())
    others = training.models.called_rivals(value)
    if any(not isinstance(a, Function | Bound) for a in others):
        raise Unclear("LN392", f"`{text(call.func)}` is not always a Model", about=call.func)
    every = models(value)
    # A correct program calls none that could not take these arguments.
    found = [m for m in every if fits(plan.flow, replace(m.module, method=m.method), call)] or every
    site = one_of(
        split(plan, source, call, replace(m.module, shared=True, method=m.method)) for m in found
    )
    if site is None:
        raise Unclear("LN390", f"`{text(call.func)}` may be Models with different arguments")
    check_keywords(call, site)
    method = found[0].method
    node = call.func
    if method != "apply":
        if not isinstance(call.func, ast.Attribute):
            raise Unclear("LN699", f"`{text(call.func)}` is a method of a Model")
        node = call.func.value
    hole = "{func}" if method == "apply" else "{owner}"
    around = training.contexts.around(call)
    touched = joined([effects(plan, replace(m.module, method=m.method)) for m in found])
    state, mutable = _state(plan, source, around, touched)
    extra: list[Argument] = []
    if method != "apply":
        extra.append(Added("method", repr(method)))
    rngs = context_key(plan, source, around) if touched.keys and not around.threaded else None
    if rngs is not None:
        extra.append(Added("rngs", "{'dropout': %s}" % rngs))
    elif around.threaded and touched.keys:
        if around.draw:
            raise Unclear("LN590", "several runs draw from one key of the callers")
        extra.append(Added("rngs", "rngs"))
    decoding = training.caches.decoding(source, call)
    outputs = training.captures.of(source, call)
    kept = touched.collections if state is not None or around.state is not None else touched.alone()
    names = [*(kept if mutable else ()), *([CACHE] if decoding is not None else ())]
    if outputs is not None:
        if names:
            raise Unclear("LN491", "a run whose outputs are captured keeps state, too")
        names = [captures.COLLECTION]
        extra.append(Added("capture_intermediates", "True"))
    if names or mutable:
        extra.append(Added("mutable", repr(names)))
    first: list[Argument] = []
    if training.models.as_params(value):
        known = training.callees.of(call, node, plan.flow.values.get(node, frozenset()))
        if known is None:
            raise Unclear("LN690", f"no module for `{text(node)}` can be named here")
        spread = f", **{state}" if state is not None else ""
        if decoding is not None:
            spread = f", '{CACHE}': {decoding.cache}{spread}"
        first.append(Added(None, "{'params': %s%s}" % (hole, spread)))
        callee: str | None = applied(training, source, known)
        if decoding is not None:
            callee = f"{decoding.instance(training.callees.text(source, known))}.apply"
    elif decoding is not None:
        if not isinstance(node, ast.Name | ast.Attribute):
            raise Unclear("LN490", f"the Model `{text(node)}` has no name")
        spread = f", **{state}" if state is not None else ""
        held = "{'params': %s.params, '%s': %s%s}" % (hole, CACHE, decoding.cache, spread)
        first.append(Added(None, held))
        callee = f"{decoding.instance(f'{hole}.module')}.apply"
    else:
        callee = None if method == "apply" else hole
        if state is not None or names:
            first.append(Added(None, state if state is not None else "{}"))
            callee = f"{hole}.apply"
    made = ModuleCall(None, (*first, *site.call, *extra), callee=callee, rule="LN612")
    if rngs is not None:
        made = replace(made, before=splits(around))
    captured = around.state.captured if around.state is not None and mutable else None
    if decoding is not None:
        made = caches.handed_out(plan, source, call, made, decoding, captured)
    elif outputs is not None:
        made = parted(plan, source, call, made, captures.lines(outputs), "LN491")
    elif mutable:
        made = handed_out(plan, source, call, made, captured)
    if others:
        if made != ModuleCall(None, as_given(call), rule=made.rule):
            raise Unclear("LN392", f"`{text(call.func)}` is not always a Model", about=call.func)
        return  # a function is called just like a Model that stays an object
    plan.at(source, call, made)
    training.models.ran(value)


def check_keywords(call: ast.Call, site: ModuleCall) -> None:
    """Inputs must not be called as the options of `apply` and `init` are."""
    taken = {a.keyword for a in site.call} & _OPTIONS
    if taken:
        raise Unclear("LN390", f"`{min(map(str, taken))}=` is an option of `apply` in Linen")
    del call


def applied(training: Training, source: Source, callee: Callee) -> str:
    """The text of what is called: `CNN().apply` or `state.apply_fn`."""
    written = training.callees.text(source, callee)
    return written if callee.applies else f"{written}.apply"


def _state(plan: Plan, source: Source, around: Around, touched: Effects) -> tuple[str | None, bool]:
    """The text of the state that a run reads, and whether it gives a new one."""
    if around.state is None:
        # Legacy normalised by the batch alone where there was no state.
        return None, bool(touched.alone())
    given = around.state.argument is not None
    written = opened_with(plan, source, around.state) if given else None
    return written, around.state.mutable


def emit_api(training: Training, source: Source, call: ast.Call, callee: Value) -> None:
    """`model.replace(params=...)`; nothing else can be asked of params."""
    plan = training.plan
    owners = frozenset(a.receiver for a in callee if isinstance(a, Api))
    names = {a.name for a in callee if isinstance(a, Api)}
    if names != {"replace"} or rivals(owners):
        why = f"`{text(call.func)}` has no counterpart in Linen"
        raise Unclear("LN690", why, about=call.func)
    if not training.models.as_params(owners):
        return
    if call.args or [k.arg for k in call.keywords] != ["params"]:
        raise Unclear("LN690", f"`{text(call.func)}` replaces more than the params")
    plan.at(source, call, Reshaped("{0}", "LN611"))


# --- making ----------------------------------------------------------------------------------


def emit_model(training: Training, source: Source, call: ast.Call) -> None:
    """`nn.Model(M, params)`: the params, or an object that holds both."""
    plan = training.plan
    value = plan.flow.values.get(call, frozenset())
    names = ("module", "params")
    places: dict[str, int] = {}
    nodes: dict[str, ast.expr] = {}
    if len(call.args) > 2 or any(isinstance(a, ast.Starred) for a in call.args):
        raise Unclear("LN690", "the arguments of the Model are not spelled out")
    for index, argument in enumerate(call.args):
        places[names[index]], nodes[names[index]] = index, argument
    for index, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg not in names:
            raise Unclear("LN690", "the arguments of the Model are not spelled out")
        places[keyword.arg], nodes[keyword.arg] = index, keyword.value
    if len(places) != 2 or not models(value) or training.models.group(value) is None:
        raise Unclear("LN690", "the module of the Model is not known")
    if training.models.as_params(value):
        plan.at(source, call, Reshaped("{%d}" % places["params"], "LN611"))
        return
    made = instance(plan, nodes["module"], places["module"])
    template = "%s(%s, {%d})" % (OBJECT, made, places["params"])
    training.models.needs_object(source, call, value)
    plan.at(source, call, Reshaped(template, "LN614"))


def instance(plan: Plan, node: ast.expr, place: int) -> str:
    """The template of an instance of the module that argument `place` names."""
    found = modules(plan.flow.values.get(node, frozenset()))
    if not found or len({m.shared for m in found}) > 1:
        raise Unclear("LN690", "the module of the Model is not known")
    if len({m.receiver for m in found}) > 1 and not all(map(plan.is_instance, found)):
        raise Unclear("LN690", f"`{text(node)}` may be a module class or the module of a Model")
    needed = {missing(plan, _call_of(node), module) for module in found}
    if len(needed) != 1:
        raise Unclear("LN690", f"`{text(node)}` may be modules that need different arguments")
    if found[0].shared or all(map(plan.is_instance, found)):
        return "{%d}" % place
    if isinstance(node, ast.Call) and found[0].origin is node:
        plan.promoted.add(node)
        return "{%d}" % place
    return "{%d}(%s)" % (place, needed.pop())


def _call_of(node: ast.expr) -> ast.Call:
    return ast.copy_location(ast.Call(node, [], []), node)


# --- as a function ---------------------------------------------------------------------------


def emit_functions(training: Training) -> None:
    """Models that are handed to a transform to be called: `jax.vmap(model)(xs)`."""
    plan = training.plan
    for call, scope in list(plan.flow.where.items()):
        assert isinstance(call, ast.Call)
        if not call.args or not isinstance(call.args[0], ast.Name | ast.Attribute):
            continue
        node = call.args[0]
        value = plan.flow.values.get(node, frozenset())
        if not models(value) or not training.models.hands_over(call):
            continue
        source = scope.source
        if rivals(value) or not training.models.as_params(value):
            continue
        known = training.callees.of(call, node, value)
        if known is None:
            continue
        touched = joined([effects(plan, m.module) for m in models(value)])
        if touched.collections or touched.keys:
            why = f"`{text(node)}` keeps state or draws keys"
            stem = plan.refuse(source, call, "LN590", why)
            training.models.fail(call, value, why, stem)
            continue
        params = rendered(plan, source, node)
        template = "functools.partial(%s, {'params': %s})" % (
            applied(training, source, known),
            params,
        )
        plan.at(source, node, Wrapped(template, "LN612", ("functools",)))
        training.models.ran(value)
