"""Places that are ready for a name to be missing: `try`, `hasattr`, a choice by version."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from linenify.facts.ask.program import Program
from linenify.facts.legacy.oldapi import PACKAGES, is_gone
from linenify.project.nodes import walk

_IMPORTS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_READS = frozenset({"AttributeError", "NameError", "Exception", "BaseException"})


def guarding(program: Program, node: ast.AST, *, reads: bool = False) -> ast.Try | None:
    """The `try` whose handlers run where an import (or a read) below it fails."""
    wanted = _READS if reads else _IMPORTS
    inner: ast.AST = node
    for ancestor in program.ancestors(node):
        if isinstance(ancestor, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return None
        if isinstance(ancestor, ast.Try) and inner in ancestor.body:
            for handler in ancestor.handlers:
                if handler.type is None or _names(handler.type) & wanted:
                    return ancestor
        inner = ancestor
    return None


def fallback_of(program: Program, node: ast.AST) -> ast.Try | None:
    """The `try` in whose handler a statement stands."""
    inner: ast.AST = node
    for ancestor in program.ancestors(node):
        if isinstance(ancestor, ast.Try) and isinstance(inner, ast.ExceptHandler):
            return ancestor
        inner = ancestor
    return None


def is_provided(branch: list[ast.stmt], local: str, *, besides: ast.AST) -> bool:
    """Whether a branch of a `try` imports `local` from where it is today."""
    return any(
        (alias.asname or alias.name.partition(".")[0]) == local
        and any(path.partition(".")[0] in PACKAGES for path in _paths(statement, alias))
        and not any(is_gone(path) for path in _paths(statement, alias))
        for statement in _statements(branch)
        if statement is not besides
        and isinstance(statement, ast.Import | ast.ImportFrom)
        and not getattr(statement, "level", 0)
        for alias in statement.names
    )


def is_asked_for(program: Program, node: ast.AST, name: str) -> bool:
    """Whether `hasattr(..., name)` or a comparison of versions decides if this runs."""
    inner: ast.AST = node
    for ancestor in program.ancestors(node):
        if isinstance(ancestor, ast.If | ast.IfExp) and inner is not ancestor.test:
            for part in walk(ancestor.test):
                match part:
                    case ast.Call(
                        func=ast.Name(id="hasattr"), args=[_, ast.Constant(value=str(asked))]
                    ) if asked == name:
                        return True
                    case ast.Attribute(attr="__version__" | "version" | "__version_info__"):
                        return True
        inner = ancestor
    return False


def _paths(statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> Iterator[str]:
    if isinstance(statement, ast.Import):
        yield alias.name
    else:
        yield f"{statement.module}.{alias.name}"
        yield statement.module or ""


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        for part in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, part, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


def _names(node: ast.expr) -> set[str]:
    found = {n.id for n in walk(node) if isinstance(n, ast.Name)}
    return found | {n.attr for n in walk(node) if isinstance(n, ast.Attribute)}
