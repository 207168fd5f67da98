"""Calls of module classes: which parameter gets which value, and how."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow import operators
from linenify.facts.flow.kinds import (
    ARRAY,
    KEY,
    NOTHING,
    Container,
    Function,
    Made,
    Model,
    Module,
    Params,
    Value,
    changed,
    static,
)
from linenify.facts.flow.machine import Actual
from linenify.facts.legacy import catalogue
from linenify.project.scopes import FunctionNode

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine


# What Linen itself takes beside the inputs.
_RUN_OPTIONS = frozenset({"rngs", "mutable", "method", "capture_intermediates"})


def call_module(
    flow: Machine,
    module: Module,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """A call of a module class or of an instance."""
    how = "instance" if module.shared else "call"
    actuals(flow, module, module, how, node, positional, keywords)
    return flow.returned(module)


def make(
    flow: Machine,
    module: Module,
    node: ast.Call,
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """An instance made in Linen form: what is given by name is bound, as by `.partial`."""
    for keyword, value in keywords:
        if keyword not in {None, "parent"}:
            assert keyword is not None
            actual(flow, module, module, keyword, value, "bind", node)
    return frozenset({Made(module)})


def run_made(
    flow: Machine, module: Module, node: ast.Call, keywords: list[tuple[str | None, Value]]
) -> Value:
    """A call of such an instance: what is given by name is an input."""
    for keyword, value in keywords:
        if keyword is not None and keyword not in _RUN_OPTIONS:
            actual(flow, module, module, keyword, value, "instance", node)
    return ARRAY


def fits(flow: Machine, module: Module, node: ast.Call, count: int | None = None) -> bool:
    """Whether a call can be of this module class: a correct program makes no other.

    Legacy refuses what a signature does not have, and by position what is bound.

    Args:
        flow: what the signatures are looked up in.
        module: the class, or that of a Model.
        node: the call.
        count: how many positional arguments there are, if not as many as in the text.
    """
    function = flow.function_of(module)
    if function is None:
        return True
    spelt = {k.arg for k in node.keywords if k.arg is not None} if count is None else set()
    names = flow.positional_names(module)
    given = len(node.args) if count is None else count
    starred = (i for i, a in enumerate(node.args) if isinstance(a, ast.Starred))
    certain = next(starred, None)
    if certain is not None:  # what stands before the star is there in any case
        given = certain if count is None else 0
    if given > len(names) and function.args.vararg is None:
        return False
    if any(name in module.bound for name in names[:given]):
        return False
    known = {*names, *(a.arg for a in function.args.kwonlyargs), "name"}
    return function.args.kwarg is not None or spelt <= known


def actuals(
    flow: Machine,
    callee: Module | Model,
    module: Module,
    how: str,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> None:
    """Notes what every argument of a call fills."""
    function = flow.function_of(module)
    if how in {"call", "instance", "init"}:
        own = len(positional) == len(node.args) and len(keywords) == len(node.keywords)
        if not fits(flow, module, node, None if own else len(positional)):
            return  # one of several that the callee might be, but not here
    if function is not None:
        flow.code[function].callers.add(flow.running)
    names = flow.positional_names(module)
    for index, value in enumerate(positional):
        if index < len(node.args) and isinstance(node.args[index], ast.Starred):
            exact = spelt_out(flow, value) if index == len(positional) - 1 else None
            if exact is not None:
                for name, item in zip(names[index:], exact, strict=False):
                    actual(flow, callee, module, name, item, how, node)
                if function is not None and function.args.vararg is not None:
                    for place, item in enumerate(exact[max(len(names) - index, 0) :]):
                        rest = (function.args.vararg, max(index - len(names), 0) + place)
                        flow.join(flow.items, rest, item)
                break
            spread = flow.iterate(value)
            for name in names[index:]:
                actual(flow, callee, module, name, spread, "splat", node)
            if function is not None and function.args.vararg is not None:
                flow.join(flow.items, (function.args.vararg, "*"), spread)
            break
        if index < len(names):
            actual(flow, callee, module, names[index], value, how, node)
        elif function is not None and function.args.vararg is not None:
            flow.join(flow.items, (function.args.vararg, index - len(names)), value)
    for keyword, value in keywords:
        if keyword is not None:
            actual(flow, callee, module, keyword, value, how, node)
        else:
            if isinstance(module.definition, str):
                flow.note(value, "static")
            for atom in value:
                if isinstance(atom, Container):
                    for key, item in flow.held(atom.node):
                        if isinstance(key, str) and key != "*":
                            actual(flow, callee, module, key, item, how, node)


def spelt_out(flow: Machine, value: Value) -> list[Value] | None:
    """The elements of a tuple that the project makes in one place, in order."""
    match [*value]:
        case [Container(node=ast.Tuple(elts=elements) | ast.List(elts=elements) as node)]:
            plain = not any(isinstance(e, ast.Starred) for e in elements)
            if plain and (node, "*") not in flow.items:
                return [flow.items.get((node, i), NOTHING) for i in range(len(elements))]
    return None


def actual(
    flow: Machine,
    callee: Module | Model,
    module: Module,
    name: str,
    value: Value,
    how: str,
    node: ast.Call,
) -> None:
    """One argument: kept, handed to the parameter, and weighed as evidence."""
    if name == "name":
        flow.note(value, "static", "str")
        return
    actual = Actual(callee, name, value, how, node)
    flow.actuals[(node, callee, name)] = actual
    parameters = flow.signature(module)
    if isinstance(parameters, ast.arguments):
        function = flow.function_of(module)
        assert function is not None
        known = {a.arg for a in [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs]}
        if name in known:
            flow.hand(function, name, value)
        elif parameters.kwarg is not None:
            flow.join(flow.items, (parameters, name), value)
        return
    if parameters is None:
        return
    arguments = {argument.name: argument for argument in parameters.arguments}
    if isinstance(parameters, catalogue.Layer):
        found = parameters.argument(name)
    else:
        found = arguments.get(name)
    if found is not None:
        evidence_of(flow, found, value)
        if found.role == "flag":
            _negated(flow, name, node)


def _negated(flow: Machine, name: str, node: ast.Call) -> None:
    """`use_running_average=not train` tells that `train` is a flag."""
    for keyword in node.keywords:
        match keyword:
            case ast.keyword(arg=arg, value=ast.UnaryOp(op=ast.Not(), operand=inner)) if (
                arg == name
            ):
                flow.note(flow.values.get(inner, frozenset()), "test", "bool")


def evidence_of(flow: Machine, argument: catalogue.Argument, value: Value) -> None:
    """What a value must be when a legacy callable takes it here."""
    role = argument.role
    if role == "key":
        role = "array"
    if role == "initializer":
        for atom in value:
            if isinstance(atom, Function):
                initializer(flow, atom.node)
    flow.note(value, role, argument.type)
    if role == "static":
        inside = flow.iterate(frozenset(a for a in value if isinstance(a, Container)))
        flow.note(inside, "static", argument.type.removeprefix("Sequence[").removesuffix("]"))


def initializer(flow: Machine, node: FunctionNode) -> None:
    """Initialisers are called with a key, a shape and a dtype."""
    scope = flow.code[node].scope
    names = [a.arg for a in node.args.args]
    for name, value in zip(names, (KEY, static("shape"), static("dtype")), strict=False):
        flow.assign(scope, name, value)


def call_module_api(
    flow: Machine,
    module: Module,
    name: str,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """`M.partial(...)`, `M.init(...)` and the like."""
    match name:
        case "initialize_carry":
            _weigh_static(flow, module, name, positional, keywords)
            return ARRAY
        case "partial" | "shared":
            bound = {keyword for keyword, _ in keywords if keyword is not None}
            for keyword, value in keywords:
                if keyword is None:
                    bound |= keys(flow, value)
            for keyword, value in keywords:
                if keyword is not None:
                    actual(flow, module, module, keyword, value, "bind", node)
                else:
                    for atom in value:
                        if isinstance(atom, Container):
                            for key in keys(flow, frozenset({atom})):
                                actual(
                                    flow, module, module, key, flow.item(value, key), "bind", node
                                )
            return frozenset(
                {
                    changed(
                        module,
                        bound=module.bound | frozenset(bound - {"name"}),
                        shared=module.shared or name == "shared",
                        named=module.named or "name" in bound,
                        origin=node,
                    )
                }
            )
        case "init" | "create":
            actuals(flow, module, module, "init", node, positional[1:], keywords)
            result = Model(module, origin=node) if name == "create" else Params(module=module)
            return operators.make(flow, node, "tuple", [flow.returned(module), frozenset({result})])
        case "init_by_shape" | "create_by_shape":
            names = flow.positional_names(module)
            given = [ARRAY] * specs(flow, module, positional, keywords)
            if not any(isinstance(a, ast.Starred) for a in node.args):
                given += positional[2:]
            for parameter, value in zip(names, given, strict=False):
                actual(flow, module, module, parameter, value, "init", node)
            for keyword, value in keywords:
                if keyword not in {None, "input_specs"}:
                    assert keyword is not None
                    actual(flow, module, module, keyword, value, "init", node)
            made = Model(module, origin=node)
            outcome = made if name.startswith("create") else Params(module=module)
            return operators.make(
                flow, node, "tuple", [flow.returned(module), frozenset({outcome})]
            )
        case "call":
            actuals(flow, module, module, "instance", node, positional[1:], keywords)
            return flow.returned(module)
    return NOTHING


def keys(flow: Machine, value: Value) -> set[str]:
    """The string keys of the dicts that a value may be."""
    found: set[str] = set()
    for atom in value:
        if isinstance(atom, Container):
            found |= {key for key, _ in flow.held(atom.node) if isinstance(key, str)}
    return found - {"*"}


def specs(
    flow: Machine,
    module: Module,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> int:
    """How many input specs `init_by_shape` gets.

    Of several lists that reach it, those count that leave alone what is bound.
    """
    spec = positional[1] if len(positional) > 1 else dict(keywords).get("input_specs", NOTHING)
    counts = {
        sum(isinstance(key, int) for key, _ in flow.held(atom.node))
        for atom in spec
        if isinstance(atom, Container)
    }
    names = flow.positional_names(module)
    fitting = {c for c in counts if not module.bound.intersection(names[:c])}
    return max(fitting, default=0)


def _weigh_static(
    flow: Machine,
    module: Module,
    name: str,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> None:
    """Evidence from a static method of a layer."""
    layer = catalogue.layer(module.definition) if isinstance(module.definition, str) else None
    known = next((s for s in layer.statics if s.name == name), None) if layer else None
    if known is None:
        return
    for argument, value in zip(known.arguments, positional, strict=False):
        evidence_of(flow, argument, value)
    table = {argument.name: argument for argument in known.arguments}
    for keyword, value in keywords:
        if keyword in table:
            evidence_of(flow, table[keyword], value)
