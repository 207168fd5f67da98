"""What running a module touches besides its parameters: collections and random keys."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from linenify.facts.ask.program import Program
from linenify.facts.ask.statistics import collection_of
from linenify.facts.flow.kinds import (
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
from linenify.project.nodes import walk
from linenify.project.scopes import FunctionNode

RUNS = frozenset({"init", "init_by_shape", "create", "create_by_shape", "call"})
# Marks beside the names of collections.
_KEYS, _ASKS = "", "?"
_LAYERS = {"batch_stats": "?batch_stats"}
_DROPPING = frozenset({"MultiHeadDotProductAttention", "SelfAttention"})


@dataclass(frozen=True, slots=True)
class Effects:
    """What a run reads or writes.

    Attributes:
        collections: the variable collections of Linen that it keeps state in, sorted.
        keys: whether it may draw random keys.
        layers: the collections among them that built-in layers keep, which go without as well.
        asks: whether it asks if there is a state.
    """

    collections: tuple[str, ...] = ()
    keys: bool = False
    layers: tuple[str, ...] = ()
    asks: bool = False

    def alone(self) -> tuple[str, ...]:
        """The collections that a run without a state has to make for itself.

        What asks whether there is a state does without; `BatchNorm` does not ask.
        """
        return self.layers if self.asks else self.collections


_KNOWN: WeakKeyDictionary[Program, dict[Module, Effects]] = WeakKeyDictionary()


def effects(program: Program, module: Module) -> Effects:
    """The effects of one run of `module`, whatever its flags."""
    known = _KNOWN.setdefault(program, {})
    if module not in known:
        known[module] = _effects(program, module)
    return known[module]


def _effects(program: Program, module: Module) -> Effects:
    found: set[str] = set()
    _of_module(program, module, found, set())
    names = sorted(found - {_KEYS, _ASKS, *_LAYERS.values()})
    layers = sorted(name for name, mark in _LAYERS.items() if mark in found)
    return Effects(tuple(names), _KEYS in found, tuple(layers), _ASKS in found)


def joined(found: Sequence[Effects]) -> Effects:
    """The effects of any of several runs."""
    names = {name for each in found for name in each.collections}
    layers = {name for each in found for name in each.layers}
    keys, asks = any(each.keys for each in found), any(each.asks for each in found)
    return Effects(tuple(sorted(names)), keys, tuple(sorted(layers)), asks)


def runs_module(program: Program, call: ast.Call) -> bool:
    """Whether a call runs a module, or draws a key as modules do."""
    callee = program.flow.values.get(call.func, frozenset())
    return any(
        isinstance(a, Model)
        or (isinstance(a, ModuleApi) and a.name in RUNS)
        or a == External("flax.nn.make_rng")
        for a in callee
    )


def keeps_state(program: Program, call: ast.Call) -> bool:
    """Whether a call runs a module that has collections besides its params."""
    return bool(_of_run(program, call).collections)


_RUNS: WeakKeyDictionary[Program, dict[Value, Effects]] = WeakKeyDictionary()


def _of_run(program: Program, call: ast.Call) -> Effects:
    """The effects of whatever modules a call may run."""
    callee = program.flow.values.get(call.func, frozenset())
    known = _RUNS.setdefault(program, {})
    if callee not in known:
        known[callee] = joined([effects(program, module) for module in run_modules(callee)])
    return known[callee]


def draws(program: Program, call: ast.Call) -> bool:
    """Whether a run may draw a random key of its context."""
    return takes_key(program, call) or _of_run(program, call).keys


def takes_key(program: Program, call: ast.Call) -> bool:
    """Whether a call is one of `nn.make_rng`."""
    callee = program.flow.values.get(call.func, frozenset())
    return External("flax.nn.make_rng") in callee


def run_modules(callee: Value) -> list[Module]:
    """The modules that a call runs, with the method that it calls on them."""
    found = [replace(m.module, method=m.method) for m in models(callee)]
    return [*found, *(a.module for a in callee if isinstance(a, ModuleApi))]


def _of_module(program: Program, module: Module, found: set[str], seen: set[FunctionNode]) -> None:
    """Adds collections to `found`, and marks for random keys and the like."""
    function = program.flow.function_of(module)
    if function is not None:
        _of_function(program, function, found, seen)
        return
    definition = module.definition
    layer = (
        program.flow.hierarchy.layer(definition) if isinstance(definition, ast.ClassDef) else None
    )
    if "BatchNorm" in {definition, layer}:
        found |= {"batch_stats", _LAYERS["batch_stats"]}
    if module.definition in _DROPPING and "dropout_rate" in module.bound:
        found.add(_KEYS)


def _of_function(
    program: Program, function: FunctionNode, found: set[str], seen: set[FunctionNode]
) -> None:
    if function in seen:
        return
    seen.add(function)
    bodies = _BODIES.setdefault(program, {})
    if function not in bodies:
        bodies[function] = _body(program, function)
    marks, modules, functions = bodies[function]
    found |= marks
    for module in modules:
        _of_module(program, module, found, seen)
    for inner in functions:
        _of_function(program, inner, found, seen)


_Body = tuple[set[str], set[Module], set[FunctionNode]]
_BODIES: WeakKeyDictionary[Program, dict[FunctionNode, _Body]] = WeakKeyDictionary()


def _body(program: Program, function: FunctionNode) -> _Body:
    """What a function touches itself, and the modules and functions that it calls."""
    marks: set[str] = set()
    called: set[Module] = set()
    functions: set[FunctionNode] = set()
    for node in walk(function):
        if not isinstance(node, ast.Call):
            continue
        for atom in program.flow.values.get(node.func, frozenset()):
            match atom:
                case External(path="flax.nn.dropout" | "flax.nn.make_rng"):
                    marks.add(_KEYS)
                case SelfApi(name="is_stateful") | External(path="flax.nn.base.is_stateful"):
                    marks.add(_ASKS)
                case SelfApi(name="state"):
                    marks.add(collection_of(program, node))
                case Module():
                    called.add(atom)
                    if atom.definition in _DROPPING and _drops(node):
                        marks.add(_KEYS)
                case Function(node=inner) | Bound(node=inner):
                    functions.add(inner)
    return marks, called, functions


def _drops(call: ast.Call) -> bool:
    rate = next((k.value for k in call.keywords if k.arg == "dropout_rate"), None)
    return rate is not None and not (isinstance(rate, ast.Constant) and not rate.value)
