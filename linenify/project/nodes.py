"""Walks of `ast` trees, which are never changed: every tree is gone through once."""

from __future__ import annotations

import ast
from collections.abc import Sequence

# Fields that hold no node, or one that says nothing by itself, as `ast.Load` and `ast.Add` do.
_PLAIN = frozenset(
    {
        *("arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "kwd_attrs"),
        *("level", "lineno", "module", "name", "op", "ops", "rest", "simple", "tag"),
        "type_comment",
    }
)
_LITERALS = (ast.Constant, ast.MatchSingleton, ast.Global, ast.Nonlocal)
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}
# Of these the walk is kept, on the node: it goes when the tree goes.
_WHOLE = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_KEPT = "_walk"


def walk(node: ast.AST) -> Sequence[ast.AST]:
    """All nodes of a tree in the order of `ast.walk`, without contexts and operators."""
    whole = isinstance(node, _WHOLE)
    if whole:
        kept: list[ast.AST] | None = node.__dict__.get(_KEPT)
        if kept is not None:
            return kept
    found = [node]
    for each in found:
        _add_children(each, found)
    if whole:
        node.__dict__[_KEPT] = found
    return found


def below(node: ast.AST) -> list[ast.AST]:
    """The nodes right below one, without contexts and operators."""
    found: list[ast.AST] = []
    _add_children(node, found)
    return found


def _add_children(node: ast.AST, found: list[ast.AST]) -> None:
    kind = node.__class__
    fields = _FIELDS.get(kind)
    if fields is None:
        fields = _FIELDS[kind] = _fields_of(kind)
    for name in fields:
        value = getattr(node, name, None)
        if value.__class__ is list:
            found.extend([each for each in value if isinstance(each, ast.AST)])
        elif value is not None:
            found.append(value)


def _fields_of(kind: type[ast.AST]) -> tuple[str, ...]:
    if issubclass(kind, _LITERALS):
        return ()
    return tuple(name for name in kind._fields if name not in _PLAIN)
