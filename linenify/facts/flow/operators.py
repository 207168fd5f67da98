"""Operators and displays: what an expression makes of the values in it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow.kinds import (
    ARRAY,
    Array,
    Atom,
    Container,
    Model,
    Parameter,
    Params,
    Static,
    Value,
    static,
)
from linenify.project.scopes import Scope

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine


def element(flow: Machine, node: ast.expr, scope: Scope) -> Value:
    """One element of a display; a starred one gives its elements."""
    value = flow.eval(node, scope)
    return flow.iterate(value) if isinstance(node, ast.Starred) else value


def make(flow: Machine, node: ast.AST, kind: str, elements: list[Value]) -> Value:
    """A container made by `node`."""
    for index, element in enumerate(elements):
        flow.join(flow.items, (node, index), element)
    return frozenset({Container(node, kind)})


def make_dict(
    flow: Machine,
    node: ast.Call,
    positional: list[Value],
    keywords: list[tuple[str | None, Value]],
) -> Value:
    """`dict(...)`."""
    for value in positional:
        spread(flow, node, value)
    for keyword, value in keywords:
        if keyword is None:
            spread(flow, node, value)
        else:
            flow.join(flow.items, (node, keyword), value)
    return frozenset({Container(node, "dict")})


def spread(flow: Machine, node: ast.AST, value: Value) -> None:
    """Adds what `**value` carries to a dict."""
    for atom in value:
        if isinstance(atom, Container) and atom.type not in {"dict", "namespace"}:
            pairs = flow.iterate(frozenset({atom}))
            flow.join(flow.items, (node, "*"), flow.item(pairs, 1))
        elif isinstance(atom, Container):
            for key, item in flow.held(atom.node):
                flow.join(flow.items, (node, key), item)
        else:
            flow.join(flow.items, (node, "*"), flow.item(frozenset({atom}), "*"))


def comprehension(
    flow: Machine,
    node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp,
    scope: Scope,
) -> Value:
    """A comprehension, in a scope of its own."""
    inner = flow.scopes[scope.source.name][node]
    for index, generator in enumerate(node.generators):
        iterated = flow.eval(generator.iter, inner if index else scope)
        flow.bind(generator.target, flow.iterate(iterated), inner)
        for condition in generator.ifs:
            flow.test(condition, inner)
    if isinstance(node, ast.DictComp):
        flow.eval(node.key, inner)
        flow.join(flow.items, (node, "*"), flow.eval(node.value, inner))
        return frozenset({Container(node, "dict")})
    flow.join(flow.items, (node, "*"), flow.eval(node.elt, inner))
    return frozenset({Container(node, "list")})


def subscript(flow: Machine, owner: Value, index: ast.expr, scope: Scope) -> Value:
    """`owner[index]`."""
    key = flow.eval(index, scope)
    if owner and all(isinstance(a, Container) for a in owner):
        flow.note(key, "static")
    if _sliced(index) and not any(
        isinstance(a, Container) or (isinstance(a, Static) and a.type != "None") for a in owner
    ):
        flow.note(owner, "array" if _fancy(index) else "sliced")
    inside = frozenset(
        atom.below(index.value)
        for atom in owner
        if isinstance(atom, Params)
        and isinstance(index, ast.Constant)
        and isinstance(index.value, str)
    )
    if inside:
        return inside
    if any(isinstance(atom, Array) for atom in owner):
        return flow.item(owner, "*") | ARRAY
    if isinstance(index, ast.Slice):
        return owner
    return flow.item(owner, literal(index))


def binary(flow: Machine, left: Value, op: ast.operator, right: Value) -> Value:
    """A binary operation."""
    if isinstance(op, ast.MatMult):
        flow.note(left, "array")
        flow.note(right, "array")
        return ARRAY
    if isinstance(op, ast.Mod) and any(isinstance(a, Static) and a.type == "str" for a in left):
        return static("str")
    if any(isinstance(a, Array) for a in left):
        flow.note(right, "operand")
    if any(isinstance(a, Array) for a in right):
        flow.note(left, "operand")
    return mix(left, right)


def mix(left: Value, right: Value) -> Value:
    """What two values give together."""
    result: set[Atom] = set()
    alone = not any(isinstance(a, Parameter | Array) for a in left) or not any(
        isinstance(a, Parameter | Array) for a in right
    )
    for atom in left | right:
        match atom:
            case Parameter():
                result.add(Parameter(atom.function, atom.name, atom.part, atom.mixed or not alone))
            case Array():
                result.add(Array())
            case Static():
                result.add(Static(atom.type))
            case Container() | Model():
                result.add(atom)
    if any(isinstance(atom, Array) for atom in result):
        return frozenset(a for a in result if not isinstance(a, Static))
    return frozenset(result)


def compare(flow: Machine, ops: list[ast.cmpop], values: list[Value]) -> Value:
    """A comparison."""
    if any(isinstance(op, ast.Is | ast.IsNot) for op in ops):
        return static("bool")
    if len(ops) == 1 and isinstance(ops[0], ast.In | ast.NotIn):
        _contains(flow, *values)
        return static("bool")
    for index, value in enumerate(values):
        others = [other for place, other in enumerate(values) if place != index]
        if any(isinstance(a, Static) and a.type == "str" for other in others for a in other):
            flow.note(value, "static", "str")
    result = values[0]
    for value in values[1:]:
        result = mix(result, value)
    return frozenset(Static("bool") if isinstance(a, Static) else a for a in result)


def _contains(flow: Machine, key: Value, among: Value) -> None:
    """`key in among`: of a mapping it tells no more than that its keys are plain."""
    held = flow.iterate(among)
    words = any(isinstance(a, Static) and a.type == "str" for a in among | held)
    flow.note(key, "static", "str" if words else "")
    if any(isinstance(a, Static) and a.type == "str" for a in key):
        flow.note(held, "static", "str")


def literal(node: ast.expr) -> object:
    """The constant that an index or key is, or "*" for any."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int())):
            return "*"
    return "*"


def _sliced(index: ast.expr) -> bool:
    return _fancy(index) or isinstance(index, ast.Slice)


def _fancy(index: ast.expr) -> bool:
    if isinstance(index, ast.Tuple):
        return any(
            isinstance(e, ast.Slice) or (isinstance(e, ast.Constant) and e.value in (None, ...))
            for e in index.elts
        )
    return isinstance(index, ast.Constant) and index.value is ...
