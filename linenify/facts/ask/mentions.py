"""Where a function mentions its own parameters, and what it does to them there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from linenify.facts.ask.program import Program
from linenify.facts.flow.kinds import Container, Parameter, Static
from linenify.project.nodes import below, walk
from linenify.project.scopes import Scope, all_arguments

_CHANGES = frozenset(
    {
        *("append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse"),
        *("setdefault", "sort", "update"),
    }
)


def receiver_name(program: Program, function: ast.FunctionDef) -> str:
    """What a method calls its instance."""
    positional = [*function.args.posonlyargs, *function.args.args]
    if program.flow.code[function].owner is None:
        taken = {a.arg for a in all_arguments(function.args)}
        return "self" if "self" not in taken else "module"
    return positional[0].arg if positional else "self"


def own_names(
    program: Program, function: ast.FunctionDef, name: str
) -> Iterator[tuple[ast.Name, Scope]]:
    """Every mention of a parameter in its function, with the scope it stands in."""
    home = program.flow.code[function].scope
    scopes = program.flow.scopes[home.source.name]

    def visit(node: ast.AST, scope: Scope) -> Iterator[tuple[ast.Name, Scope]]:
        if isinstance(node, ast.Name):
            if node.id == name and scope.lookup(name) is home:
                yield node, scope
            return
        if node in scopes.by_node and node is not function:
            inner = scopes[node]
            outside: list[ast.AST] = []
            inside: list[ast.AST] = []
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    outside = [*node.decorator_list, *node.args.defaults]
                    outside += [d for d in node.args.kw_defaults if d is not None]
                    outside += [a.annotation for a in all_arguments(node.args) if a.annotation]
                    inside = list(node.body)
                case ast.Lambda():
                    outside = [*node.args.defaults]
                    outside += [d for d in node.args.kw_defaults if d is not None]
                    inside = [node.body]
                case ast.ClassDef():
                    outside = [*node.decorator_list, *node.bases, *node.keywords]
                    inside = list(node.body)
                case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                    outside = [node.generators[0].iter]
                    inside = [
                        child
                        for child in walk(node)
                        if child in program.parents
                        and program.parents[child] in (node, *node.generators)
                        and child is not node.generators[0].iter
                        and not isinstance(child, ast.comprehension)
                    ]
            for child in outside:
                yield from visit(child, scope)
            for child in inside:
                yield from visit(child, inner)
            return
        for child in below(node):
            yield from visit(child, scope)

    for statement in function.body:
        yield from visit(statement, home)


def reads(program: Program, function: ast.FunctionDef, name: str) -> bool:
    """Whether a function reads a parameter."""
    return any(isinstance(n.ctx, ast.Load) for n, _ in own_names(program, function, name))


def is_local(program: Program, function: ast.FunctionDef, name: str) -> bool:
    """Whether a field has to be copied into a local variable."""
    if changes(program, function, name):
        return True
    receiver = receiver_name(program, function)
    home = program.flow.code[function].scope
    for node, scope in own_names(program, function, name):
        if isinstance(node.ctx, ast.Store):
            return True
        between = [s for s in scope.ancestors() if _inside(s, home)]
        if isinstance(node.ctx, ast.Load) and any(
            s.kind == "class" or receiver in s.names or s.node in program.decisions.of
            for s in between
        ):
            return True
    return False


def changes(program: Program, function: ast.FunctionDef, name: str) -> bool:
    """Whether the body changes a dict or a list in place: as a field, it would be frozen."""
    for node, _ in own_names(program, function, name):
        if isinstance(node.ctx, ast.Store):
            return False
        value = program.flow.values.get(node, frozenset())
        if not all(isinstance(a, Parameter | Static | Container) for a in value):
            continue
        match program.parents[node]:
            case ast.Attribute(attr=attribute) as method if attribute in _CHANGES and isinstance(
                program.parents[method], ast.Call
            ):
                return True
            case ast.Subscript(value=owner, ctx=ast.Store() | ast.Del()) if owner is node:
                return True
    return False


def _inside(scope: Scope, home: Scope) -> bool:
    return scope is not home and any(s is home for s in scope.ancestors())
