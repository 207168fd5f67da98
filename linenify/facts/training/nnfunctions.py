"""What a call of a function of flax.nn becomes."""

from __future__ import annotations

import ast

from linenify.facts.ask.arguments import in_module_code, text
from linenify.facts.deciding.plan import Plan
from linenify.facts.legacy import catalogue
from linenify.facts.modules import attentionfunctions, selfcalls, stateful, transforms
from linenify.facts.sites import Added, Argument, Given, ModuleCall, Reshaped, Unclear
from linenify.facts.training import caches, runs
from linenify.facts.training.stated import context_key, splits
from linenify.facts.training.training import training_of
from linenify.project.source import Source


def emit(plan: Plan, source: Source, call: ast.Call, path: str) -> None:
    """A call of the function of flax.nn at `path`."""
    entry = catalogue.function(path)
    if entry is None:
        return
    match entry.name:
        case "dropout":
            if not in_module_code(plan, call):
                raise Unclear("LN590", "nn.dropout outside any module")
            _emit_dropout(plan, source, call, entry)
        case "make_rng" if not in_module_code(plan, call):
            _emit_key(plan, source, call)
        case "make_rng" | "is_stochastic":
            selfcalls.emit_random(plan, source, call, entry.name)
        case "is_stateful":
            stateful.emit(plan, source, call)
        case "dot_product_attention":
            attentionfunctions.emit_function(plan, source, call, entry)
        case "make_padding_mask" | "_make_causal_mask":
            attentionfunctions.emit_mask(plan, source, call, entry)
        case "scan_in_dim":
            transforms.emit(plan, source, call, "flax.jax_utils.scan_in_dim")
        case "Model":
            runs.emit_model(training_of(plan), source, call)
        case "capture_module_outputs" if training_of(plan).captures.opens(call):
            return  # judged with the run inside
        case "Cache" if training_of(plan).caches.opens(call):
            return  # judged with the runs inside
        case "Collection" if not call.args and not call.keywords:
            plan.at(source, call, Reshaped("{}", "LN403"))
        case "Cache" if caches.is_empty(plan, call):
            plan.at(source, call, Reshaped("{}", "LN403"))
        case "stateful" | "stochastic" if training_of(plan).contexts.opens(call):
            return  # judged with the runs inside
        case "_absolute_dims" if len(call.args) == 2 and not call.keywords:
            plan.at(source, call, Reshaped("tuple(a % {0} for a in {1})", "LN102"))
        case _ if entry.kind == "toplevel":
            raise Unclear("LN690", f"`{text(call.func)}` belongs to training code")
        case _ if entry.kind == "gone":
            why = f"`{text(call.func)}` has no counterpart"
            raise Unclear("LN190", f"{why}: {entry.note}" if entry.note else why)


def _emit_key(plan: Plan, source: Source, call: ast.Call) -> None:
    """`nn.make_rng()` outside of any module: a key of its own, from that of the context."""
    around = training_of(plan).contexts.around(call)
    if around.rng is None and not around.threaded:
        raise Unclear("LN590", f"`{text(call.func)}()` outside any module")
    key = context_key(plan, source, around)
    plan.at(source, call, Reshaped(key or "", "LN502", before=splits(around)))


def _emit_dropout(plan: Plan, source: Source, call: ast.Call, entry: catalogue.Function) -> None:
    construct: list[Argument] = []
    inputs: list[Argument] = []
    given: set[str] = set()
    names = [a.name for a in entry.arguments]
    for place, argument in enumerate(call.args):
        if isinstance(argument, ast.Starred) or place >= len(names):
            raise Unclear("LN390", "nn.dropout is called with a splat")
        name = names[place]
        given.add(name)
        if name == "rate":
            construct.append(Given(place))
        elif name == "inputs":
            inputs.append(Given(place))
        else:
            inputs.append(Given(place, name))
    for place, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg is None:
            raise Unclear("LN390", "nn.dropout is called with a splat")
        given.add(keyword.arg)
        (construct if keyword.arg == "rate" else inputs).append(Given(place, keyword.arg))
    if "deterministic" not in given:
        inputs.append(Added("deterministic", "False"))
    plan.at(source, call, ModuleCall(tuple(construct), tuple(inputs), rule="LN501"))
