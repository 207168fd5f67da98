"""What the rules ask of a whole file: the names that it binds, and what they hold."""

from __future__ import annotations

import ast

from linenify.facts.sites import FileFacts, FunctionModuleSite, ImportSite, ModuleClassSite
from linenify.project.nodes import walk
from linenify.project.source import Source
from linenify.syntax.imports import bound_by_imports


def taken(tree: ast.Module) -> frozenset[str]:
    """Names that a file binds anywhere, other than by an import."""
    names: set[str] = set()
    for node in walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
    return frozenset(names)


def consumed(facts: FileFacts) -> dict[tuple[int, int], frozenset[str]]:
    """Parameters that become fields of their own class, by the place of the `def`."""
    table: dict[tuple[int, int], frozenset[str]] = {}
    for site in facts.definitions.values():
        if isinstance(site, ModuleClassSite | FunctionModuleSite):
            for each in site.fields:
                place = (each.method.line, each.method.column)
                table[place] = table.get(place, frozenset()) | {each.parameter}
    return table


def bound(source: Source, facts: FileFacts) -> dict[str, str]:
    """What the imports at the top bind, after the rewrite."""
    table = bound_by_imports(source.tree)
    for site in facts.definitions.values():
        if isinstance(site, ImportSite):
            for name in site.names:
                if name.local in table and name.target is not None:
                    table[name.local] = (
                        name.target if "." in table[name.local] else table[name.local]
                    )
    return table


def mutable(tree: ast.Module) -> dict[str, str]:
    """Names at the top of a file that hold a list, dict or set."""
    table: dict[str, str] = {}
    for statement in tree.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                match value:
                    case ast.Dict() | ast.DictComp():
                        table[name] = "dict"
                    case ast.List() | ast.ListComp():
                        table[name] = "list"
                    case ast.Set() | ast.SetComp():
                        table[name] = "set"
                    case ast.Call(func=ast.Name(id="dict" | "list" | "set" as maker)):
                        table[name] = maker
    return table
