"""Functions that take the keys of their callers, as the argument `rngs`."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import replace

from linenify.facts.ask.arguments import as_given, fill_plain
from linenify.facts.ask.places import LOOPS, can_go_before
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import rendered
from linenify.facts.modules.selfcalls import plain_calls
from linenify.facts.sites import Added, Argument, ParameterSite, Reordered
from linenify.facts.training import statehelpers
from linenify.facts.training.opened import Opened
from linenify.facts.training.withitems import Item, split_line
from linenify.project.scopes import FunctionNode, all_arguments
from linenify.project.source import Source


def helper(contexts: Opened, plan: Plan, function: FunctionNode, *, stateful: bool = False) -> bool:
    """Has a function take `rngs` from its callers, who disagree or are out of sight."""
    if function in contexts.threads:
        return True
    if not isinstance(function, ast.FunctionDef):
        return False
    calls = plain_calls(plan, function)
    around = [(call, _opened_around(contexts, plan, call)) for call in calls]
    items = {item for _, found in around for item in found if item is not None}
    direct = {item for item in items if item.kind == "rng"}
    nested = plan.code(function) is not None
    agreed = len(around) == 1 or len({found for _, found in around}) == 1
    visible = all(contexts.is_visible(item, function) for item in direct)
    once = len(calls) == 1 and not contexts.looped & set(calls)
    if not direct or (agreed and visible and nested and once):
        return False
    if any(a.arg == "rngs" for a in all_arguments(function.args)):
        return False
    if not stateful and any(item.kind == "state" for item in items):
        return False
    for call, (_, rng) in around:
        if rng is not None:
            contexts.check(rng, call, deferred=False, looped=call in contexts.looped)
    contexts.threads[function] = [(call, found[1]) for call, found in around]
    for call, (_, rng) in around:
        if rng is not None:
            contexts.belongs(call, rng)
            if call in contexts.looped:
                contexts.split_key(rng)
    return True


def _opened_around(contexts: Opened, plan: Plan, call: ast.Call) -> tuple[Item | None, Item | None]:
    """The state and the key that are opened around a call, in its own function."""
    state: Item | None = None
    rng: Item | None = None
    inner: ast.AST = call
    looped = False
    for ancestor in plan.ancestors(call):
        if isinstance(ancestor, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            break
        looped |= isinstance(ancestor, LOOPS)
        if isinstance(ancestor, ast.With) and inner not in ancestor.items:
            for item in contexts.items.get(ancestor, ()):
                state = state or (item if item.kind == "state" else None)
                if rng is None and item.kind == "rng":
                    rng = item
                    if looped:
                        contexts.looped.add(call)
        inner = ancestor
    return state, rng


def emit(contexts: Opened, plan: Plan) -> None:
    """Signatures and calls of the functions that take `rngs`, or a state."""
    added: dict[ast.Call, list[Argument]] = defaultdict(list)
    for made in contexts.helpers.values():
        for call, item in made.calls:
            assert item.argument is not None
            place = plan.source(call)
            given = contexts.held.get(item) or rendered(plan, place, item.argument)
            added[call].append(Added(made.parameter, given))
    statehelpers.emit(contexts, plan)
    for calls in contexts.threads.values():
        for call, rng in calls:
            if rng is None or rng.argument is None:
                continue
            place = plan.source(call)
            if rng.statement in contexts.splits:
                _emit_split(contexts, plan, place, call, rng.statement)
                continue
            key = contexts.held.get(rng) or rendered(plan, place, rng.argument)
            draw = contexts.order.get(call)
            if draw is not None:  # others fold the same key
                key = f"{{spell:jax.random.fold_in}}({key}, {draw})"
            added[call].append(Added("rngs", "{'dropout': %s}" % key))
    for call, arguments in added.items():
        rule = "LN510" if len(arguments) > 1 or arguments[0].keyword != "rngs" else "LN511"
        site = Reordered((*as_given(call), *arguments), rule)
        plan.at(plan.source(call), call, site)
    for function in {**contexts.helpers, **contexts.threads}:
        source = plan.flow.code[function].source
        state = [contexts.helpers[function].parameter] if function in contexts.helpers else []
        keys = ["rngs=None"] if function in contexts.threads else []
        rule = "LN510" if state else "LN511"
        plan.define(source, function, ParameterSite(", ".join([*state, *keys]), rule))


def _emit_split(
    contexts: Opened, plan: Plan, source: Source, call: ast.Call, statement: ast.With
) -> None:
    rng, key = contexts.splits[statement]
    if not can_go_before(plan, call):
        contexts.uses[statement].failed = "it draws where no statement can go before"
        return
    site = fill_plain(call, "rngs", "{'dropout': %s}" % key, "LN511")
    plan.at(source, call, replace(site, before=(split_line(rng, key),)))
