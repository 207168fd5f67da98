"""`is_stateful()`: whether a state surrounds the module, to be read or to be changed."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from linenify.facts.ask.arguments import repeated, text
from linenify.facts.ask.effects import effects
from linenify.facts.ask.places import exclude
from linenify.facts.ask.statistics import collection_of
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Module, SelfApi, modules
from linenify.facts.modules.selfcalls import reachable_receiver
from linenify.facts.sites import Reshaped, Unclear
from linenify.project.nodes import walk
from linenify.project.source import Source

# Legacy asked for the context alone; a state that may only be read counts as well.
# In Linen a module sees its own part of a collection; one that has no part cannot ask.
# What may be changed says nothing where BatchNorm is: a run without a state lets it
# make its statistics, and forgets them.


def emit(plan: Plan, source: Source, call: ast.Call) -> None:
    """`self.is_stateful()` asks whether one of the collections is there, or is made."""
    spelt = isinstance(call.func, ast.Attribute) and _owners(plan, call)
    receiver = "{owner}" if spelt else reachable_receiver(plan, call)
    if receiver is None:
        raise Unclear("LN590", f"`{text(call.func)}()` outside any module")
    plan.at(source, call, Reshaped(_test(plan, call, receiver), "LN402"))


def _test(plan: Plan, call: ast.Call, receiver: str) -> str:
    made_alone = any(effects(plan, Module(node)).layers for node in plan.classes)
    if made_alone:
        _check_early(plan, call)
    own = _own_variable(plan, call)
    if own is not None:
        collection, name = own
        there = f"{receiver}.has_variable('{collection}', '{name}')"
        if made_alone:
            return f"{receiver}.is_initializing() or {there}"
        return f"{receiver}.is_mutable_collection('{collection}') or {there}"
    owners = _owners(plan, call)
    lines = {d for owner in owners for d in [owner, *plan.flow.hierarchy.descendants(owner)]}
    kept = _collections(plan, lines)
    if not kept:
        raise Unclear("LN382", f"`{text(call)}` is asked by a module that keeps no state itself")
    there = " or ".join(f"'{name}' in {receiver}.variables" for name in kept)
    if made_alone:
        return f"{receiver}.is_initializing() or {there}"
    mutable = " or ".join(f"{receiver}.is_mutable_collection('{name}')" for name in kept)
    return f"{mutable} or {there}"


def _check_early(plan: Plan, call: ast.Call) -> None:
    """A run without a state makes what BatchNorm keeps: the question has to come before."""
    code = plan.code(call)
    if code is None:
        return
    around = {call, *plan.ancestors(call)}
    for node in walk(code.node):
        if not isinstance(node, ast.Call) or node in around or exclude(plan, node, call):
            continue
        later = (node.lineno, node.col_offset) > (call.lineno, call.col_offset)
        if later and not repeated(plan, call):
            continue
        for module in modules(plan.flow.values.get(node.func, frozenset())):
            if effects(plan, module).layers:
                raise Unclear("LN383", f"`{text(node.func)}` runs before `{text(call)}`")


def _owners(plan: Plan, call: ast.Call) -> set[ast.ClassDef]:
    """The classes of the modules that are asked."""
    callee = plan.flow.values.get(call.func, frozenset())
    return {a.owner for a in callee if isinstance(a, SelfApi)}


def _collections(
    plan: Plan, definitions: Iterable[ast.ClassDef | ast.FunctionDef]
) -> tuple[str, ...]:
    found = {name for node in definitions for name in effects(plan, Module(node)).collections}
    return tuple(sorted(found))


def _own_variable(plan: Plan, call: ast.Call) -> tuple[str, str] | None:
    """The first variable that the class itself keeps, where its name is spelt out."""
    code = plan.code(call)
    if code is None or code.owner is None:
        return None
    for method in code.owner.methods.values():
        for node in walk(method):
            if isinstance(node, ast.Call) and _is_state(plan, node):
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    return collection_of(plan, node), first.value
    return None


def _is_state(plan: Plan, call: ast.Call) -> bool:
    callee = plan.flow.values.get(call.func, frozenset())
    return any(isinstance(a, SelfApi) and a.name == "state" for a in callee)
