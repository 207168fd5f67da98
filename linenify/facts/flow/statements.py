"""Statements: what they bind, define and return."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow import importing, operators
from linenify.facts.flow.kinds import (
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
    Module,
    Partial,
    Self,
    Static,
    Transformed,
    Value,
)
from linenify.facts.legacy.externals import GRADIENTS, LEGACY, transparent
from linenify.project.nodes import below, walk
from linenify.project.scopes import Scope, defaults_by_name

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine


def run(flow: Machine, node: ast.stmt, scope: Scope) -> None:
    """Runs one statement; the bodies of functions are run on their own."""
    match node:
        case ast.Import():
            for alias in node.names:
                importing.bind_import(flow, alias, scope)
        case ast.ImportFrom():
            importing.bind_import_from(flow, node, scope)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            _define_function(flow, node, scope)
        case ast.ClassDef():
            _define_class(flow, node, scope)
        case ast.Return(value=value):
            if value is not None and flow.running is not None:
                flow.join(flow.returns, flow.running, flow.eval(value, scope))
        case ast.Assign(targets=targets, value=value):
            result = flow.eval(value, scope)
            for target in targets:
                bind(flow, target, result, scope)
        case ast.AnnAssign(target=target, value=value):
            if value is not None:
                bind(flow, target, flow.eval(value, scope), scope)
        case ast.AugAssign(target=target, value=value):
            right = flow.eval(value, scope)
            left = flow.eval(target, scope)
            bind(flow, target, operators.mix(left, right), scope)
        case ast.For() | ast.AsyncFor():
            bind(flow, node.target, flow.iterate(flow.eval(node.iter, scope)), scope)
            flow.block(node.body, scope)
            flow.block(node.orelse, scope)
        case ast.While() | ast.If():
            flow.test(node.test, scope)
            flow.block(node.body, scope)
            flow.block(node.orelse, scope)
        case ast.With() | ast.AsyncWith():
            for item in node.items:
                context = _enter_context(flow, flow.eval(item.context_expr, scope))
                if item.optional_vars is not None:
                    bind(flow, item.optional_vars, context, scope)
            flow.block(node.body, scope)
        case ast.Try() | ast.TryStar():
            flow.block(node.body, scope)
            for handler in node.handlers:
                if handler.type is not None:
                    flow.eval(handler.type, scope)
                flow.block(handler.body, scope)
            flow.block(node.orelse, scope)
            flow.block(node.finalbody, scope)
        case ast.Assert(test=test, msg=msg):
            flow.test(test, scope)
            if msg is not None:
                flow.eval(msg, scope)
        case ast.Match():
            subject = flow.eval(node.subject, scope)
            for case_ in node.cases:
                _pattern(flow, case_.pattern, subject, scope)
                if case_.guard is not None:
                    flow.test(case_.guard, scope)
                flow.block(case_.body, scope)
        case _:
            for child in below(node):
                if isinstance(child, ast.expr):
                    flow.eval(child, scope)


def _pattern(flow: Machine, pattern: ast.pattern, subject: Value, scope: Scope) -> None:
    """Binds the names of a pattern: to the subject, or to what is inside it."""
    for node in walk(pattern):
        match node:
            case ast.MatchAs(name=str(name)):
                held = NOTHING if node is pattern else flow.inside(subject)
                flow.assign(scope, name, subject | held, node)
            case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                items = [flow.iterate(subject)]
                flow.assign(scope, name, operators.make(flow, node, "list", items), node)
            case ast.MatchValue(value=value):
                types = [a.type for a in flow.eval(value, scope) if isinstance(a, Static)]
                if node is pattern or isinstance(pattern, ast.MatchOr):
                    flow.note(subject, "static", types[0] if types else "")


def _enter_context(flow: Machine, value: Value) -> Value:
    result: set[Atom] = set()
    for atom in value:
        if isinstance(atom, Legacy | Api):
            own = isinstance(atom, Legacy) and atom.type in {"Cache", "Outputs"}
            result.add(atom if own else Legacy("Collection"))
        elif isinstance(atom, Container):  # what a @contextmanager yields
            result |= flow.iterate(frozenset({atom}))
        elif isinstance(atom, Instance):
            found = flow.hierarchy.find(atom.node, "__enter__")
            result |= flow.returns.get(found[1], frozenset()) if found is not None else set()
    return frozenset(result)


def bind(flow: Machine, target: ast.expr, value: Value, scope: Scope) -> None:
    """Assigns to a name, an attribute, an item or a pattern of them."""
    match target:
        case ast.Name(id=name):
            home = scope.lookup(name) or scope
            flow.assign(home, name, value, target)
            flow.values[target] = value
        case ast.Starred(value=inner):
            bind(flow, inner, operators.make(flow, target, "list", [flow.iterate(value)]), scope)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            starred = [i for i, e in enumerate(elements) if isinstance(e, ast.Starred)]
            for index, element in enumerate(elements):
                fixed = not starred or index < starred[0]
                part = flow.item(value, index) if fixed else _from(flow, value, starred[0])
                if isinstance(element, ast.Starred):
                    rest = operators.make(flow, element, "list", [part])
                    bind(flow, element.value, rest, scope)
                    continue
                bind(flow, element, part, scope)
        case ast.Attribute(value=owner, attr=name):
            for atom in flow.eval(owner, scope):
                match atom:
                    case (
                        Self(owner=node)
                        | Instance(node=node)
                        | Class(node=node)
                        | Module(definition=ast.ClassDef() as node)
                    ):
                        flow.join(flow.attributes, (node, name), value)
                    case Function(node=ast.FunctionDef() as function):
                        flow.join(flow.items, (function, name), value)
                    case Container(node=made, type="namespace"):
                        flow.join(flow.items, (made, name), value)
        case ast.Subscript(value=owner, slice=index):
            flow.eval(index, scope)
            for atom in flow.eval(owner, scope):
                if isinstance(atom, Container):
                    flow.join(flow.items, (atom.node, operators.literal(index)), value)


def _from(flow: Machine, value: Value, place: int) -> Value:
    """Any element of a tuple from a place on."""
    result: set[Atom] = set()
    for atom in value:
        if isinstance(atom, Container):
            flow.readers.read((id(flow.keys), atom.node))
            for key in flow.keys[atom.node]:
                if not isinstance(key, int) or key >= place:
                    result |= flow.items[atom.node, key]
        else:
            result |= flow.item(frozenset({atom}), "*")
    return frozenset(result)


def _define_function(
    flow: Machine, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope
) -> None:
    for default in defaults_by_name(node.args).items():
        value = flow.eval(default[1], scope)
        flow.assign(flow.code[node].scope, default[0], value)
    result: Value = frozenset({Function(node)})
    names: set[Atom] = set()
    for decorator in reversed(node.decorator_list):
        names |= flow.eval(decorator, scope)
        result = _decorate(flow, decorator, result, node, scope)
    known = flow.decorators.get(node, NOTHING)
    if not names <= known:
        flow.decorators[node] = known | frozenset(names)
        if flow.code[node].owner is not None:  # they say how it gets its first argument
            flow.run_all_again()
    owner = flow.code[node].owner
    if owner is not None:
        owner.decorated[node.name] = flow.decorators.get(node, NOTHING)
        return
    flow.assign(scope, node.name, result, node)


def _decorate(
    flow: Machine, decorator: ast.expr, decorated: Value, node: ast.AST, scope: Scope
) -> Value:
    """What a decorator makes of a function or class."""
    made = NOTHING
    for atom in flow.values[decorator]:
        if isinstance(atom, External) and atom.path == f"{LEGACY}.module":
            assert isinstance(node, ast.FunctionDef)
            return frozenset({Module(node)})
        if isinstance(atom, External) and transparent(atom.path) in GRADIENTS:
            return frozenset(Transformed(a, transparent(atom.path) or "") for a in decorated)
        if isinstance(atom, Function | Bound | Partial):
            bare = ast.copy_location(ast.Call(decorator, [], []), decorator)
            place = flow.applied.setdefault(decorator, bare)
            made |= flow.apply(atom, place, [decorated], [], scope)
    if any(isinstance(a, Transformed) and a.transform in GRADIENTS for a in made):
        return made
    # A decorator that may give back what it got is taken to do just that.
    return decorated if decorated <= made else made | decorated


def _base(flow: Machine, base: ast.expr, scope: Scope) -> Value:
    found = operators.element(flow, base, scope)
    if not found and isinstance(base, ast.Subscript):
        return flow.eval(base.value, scope)  # Generic[T]
    return found


def _define_class(flow: Machine, node: ast.ClassDef, scope: Scope) -> None:
    info = flow.hierarchy.infos[node]
    bases = [_base(flow, base, scope) for base in node.bases]
    if bases != info.bases:
        info.bases = bases
        flow.hierarchy.changed()
        flow.run_all_again()
    flow.block(node.body, info.scope)
    kind: Atom = Module(node) if flow.hierarchy.is_module(node) else Class(node)
    result: Value = frozenset({kind})
    for decorator in reversed(node.decorator_list):
        flow.eval(decorator, scope)
        result = _decorate(flow, decorator, result, node, scope)
    flow.assign(scope, node.name, result, node)
