"""Whether an expression can be one thing only: a name of another library, spelt out.

What a variable may be is a union of all that was seen to flow into it, and what is
not known leaves no trace in it.  A chain of names that imports alone bind is certain.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from weakref import WeakKeyDictionary

from linenify.facts.ask.program import Program
from linenify.facts.flow.kinds import External, File, Value
from linenify.project.nodes import below, walk
from linenify.project.scopes import FunctionNode, Scope

_NOTHING: Value = frozenset()


class Bindings:
    """Who binds which name of a project, other than by an import."""

    def __init__(self, program: Program) -> None:
        self.scope_of: dict[ast.AST, Scope] = {}
        self.stores: dict[tuple[Scope, str], list[ast.AST]] = defaultdict(list)
        for scopes in program.flow.scopes.values():
            for mention, scope in scopes.mentions:
                self.scope_of[mention] = scope
                if isinstance(mention, ast.arg):
                    self.stores[scope, mention.arg].append(mention)
                elif not isinstance(mention.ctx, ast.Load):
                    home = scope.lookup(mention.id)
                    self.stores[home or scope, mention.id].append(mention)
            for node, scope in scopes.by_node.items():
                if isinstance(node, FunctionNode | ast.ClassDef) and scope.parent is not None:
                    name = getattr(node, "name", None)
                    if name is not None:
                        self.stores[scope.parent, name].append(node)


_BINDINGS: WeakKeyDictionary[Program, Bindings] = WeakKeyDictionary()


def bindings(program: Program) -> Bindings:
    """The bindings of a project, collected once."""
    found = _BINDINGS.get(program)
    if found is None:
        found = _BINDINGS[program] = Bindings(program)
    return found


def spelt(program: Program, node: ast.expr) -> str | None:
    """The dotted path of what a chain of names is, where imports of libraries say so.

    `jnp.mean`, `index_add` from an import; not a variable, a parameter, a name that a
    second branch binds otherwise, or one that comes from a file of the project.
    """
    value = program.flow.values.get(node, _NOTHING)
    match node, [*value]:
        case ast.Attribute(value=owner), [External(path=path)]:
            return path if _is_namespace(program, owner) else None
        case ast.Name(id=name), [External(path=path)]:
            home = _home(program, node)
            if home is None or (home, name) in bindings(program).stores:
                return None
            return path if _imported_from_library(program, home, name) else None
    return None


def certain(program: Program, node: ast.expr) -> str | None:
    """The same, or a variable that is one such name and never anything else."""
    path = spelt(program, node)
    if path is not None or not isinstance(node, ast.Name):
        return path
    home = _home(program, node)
    stores = bindings(program).stores.get((home, node.id), []) if home is not None else []
    if len(stores) != 1 or [*program.flow.values.get(node, _NOTHING)][1:]:
        return None
    match program.parents.get(stores[0]):
        case ast.Assign(targets=[ast.Name()], value=value):
            return spelt(program, value)
    return None


def is_guarded(program: Program, statement: ast.stmt) -> bool:
    """Whether an import stands in a `try` that goes on without it."""
    inner: ast.AST = statement
    for ancestor in program.ancestors(statement):
        if isinstance(ancestor, ast.Try) and inner in ancestor.body:
            for handler in ancestor.handlers:
                caught = (
                    {n.id for n in walk(handler.type) if isinstance(n, ast.Name)}
                    if (handler.type is not None)
                    else {"Exception"}
                )
                if caught & {"ImportError", "ModuleNotFoundError", "Exception", "AttributeError"}:
                    return True
        inner = ancestor
    return False


def _is_namespace(program: Program, owner: ast.expr) -> bool:
    value = program.flow.values.get(owner, _NOTHING)
    if len(value) == 1 and isinstance(next(iter(value)), File):
        return False
    return certain(program, owner) is not None


def _home(program: Program, node: ast.Name) -> Scope | None:
    scope = bindings(program).scope_of.get(node)
    return scope.lookup(node.id) if scope is not None else None


def _imported_from_library(program: Program, home: Scope, name: str) -> bool:
    """Whether no file of the project hands the name on."""
    return all(
        isinstance(statement, ast.Import)
        or program.flow.imports.find(
            program.flow.imports.absolute(home.source, statement.module or "", statement.level),
            home.source,
            statement.level,
        )
        is None
        for statement in _imports(program, home).get(name, ())
    )


_IMPORTS: WeakKeyDictionary[Program, dict[Scope, dict[str, list[ast.Import | ast.ImportFrom]]]] = (
    WeakKeyDictionary()
)


def _imports(program: Program, home: Scope) -> dict[str, list[ast.Import | ast.ImportFrom]]:
    """The import statements of one scope, by the names that they bind."""
    known = _IMPORTS.setdefault(program, {})
    if home not in known:
        table: dict[str, list[ast.Import | ast.ImportFrom]] = defaultdict(list)
        inner = program.flow.scopes[home.source.name].by_node
        pending: list[ast.AST] = [*below(home.node)]
        while pending:
            node = pending.pop()
            if isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    table[alias.asname or alias.name.partition(".")[0]].append(node)
            elif node not in inner:
                pending.extend(below(node))
        known[home] = table
    return known[home]


def is_spelt(program: Program, node: ast.expr) -> bool:
    """Whether an expression names a layer outright: `nn.BatchNorm`, or an imported name."""
    if isinstance(node, ast.Attribute):
        owner = program.flow.values.get(node.value, frozenset())
        return any(isinstance(a, External | File) for a in owner)
    if not isinstance(node, ast.Name):
        return False
    return _is_imported(program, node)


def _is_imported(program: Program, node: ast.Name) -> bool:
    top: ast.AST = node
    for ancestor in program.ancestors(node):
        top = ancestor
    return any(
        isinstance(statement, ast.ImportFrom)
        and any((alias.asname or alias.name) == node.id for alias in statement.names)
        for statement in walk(top)
    )
