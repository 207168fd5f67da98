"""What running a module touches besides its parameters: collections and random keys."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from linenify.facts.kinds import Bound, External, Function, Module, SelfApi
from linenify.facts.plan import Plan
from linenify.facts.selfcalls import collection_of
from linenify.project.scopes import FunctionNode

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
