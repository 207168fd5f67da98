"""What running a module touches besides its parameters: collections and random keys."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace

from linenify.facts.kinds import (
    Bound,
    External,
    Function,
    Model,
    Module,
    ModuleApi,
    SelfApi,
    Value,
    models,
)
from linenify.facts.plan import Plan
from linenify.facts.selfcalls import collection_of
from linenify.project.scopes import FunctionNode

RUNS = frozenset({"init", "init_by_shape", "create", "create_by_shape", "call"})
_DROPPING = frozenset({"MultiHeadDotProductAttention", "SelfAttention"})


@dataclass(frozen=True, slots=True)
class Effects:
    """What a run reads or writes.

    Attributes:
        collections: the variable collections of Linen that it keeps state in, sorted.
        keys: whether it may draw random keys.
    """

    collections: tuple[str, ...] = ()
    keys: bool = False


def effects(plan: Plan, module: Module) -> Effects:
    """The effects of one run of `module`, whatever its flags."""
    found: set[str] = set()
    _of_module(plan, module, found, set())
    return Effects(tuple(sorted(found - {""})), "" in found)


def joined(found: Sequence[Effects]) -> Effects:
    """The effects of any of several runs."""
    names = {name for each in found for name in each.collections}
    return Effects(tuple(sorted(names)), any(each.keys for each in found))


def runs_module(plan: Plan, call: ast.Call) -> bool:
    """Whether a call runs a module, or draws a key as modules do."""
    callee = plan.flow.values.get(call.func, frozenset())
    return any(
        isinstance(a, Model)
        or (isinstance(a, ModuleApi) and a.name in RUNS)
        or a == External("flax.nn.make_rng")
        for a in callee
    )


def keeps_state(plan: Plan, call: ast.Call) -> bool:
    """Whether a call runs a module that has collections besides its params."""
    callee = plan.flow.values.get(call.func, frozenset())
    return any(effects(plan, module).collections for module in run_modules(callee))


def draws(plan: Plan, call: ast.Call) -> bool:
    """Whether a run may draw a random key of its context."""
    callee = plan.flow.values.get(call.func, frozenset())
    if External("flax.nn.make_rng") in callee:
        return True
    return any(effects(plan, module).keys for module in run_modules(callee))


def takes_key(plan: Plan, call: ast.Call) -> bool:
    """Whether a call is one of `nn.make_rng`."""
    callee = plan.flow.values.get(call.func, frozenset())
    return External("flax.nn.make_rng") in callee


def run_modules(callee: Value) -> list[Module]:
    """The modules that a call runs, with the method that it calls on them."""
    found = [replace(m.module, method=m.method) for m in models(callee)]
    return [*found, *(a.module for a in callee if isinstance(a, ModuleApi))]


def _of_module(plan: Plan, module: Module, found: set[str], seen: set[FunctionNode]) -> None:
    """Adds collections to `found`, and an empty name for random keys."""
    function = plan.flow.function_of(module)
    if function is not None:
        _of_function(plan, function, found, seen)
        return
    if module.definition == "BatchNorm":
        found.add("batch_stats")
    if module.definition in _DROPPING and "dropout_rate" in module.bound:
        found.add("")


def _of_function(
    plan: Plan, function: FunctionNode, found: set[str], seen: set[FunctionNode]
) -> None:
    if function in seen:
        return
    seen.add(function)
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        for atom in plan.flow.values.get(node.func, frozenset()):
            match atom:
                case External(path="flax.nn.dropout" | "flax.nn.make_rng"):
                    found.add("")
                case SelfApi(name="state"):
                    found.add(collection_of(plan, node))
                case Module():
                    _of_module(plan, atom, found, seen)
                    if atom.definition in _DROPPING and _drops(node):
                        found.add("")
                case Function(node=inner) | Bound(node=inner):
                    _of_function(plan, inner, found, seen)


def _drops(call: ast.Call) -> bool:
    rate = next((k.value for k in call.keywords if k.arg == "dropout_rate"), None)
    return rate is not None and not (isinstance(rate, ast.Constant) and not rate.value)
