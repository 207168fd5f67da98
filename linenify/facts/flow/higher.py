"""JAX's higher-order functions: what runs inside them, and what comes back."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow import operators
from linenify.facts.flow.kinds import (
    ARRAY,
    NOTHING,
    Array,
    Atom,
    Bound,
    Container,
    Function,
    Instance,
    Legacy,
    Model,
    Module,
    ModuleApi,
    Optimizer,
    Parameter,
    Params,
    Partial,
    Transformed,
    Value,
    changed_model,
    static,
)
from linenify.facts.legacy.externals import GRADIENTS
from linenify.project.scopes import Scope

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine

# What is not known yet must stay unknown: nothing that was inferred is taken back.

_ANY = -1  # by which argument a gradient is taken, when that is computed
Keywords = list[tuple[str | None, Value]]


def call(
    flow: Machine,
    kind: str,
    node: ast.Call,
    positional: list[Value],
    keywords: Keywords,
    scope: Scope,
) -> Value:
    """A call of `jax.jit`, `lax.scan` and the like; `kind` as `externals` has it."""
    table = dict(keywords)
    positional = [
        flow.iterate(value) if _is_starred(node, place) else value
        for place, value in enumerate(positional)
    ]
    match kind:
        case "scan":
            return _scan(flow, node, positional, table, scope)
        case "map":
            given = [flow.iterate(v) | _whole(v) for v in positional[1:]]
            flow.call_value(positional[0], given, node, scope)
            return ARRAY
        case "tree_map":
            return _tree_map(flow, node, positional, scope)
        case "fori" if len(positional) > 1:
            carry = positional[-1]
            return carry | flow.call_value(positional[-2], [static("int"), carry], node, scope)
        case "while" if len(positional) > 2:
            carry = positional[2]
            flow.call_value(positional[0], [carry], node, scope)
            return carry | flow.call_value(positional[1], [carry], node, scope)
        case "eval_shape":
            return flow.call_value(positional[0], positional[1:], node, scope)
        case "jvp" if len(positional) > 1:
            primals = _elements(flow, positional[1])
            value = flow.call_value(positional[0], primals, node, scope)
            return operators.make(flow, node, "tuple", [value, value])
        case "vjp":
            value = flow.call_value(positional[0], positional[1:], node, scope)
            return operators.make(flow, node, "tuple", [value, NOTHING])
        case "switch" if len(positional) > 1:
            return flow.call_value(flow.iterate(positional[1]), positional[2:], node, scope)
        case "cond":
            return _cond(flow, node, positional, scope)
    return frozenset(
        _transformed(atom, kind, node)
        for atom in positional[0]
        if isinstance(atom, Function | Bound | Partial | Transformed | Module | Model | Parameter)
        or (isinstance(atom, ModuleApi) and _keeps_its_form(atom, kind))
    )


def _keeps_its_form(atom: ModuleApi, kind: str) -> bool:
    """Whether what a transform gives is called as a method of a module class is."""
    return atom.name == "call" or (atom.name == "init" and kind in {"jit", "pmap", "vmap"})


def _is_starred(node: ast.Call, place: int) -> bool:
    return place < len(node.args) and isinstance(node.args[place], ast.Starred)


def _elements(flow: Machine, value: Value) -> list[Value]:
    """What a tuple holds, by place."""
    for atom in value:
        if isinstance(atom, Container) and isinstance(atom.node, ast.Tuple | ast.List):
            return [flow.item(value, place) for place in range(len(atom.node.elts))]
    return [flow.iterate(value)]


def _transformed(atom: Atom, kind: str, node: ast.Call) -> Transformed:
    # Twice transformed is hardly more than once, and `f = jit(f)` must end.
    if isinstance(atom, Transformed):
        if kind == "pmap" and atom.transform not in GRADIENTS:
            return Transformed(atom.function, kind)  # devices are what is asked for later
        if kind not in GRADIENTS or atom.transform in GRADIENTS:
            return atom
        atom = atom.function
    options = {k.arg: k.value for k in node.keywords}
    aux = options.get("has_aux")
    argnums = options.get("argnums") or (node.args[1] if len(node.args) > 1 else None)
    chosen: int | tuple[int, ...] = 0
    if kind in GRADIENTS and argnums is not None:
        try:
            literal = ast.literal_eval(argnums)
        except ValueError:
            literal = _ANY
        chosen = tuple(literal) if isinstance(literal, list | tuple) else int(literal)
    has_aux = isinstance(aux, ast.Constant) and aux.value is True
    return Transformed(atom, kind, chosen, has_aux and kind in GRADIENTS)


def apply(
    flow: Machine,
    atom: Transformed,
    node: ast.Call,
    positional: list[Value],
    keywords: Keywords,
    scope: Scope,
) -> Value:
    """A call of a transformed function."""
    result = flow.apply(atom.function, node, positional, keywords, scope)
    if atom.transform.startswith("scaled"):
        # DynamicScale gives itself, whether all is finite, the value, and the gradient.
        parts = [frozenset({Legacy("DynamicScale")}), ARRAY, result, gradient(_at(positional, 0))]
        if atom.transform == "scaled_grad":
            parts = [*parts[:2], *([flow.item(result, 1)] if atom.aux else []), parts[3]]
        return operators.make(flow, node, "tuple", parts)
    if atom.transform not in GRADIENTS:
        return result
    if atom.argnums == _ANY:
        every = frozenset().union(*(gradient(value) for value in positional))
        grads = every | operators.make(flow, node.func, "tuple", [every] * len(positional))
    elif isinstance(atom.argnums, tuple):
        parts = [gradient(_at(positional, place)) for place in atom.argnums]
        grads = operators.make(flow, node.func, "tuple", parts)
    else:
        grads = gradient(_at(positional, atom.argnums))
    if atom.transform == "value_and_grad":
        return operators.make(flow, node, "tuple", [result, grads])
    if atom.aux:
        return operators.make(flow, node, "tuple", [grads, flow.item(result, 1)])
    return grads


def _at(values: list[Value], place: int) -> Value:
    return values[place] if place < len(values) else NOTHING


def gradient(value: Value) -> Value:
    """The gradient with respect to a value: a pytree of the same structure."""
    made: set[Atom] = set()
    for atom in value:
        match atom:
            case Model():
                made.add(changed_model(atom, gradient=True))
            case Container() | Instance() | Optimizer():
                made.add(atom)
            case Params():
                made.add(atom)
            case Array() | Parameter():
                made.add(Array())
    return frozenset(made)


def same_tree(value: Value) -> Value:
    """A pytree of the structure that `value` has."""
    kept = frozenset(
        Array() if isinstance(atom, Array | Parameter) and not isinstance(atom, Params) else atom
        for atom in value
        if isinstance(atom, Array | Parameter | Model | Optimizer | Container | Instance)
        or atom == Legacy("Cache")
    )
    return kept if kept or not value else ARRAY


def _tree_map(flow: Machine, node: ast.Call, positional: list[Value], scope: Scope) -> Value:
    trees = positional[1:]
    leaves = [
        frozenset(a for a in flow.iterate(tree) if not isinstance(a, Model | Optimizer)) | ARRAY
        for tree in trees
    ]
    flow.call_value(positional[0], leaves, node, scope)
    return same_tree(trees[0]) if trees else ARRAY


def _scan(
    flow: Machine,
    node: ast.Call,
    positional: list[Value],
    table: dict[str | None, Value],
    scope: Scope,
) -> Value:
    init = positional[1] if len(positional) > 1 else table.get("init", NOTHING)
    xs = positional[2] if len(positional) > 2 else table.get("xs", NOTHING)
    held = flow.inside(xs)
    # A slice of stacked Models is a Model.
    given = [init, same_tree(xs) if _whole(xs | held) else flow.iterate(xs) | ARRAY]
    result = flow.call_value(positional[0], given, node, scope)
    tuples = frozenset(a for a in result if isinstance(a, Container))
    if not tuples:
        return result
    carry = init | flow.item(tuples, 0)
    flow.call_value(positional[0], [carry, given[1]], node, scope)
    return operators.make(flow, node, "tuple", [carry, flow.item(tuples, 1) | ARRAY])


def _whole(value: Value) -> Value:
    """Pytrees that are no containers: a part of one along its first axis is one, too."""
    return frozenset(a for a in value if isinstance(a, Model | Optimizer | Instance))


def _cond(flow: Machine, node: ast.Call, positional: list[Value], scope: Scope) -> Value:
    functions = (Function, Bound, Partial, Transformed, Module, Model)
    places = [i for i, v in enumerate(positional) if any(isinstance(a, functions) for a in v)]
    result = NOTHING
    if places == [2, 4]:  # cond(predicate, x, f, y, g)
        for place in places:
            given = [positional[place - 1]]
            result |= flow.call_value(positional[place], given, node, scope)
        return result
    operands = positional[3:]
    for value in positional[1:3]:
        result |= flow.call_value(value, operands, node, scope)
    return result
