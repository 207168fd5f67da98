"""Calls of functions outside the project: builtins, flax.nn, flax.optim, JAX and others."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow import binding, higher, initkinds, lookup, operators
from linenify.facts.flow.classes import ClassInfo
from linenify.facts.flow.functions import functools_partial
from linenify.facts.flow.importing import imported
from linenify.facts.flow.kinds import (
    ARRAY,
    KEY,
    NOTHING,
    Atom,
    Bound,
    Class,
    Container,
    External,
    Function,
    Instance,
    Legacy,
    Model,
    Module,
    Optimizer,
    OptimizerDef,
    Params,
    Partial,
    Static,
    Super,
    Trained,
    Value,
    static,
)
from linenify.facts.flow.methods import call_api
from linenify.facts.flow.signatures import by_signature
from linenify.facts.legacy import arrays, catalogue
from linenify.facts.legacy.externals import LEGACY, handed_back, transparent
from linenify.project.scopes import Scope

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine

_TREES = (Model, Optimizer, Container, Instance, Legacy, Params)
TRAVERSAL = "ModelParamTraversal"
NAMESPACES = frozenset({"types.SimpleNamespace", "argparse.Namespace", "ml_collections.ConfigDict"})
ITERATIONS = frozenset(
    {
        *("builtins.zip", "builtins.enumerate", "builtins.reversed", "builtins.sorted"),
        *("builtins.list", "builtins.tuple", "builtins.set", "builtins.frozenset"),
        *("builtins.iter", "builtins.next", "builtins.filter", "builtins.map"),
        *("functools.reduce", "itertools.chain", "itertools.product", "itertools.cycle"),
        *("itertools.islice", "itertools.zip_longest", "itertools.starmap", "collections.deque"),
        *("itertools.combinations", "itertools.permutations"),
    }
)


def call_external(
    flow: Machine,
    path: str,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
    scope: Scope,
) -> Value:
    """A call of a function of another library."""
    if path.startswith(LEGACY + "."):
        return _call_legacy(flow, path, node, positional, keywords)
    if path == f"flax.traverse_util.{TRAVERSAL}":
        return frozenset({External(path)})
    if path.endswith(f"{TRAVERSAL}.iterate"):
        return operators.make(flow, node, "list", [ARRAY])
    if path.endswith(f"{TRAVERSAL}.update"):
        _call_each(flow, positional[0] if positional else NOTHING, [ARRAY], node, scope)
        return positional[1] if len(positional) > 1 else NOTHING
    if path.startswith("flax.optim."):
        return _call_optim(flow, path.removeprefix("flax.optim."), node, positional)
    if path == "flax.training.train_state.TrainState.create":
        return frozenset({Trained()})
    if path == "builtins.super":
        return _super(flow, scope)
    if path == "builtins.type" and len(positional) == 1:
        return frozenset(kind for atom in positional[0] for kind in lookup.classes_of(flow, atom))
    if path in {"builtins.getattr", "builtins.setattr"} and len(positional) > 1:
        flow.note(positional[1], "static", "str")
    if path == "builtins.getattr" and len(positional) > 1:
        return _picked(flow, positional[0], positional[1])
    if path in {"builtins.dict", "collections.OrderedDict"}:
        return operators.make_dict(flow, node, positional, keywords)
    if path == "importlib.import_module":
        match node.args:
            case [ast.Constant(value=str(name))] if not name.startswith("."):
                return imported(flow, name, scope.source)
    if path in NAMESPACES:
        operators.make_dict(flow, node, positional, keywords)
        return frozenset({Container(node, "namespace")})
    if path == "collections.defaultdict" and positional:
        made = _call_each(flow, positional[0], [], node, scope)
        flow.join(flow.items, (node, "*"), made)
        return operators.make_dict(flow, node, positional[1:], keywords)
    if path in {"copy.copy", "copy.deepcopy"} and positional:
        return positional[0]
    if path == "dataclasses.replace" and positional:
        for atom in positional[0]:
            call_api(flow, atom, "replace", node, positional[1:], keywords)
        return positional[0]
    if path in {"dataclasses.field", "flax.struct.field"}:
        given = dict(keywords)
        factory = given.get("default_factory", NOTHING)
        return given.get("default", NOTHING) | _call_each(flow, factory, [], node, scope)
    if path in {"builtins.max", "builtins.min", "builtins.sorted"} and positional:
        objects = _compared(flow, node, positional, dict(keywords), scope)
        if path != "builtins.sorted" and objects:
            return objects
    if path in ITERATIONS:
        return _iteration(flow, path.rpartition(".")[2], node, positional, scope)
    if path == "collections.namedtuple":
        return _named_tuple(flow, node, scope)
    if path == "functools.partial" and positional:
        return functools_partial(flow, node, positional, keywords)
    back = handed_back(path)
    if back is not None:
        place, named = back
        tree = positional[place] if place < len(positional) else dict(keywords).get(named, NOTHING)
        if any(isinstance(a, _TREES) for a in tree):
            return tree
    wrapped = transparent(path)
    if wrapped is not None and positional:
        return higher.call(flow, wrapped, node, positional, keywords, scope)
    roles = arrays.signature(path)
    if roles is None:
        for value in [*positional, *(v for _, v in keywords)]:
            for atom in value:
                if isinstance(atom, Function | Bound | Partial):
                    flow.call_value(frozenset({atom}), [ARRAY] * 3, node, scope)
        return NOTHING
    return by_signature(flow, roles, positional, keywords, node, scope)


def _super(flow: Machine, scope: Scope) -> Value:
    """`super()` in a method of a module class, or in a function inside of one."""
    owner = flow.code[flow.running].owner if flow.running in flow.code else None
    home = scope.function()
    while owner is None and home is not None and home.parent is not None:
        outer = home.parent.function()
        if outer is None or not isinstance(outer.node, ast.FunctionDef):
            break
        owner = flow.code[outer.node].owner
        home = outer
    if owner is not None and flow.hierarchy.is_module(owner.node):
        return frozenset({Super(owner.node)})
    return NOTHING


def _compared(
    flow: Machine,
    node: ast.Call,
    positional: list[Value],
    table: dict[str | None, Value],
    scope: Scope,
) -> Value:
    """The objects among what `max`, `min` or `sorted` compares by a key."""
    every = flow.iterate(positional[0]) if len(positional) == 1 else frozenset[Atom]()
    every = every.union(*positional[1:], positional[0] if len(positional) > 1 else NOTHING)
    _call_each(flow, table.get("key", NOTHING), [every], node, scope)
    # The one of several objects; of numbers and arrays, a number or an array.
    return frozenset(a for a in every if isinstance(a, Optimizer | Model | Instance))


def _iteration(
    flow: Machine, name: str, node: ast.Call, positional: list[Value], scope: Scope
) -> Value:
    """Builtins that hand on the elements of what they are given."""
    if not positional:
        return operators.make(flow, node, "list", [])
    match name:
        case "map" | "starmap":
            given = [flow.iterate(value) for value in positional[1:]]
            if name == "starmap":
                given = [flow.item(given[0], place) for place in range(3)] if given else []
            items = _call_each(flow, positional[0], given, node, scope)
        case "reduce":
            element = flow.iterate(positional[1]) if len(positional) > 1 else NOTHING
            start = positional[2] if len(positional) > 2 else element
            return start | _call_each(flow, positional[0], [start, element], node, scope)
        case "zip" | "product" | "zip_longest":
            made = [flow.iterate(value) for value in positional]
            items = operators.make(flow, node.func, "tuple", made)
        case "combinations" | "permutations":
            items = operators.make(flow, node.func, "tuple", [flow.iterate(positional[0])] * 3)
        case "enumerate":
            made = [static("int"), flow.iterate(positional[0])]
            items = operators.make(flow, node.func, "tuple", made)
        case "next":
            return flow.iterate(positional[0]) | frozenset().union(*positional[1:])
        case "filter":
            items = flow.iterate(positional[-1])
            _call_each(flow, positional[0], [items], node, scope)
        case "chain":
            items = frozenset().union(*(flow.iterate(value) for value in positional))
        case _:
            items = flow.iterate(positional[0])
    flow.join(flow.items, (node, "*"), items)
    return frozenset({Container(node, "list")})


def _call_each(
    flow: Machine, function: Value, arguments: list[Value], node: ast.Call, scope: Scope
) -> Value:
    """What a function gives that an iteration calls; a module class gives arrays."""
    if any(isinstance(atom, Module) for atom in function):
        return ARRAY
    return flow.call_value(function, arguments, node, scope)


def _named_tuple(flow: Machine, node: ast.Call, scope: Scope) -> Value:
    """`namedtuple('Spec', ['layer', 'width'])`, as if it were a class statement."""
    names: list[str] = []
    match node.args:
        case [_, ast.List(elts=elements) | ast.Tuple(elts=elements)]:
            names = [str(e.value) for e in elements if isinstance(e, ast.Constant)]
        case [_, ast.Constant(value=str(text))]:
            names = text.replace(",", " ").split()
    if not names:
        return NOTHING
    if node not in flow.records:
        body = "".join(f"\n    {name}: object" for name in names)
        (made,) = ast.parse(f"class Record:{body}").body
        assert isinstance(made, ast.ClassDef)
        inner = Scope(scope.source, made, "class", scope, "Record")
        flow.hierarchy.add(ClassInfo(made, scope.source, inner))
        flow.records[node] = made
    return frozenset({Class(flow.records[node])})


def _picked(flow: Machine, owner: Value, name: Value) -> Value:
    """`getattr(owner, name)` where the strings that `name` may be are known."""
    result: Value = NOTHING
    for atom in name:
        if isinstance(atom, Static) and atom.type == "str" and atom.literal is not None:
            result |= lookup.attribute(flow, owner, ast.literal_eval(atom.literal))
    return result


def _call_optim(flow: Machine, name: str, node: ast.Call, positional: list[Value]) -> Value:
    """A definition of flax.optim is made; those it wraps are items of its call."""
    if name.rpartition(".")[2] == "DynamicScale":
        return frozenset({Legacy("DynamicScale")})
    if name.rpartition(".")[2] == TRAVERSAL:
        return frozenset({External(f"flax.optim.{name}")})
    for index, value in enumerate(positional):
        flow.join(flow.items, (node, index), value)
    return frozenset({OptimizerDef(node, name.rpartition(".")[2])})


def _call_legacy(
    flow: Machine,
    path: str,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """A call of a function of flax.nn."""
    entry = catalogue.function(path[len(LEGACY) + 1 :])
    if entry is None:
        return NOTHING
    for index, value in enumerate(positional):
        if index < len(entry.arguments):
            binding.evidence_of(flow, entry.arguments[index], value)
    for keyword, value in keywords:
        argument = entry.argument(keyword) if keyword is not None else None
        if argument is not None:
            binding.evidence_of(flow, argument, value)
    if entry.name == "Model":
        given = positional[0] if positional else dict(keywords).get("module", NOTHING)
        return frozenset(Model(a, origin=node) for a in given if isinstance(a, Module))
    if entry.name in {"Cache", "_CacheEntry", "Collection"}:
        return frozenset({Legacy(entry.name)})
    match entry.returns:
        case "array":
            return ARRAY
        case "key":
            return KEY
        case "collection" if entry.name == "capture_module_outputs":
            return frozenset({Legacy("Outputs")})
        case "static" if entry.value == "context":
            return frozenset({Legacy("context")})
        case "collection":
            return frozenset({Legacy("Collection")})
        case "initializer":
            return initkinds.made(flow, node, entry.name)
        case "static":
            return static()
    return ARRAY if entry.value == "initializer" else NOTHING
