"""Context managers that let exceptions through, so that what stands behind ran to its end."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from linenify.project.nodes import walk
from linenify.project.resolve import Imports
from linenify.project.scopes import Scope, Scopes

# What is made to swallow exceptions comes from here, and from classes of the project.
_SWALLOWING = frozenset({"contextlib", "pytest", "unittest"})


class Managers:
    """Tells the managers of libraries and plain generators from all others."""

    def __init__(self, scopes: Mapping[str, Scopes], imports: Imports) -> None:
        self._scopes = scopes
        self._imports = imports
        self._imported: dict[Scopes, dict[str, str | None]] = {}

    def let_through(self, manager: ast.expr, scope: Scope) -> bool:
        """Whether an exception in the body of a `with` surely goes on behind it."""
        node = manager.func if isinstance(manager, ast.Call) else manager
        while isinstance(node, ast.Attribute):
            node = node.value
        if not isinstance(node, ast.Name):
            return False
        home = scope.lookup(node.id)
        if home is None:
            return node.id == "open"
        if home.kind == "class" or node.id in home.rebound:
            return False
        if home.kind == "module" and (path := self._library(home, node.id)) is not None:
            return path.partition(".")[0] not in _SWALLOWING
        return any(
            isinstance(each, ast.FunctionDef) and each.name == node.id and _is_plain(each)
            for each in getattr(home.node, "body", ())
        )

    def _library(self, home: Scope, name: str) -> str | None:
        """The library that a name of a file comes from."""
        scopes = self._scopes[home.source.name]
        if scopes not in self._imported:
            table = self._imported[scopes] = {}
            for node in walk(home.source.tree):
                match node:
                    case ast.Import(names=names):
                        for alias in names:
                            local = alias.asname or alias.name.partition(".")[0]
                            known = self._imports.find(alias.name, home.source)
                            table[local] = alias.name if known is None else None
                    case ast.ImportFrom(module=str(module), level=0, names=names):
                        known = self._imports.find(module, home.source)
                        for alias in names:
                            table[alias.asname or alias.name] = module if known is None else None
        return self._imported[scopes].get(name)


def _is_plain(function: ast.FunctionDef) -> bool:
    """Whether a generator catches nothing."""
    return bool(function.decorator_list) and not any(
        isinstance(node, ast.Try | ast.TryStar | ast.With) for node in walk(function)
    )
