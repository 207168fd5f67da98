"""What imports bind, and what names outside the project are."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from linenify.facts.flow.kinds import NOTHING, External, File, Module, Value
from linenify.facts.legacy import catalogue
from linenify.facts.legacy.externals import LEGACY, canonical
from linenify.project.scopes import Scope
from linenify.project.source import Source

if TYPE_CHECKING:
    from linenify.facts.flow.machine import Machine

DEPTH = 7  # no library nests its names deeper


def bind_import(flow: Machine, alias: ast.alias, scope: Scope) -> None:
    """`import a.b as c`."""
    if alias.asname is not None:
        flow.assign(scope, alias.asname, imported(flow, alias.name, scope.source), alias)
        return
    root = alias.name.split(".")[0]
    flow.assign(scope, root, imported(flow, root, scope.source), alias)


def bind_import_from(flow: Machine, node: ast.ImportFrom, scope: Scope) -> None:
    """`from a import b, c`."""
    home = flow.imports.absolute(scope.source, node.module or "", node.level)
    for alias in node.names:
        if alias.name == "*":
            _import_star(flow, node, scope, alias)
            continue
        name = alias.asname or alias.name
        inner = f"{home}.{alias.name}" if home else alias.name
        submodule = flow.imports.find(inner, scope.source, node.level)
        origin = flow.imports.find(home, scope.source, node.level)
        if origin is not None:
            value = flow.env.get((flow.scopes[origin].module, alias.name), NOTHING)
            flow.assign(scope, name, value, alias)
            if not value and submodule is not None:
                flow.assign(scope, name, frozenset({File(submodule)}), alias)
        elif submodule is not None:
            flow.assign(scope, name, frozenset({File(submodule)}), alias)
        else:
            flow.assign(scope, name, external(f"{home}.{alias.name}"), alias)


def _import_star(flow: Machine, node: ast.ImportFrom, scope: Scope, star: ast.alias) -> None:
    home = flow.imports.absolute(scope.source, node.module or "", node.level)
    origin = flow.imports.find(home, scope.source, node.level)
    if origin is not None:
        module = flow.scopes[origin].module
        for name in sorted(module.names):
            if not name.startswith("_"):
                scope.names.add(name)
                flow.assign(scope, name, flow.env.get((module, name), NOTHING), star)
    elif canonical(home).startswith(LEGACY):
        for path in catalogue.EXPORTED:
            scope.names.add(path)
            flow.assign(scope, path, external(f"{home}.{path}"), star)


def imported(flow: Machine, name: str, importer: Source) -> Value:
    """What `import name` binds."""
    found = flow.imports.find(name, importer)
    if found is not None:
        return frozenset({File(found)})
    return external(name)


def external(path: str) -> Value:
    """The kind of a name outside the project."""
    path = canonical(path)
    if path.startswith("builtins.object."):  # one of very many names
        return frozenset({External("builtins.object")})
    if path.count(".") > DEPTH:  # `node = node.parent`, over and over
        return NOTHING
    if path.startswith(LEGACY + "."):
        entry = catalogue.resolve(path[len(LEGACY) + 1 :])
        if isinstance(entry, catalogue.Layer):
            return frozenset({Module(entry.name, bound=frozenset())})
        if entry is not None:
            return frozenset({External(f"{LEGACY}.{entry.paths[0]}")})
    return frozenset({External(path)})
