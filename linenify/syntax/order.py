"""The order in which a file runs: names that are read before they are imported."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence

from linenify.project.nodes import below, walk

_Definition = ast.FunctionDef | ast.AsyncFunctionDef


def imports_come_late(tree: ast.Module) -> bool:
    """Whether anything but a docstring and imports stands in front of an import."""
    body = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    plain = [isinstance(each, ast.Import | ast.ImportFrom) for each in body]
    first = plain.index(False) if False in plain else len(plain)
    return any(next(_imported(each), None) is not None for each in body[first:])


def read_too_early(tree: ast.Module, names: Collection[str]) -> set[str]:
    """Names that run before the statement that imports them."""
    early: set[str] = set()
    imported: set[str] = set()
    for statement in tree.body:
        imported.update(_imported(statement))
        early |= {name for name in _read([statement]) if name in names} - imported
    return early


def _imported(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, _Definition | ast.ClassDef):
        return
    for node in walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0]


def _read(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """The names that are read when a statement runs; bodies of functions run later."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                pending += [*node.decorator_list, node.args]
                pending += [node.returns] if node.returns is not None else []
            case ast.Lambda():
                pending.append(node.args)
            case ast.Name(id=name, ctx=ast.Load()):
                yield name
            case _:
                pending += below(node)
