"""What Python does when it imports a file, read off its tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from linenify.project.nodes import below, walk


def read_at_import(tree: ast.AST) -> Iterator[tuple[ast.expr, bool]]:
    """Calls and chains of names that are evaluated at import, and whether they only annotate.

    What is outside comes first.
    """
    for part, annotates in _parts_at_import(tree):
        yield from _chains(part, annotates=annotates)


def _parts_at_import(node: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    for child in below(node):
        match child:
            case ast.If(test=test) if _is_not_for_import(test):
                for each in child.orelse:
                    yield from _parts_at_import(ast.Module([each], []))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for decorator in child.decorator_list:
                    yield decorator, False
                yield from _signature(child.args)
                if child.returns is not None:
                    yield child.returns, True
            case ast.AnnAssign(annotation=annotation, value=value):
                yield annotation, True
                if value is not None:
                    yield value, False
            case ast.expr():
                yield child, False
            case _:
                yield from _parts_at_import(child)


def _is_not_for_import(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left=ast.Name(id="__name__")):
            return True
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
    return False


def _signature(arguments: ast.arguments) -> Iterator[tuple[ast.AST, bool]]:
    for default in [*arguments.defaults, *arguments.kw_defaults]:
        if default is not None:
            yield default, False
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    for each in [*every, arguments.vararg, arguments.kwarg]:
        if each is not None and each.annotation is not None:
            yield each.annotation, True


def _chains(node: ast.AST, *, annotates: bool) -> Iterator[tuple[ast.expr, bool]]:
    match node:
        case ast.Lambda(args=arguments):
            for part, _ in _signature(arguments):
                yield from _chains(part, annotates=annotates)
            return
        case ast.Name(ctx=ast.Load()):
            yield node, annotates
            return
        case ast.Attribute(ctx=ast.Load()) | ast.Call():
            yield node, annotates
    for child in below(node):
        yield from _chains(child, annotates=annotates)


# --- what a file binds -----------------------------------------------------------------------


def bound_at_top(tree: ast.Module) -> set[str]:
    """The names that a file has after its import, those of `import *` left out."""
    names: set[str] = set()
    for node in walk(tree):
        if isinstance(node, ast.Global):
            names.update(node.names)
    pending: list[ast.AST] = [*tree.body]
    while pending:
        node = pending.pop()
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
                continue
            case ast.ClassDef(name=name):
                names.add(name)
                continue
            case ast.Lambda():
                continue
            case ast.Import() | ast.ImportFrom():
                names.update(a.asname or a.name.partition(".")[0] for a in node.names)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
        pending.extend(below(node))
    return names - {"*"}
