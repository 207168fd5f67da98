"""Calls: what runs, with which values, and what comes back."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow import binding, higher, linenforms, lookup, operators
from linenify.facts.flow.functions import call_function
from linenify.facts.flow.kinds import (
    ARRAY,
    NOTHING,
    Api,
    Atom,
    Bound,
    Class,
    Container,
    External,
    Function,
    Instance,
    Legacy,
    Made,
    Model,
    Module,
    ModuleApi,
    OptimizerDef,
    Parameter,
    Partial,
    SelfApi,
    SuperMethod,
    Transformed,
    Value,
    changed,
    static,
)
from linenify.facts.flow.libraries import call_external
from linenify.facts.flow.methods import call_api
from linenify.project.scopes import Scope

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine


def call_expression(flow: Machine, node: ast.Call, scope: Scope) -> Value:
    """Evaluates a call and everything in it."""
    linenforms.notice_use(flow, node)
    callee = flow.eval(node.func, scope)
    positional = [flow.eval(argument, scope) for argument in node.args]
    keywords = [(k.arg, flow.eval(k.value, scope)) for k in node.keywords]
    if len(positional) > 1 or keywords:
        flow.note(callee, "callable")
    flow.note(callee, "callable")
    result: set[Atom] = set()
    for atom in callee:
        result |= apply(flow, atom, node, positional, keywords, scope)
    return frozenset(result)


def apply(
    flow: Machine,
    atom: Atom,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
    scope: Scope,
) -> Value:
    """What calling one atom gives."""
    match atom:
        case External(path=path):
            return call_external(flow, path, node, positional, keywords, scope)
        case Function(node=function):
            return call_function(flow, function, node, positional, keywords, skip=0)
        case Bound(node=function, drops_first=drops):
            return call_function(flow, function, node, positional, keywords, skip=int(drops))
        case Partial(function=inner, positional=count):
            return apply(flow, inner, node, [NOTHING] * count + positional, keywords, scope)
        case Transformed():
            return higher.apply(flow, atom, node, positional, keywords, scope)
        case Module() if node in flow.where and linenforms.is_linen_form(flow, atom, node, scope):
            return binding.make(flow, atom, node, keywords)
        case Made(module=module):
            return binding.run_made(flow, module, node, keywords)
        case Module():
            return binding.call_module(flow, atom, node, positional, keywords)
        case ModuleApi(module=module, name=name):
            return binding.call_module_api(flow, module, name, node, positional, keywords)
        case Model(module=module, method=method):
            binding.actuals(
                flow, atom, changed(module, method=method), "instance", node, positional, keywords
            )
            return flow.returned(changed(module, method=method))
        case SuperMethod():
            return _call_super(flow, atom, node, positional, keywords)
        case SelfApi(name=name):
            return _call_self(flow, name, positional, keywords)
        case Class():
            return _construct(flow, atom, node, positional, keywords)
        case Instance(node=class_):
            found = flow.hierarchy.find(class_, "__call__")
            if found is not None:
                return call_function(flow, found[1], node, positional, keywords, skip=1)
            return NOTHING
        case Api(receiver=Made(module=module)):
            binding.run_made(flow, module, node, keywords)
            return NOTHING
        case Api(receiver=receiver, name=name):
            return call_api(flow, receiver, name, node, positional, keywords)
        case Parameter():
            for value in positional:
                flow.note(value, "passed")
            inside = _parts(flow, node, atom)
            return inside or frozenset({Parameter(atom.function, atom.name, "item", True)})
    return NOTHING


def _call_super(
    flow: Machine,
    atom: SuperMethod,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """A method of the base of a module class."""
    found = flow.hierarchy.find_after(atom.owner, atom.name)
    if found is None:
        layer = flow.hierarchy.layer(atom.owner)
        if layer is not None and atom.name == "apply":
            binding.actuals(flow, Module(layer), Module(layer), "super", node, positional, keywords)
        return ARRAY
    base = Module(found[0])
    binding.actuals(flow, base, base, "super", node, positional, keywords)
    _hand_back(flow, base, positional, keywords)
    return flow.returned(base)


def _construct(
    flow: Machine,
    atom: Class,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """An object of a plain class of the project."""
    found = flow.hierarchy.find(atom.node, "__init__")
    made: Atom = Instance(atom.node)
    if flow.hierarchy.is_optimizer(atom.node):
        made = OptimizerDef(node, atom.node.name, own=True)
    if found is not None:
        call_function(flow, found[1], node, positional, keywords, skip=1)
        return frozenset({made})
    for value, field_ in zip(positional, lookup.fields(atom.node), strict=False):
        flow.join(flow.attributes, (atom.node, field_), value)
    for keyword, value in keywords:
        if keyword is not None:
            flow.join(flow.attributes, (atom.node, keyword), value)
    return frozenset({made})


def _hand_back(
    flow: Machine,
    base: Module,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> None:
    """Module classes that a base is given may be given to its subclass as well.

    So an argument which is only handed on is called in the way that the base calls it,
    though nobody in the project calls the subclass.
    """
    function = flow.function_of(base)
    if function is None:
        return
    names: list[str | None] = [*flow.positional_names(base)]
    for name, value in [*zip(names, positional, strict=False), *keywords]:
        known = flow.env.get((flow.code[function].scope, name), NOTHING) if name else NOTHING
        passed = frozenset(a for a in known if isinstance(a, Module))
        for origin in flow.origins.of(value) if passed else ():
            if not origin.mixed and not origin.part:
                flow.assign(flow.code[origin.function].scope, origin.name, passed)


def _parts(flow: Machine, node: ast.Call, found: Parameter) -> Value:
    """`mapping.items()` or `mapping.values()`, where the mapping is an argument."""
    if found.part != "attribute" or node.args or not isinstance(node.func, ast.Attribute):
        return NOTHING
    values: Value = frozenset({found})
    match node.func.attr:
        case "values":
            return operators.make(flow, node, "list", [values])
        case "items":
            pair = operators.make(flow, node.func, "tuple", [static("str"), values])
            flow.join(flow.items, (node, "*"), pair)
            return frozenset({Container(node, "list")})
    return NOTHING


def call_value(
    flow: Machine, function: Value, arguments: list[Value], node: ast.Call, scope: Scope
) -> Value:
    """Calls a value with positional arguments, as a JAX transform would."""
    result: set[Atom] = set()
    bare = ast.Call(func=node.func, args=[], keywords=[])
    ast.copy_location(bare, node)
    for atom in function:
        if isinstance(atom, Module | ModuleApi):
            continue  # escapes: judged where it is passed
        result |= apply(flow, atom, bare, arguments, [], scope)
    return frozenset(result)


def _call_self(
    flow: Machine, name: str, positional: list[Value], keywords: list[tuple[str | None, Value]]
) -> Value:
    """`self.param(...)` and other calls on the module."""
    table = dict(keywords)
    if name in {"param", "state"}:
        shape = positional[1] if len(positional) > 1 else table.get("shape", NOTHING)
        initializer = (
            positional[2]
            if len(positional) > 2
            else table.get("initializer", table.get("init_fn", NOTHING))
        )
        flow.note(positional[0] if positional else NOTHING, "static", "str")
        flow.note(shape, "static")
        for item in flow.iterate(shape):
            flow.note(frozenset({item}), "static", "int")
        flow.note(initializer, "initializer", "Callable[..., Any]")
        for atom in initializer:
            if isinstance(atom, Function):
                binding.initializer(flow, atom.node)
        return ARRAY if name == "param" else frozenset({Legacy("ModuleState")})
    if name == "get_param":
        return ARRAY
    return static("bool")
