"""Which name means which binding: the lexical scopes of one file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from linenify.project.nodes import below
from linenify.project.source import Source

# A scope owns the names that are bound in it.  `lookup` answers what Python
# would: class bodies are invisible from the functions inside them,
# comprehensions are scopes of their own, `global` and `nonlocal` redirect.

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(eq=False, slots=True)
class Scope:
    """One lexical scope; compared by identity."""

    source: Source
    node: ast.AST
    kind: str  # "module", "function", "class" or "comprehension"
    parent: Scope | None
    qualname: str
    names: set[str] = field(default_factory=set)
    redirected: dict[str, str] = field(default_factory=dict)  # name -> "global" | "nonlocal"
    rebound: set[str] = field(default_factory=set)  # names that are bound more than once
    shared: set[str] = field(default_factory=set)  # names that other scopes bind as well

    def lookup(self, name: str) -> Scope | None:
        """The scope that binds `name` as seen from here; None for builtins."""
        scope: Scope | None = self
        own = True
        while scope is not None:
            if scope.redirected.get(name) == "global" and (own or scope.kind != "class"):
                return scope.module()
            if name in scope.names and (own or scope.kind != "class"):
                return scope
            own = False
            scope = scope.parent
        return None

    def bind(self, name: str) -> None:
        """Makes `name` its own, unless a statement has given it to another scope."""
        if name in self.names:
            self.rebound.add(name)
        if name not in self.redirected:
            self.names.add(name)

    def module(self) -> Scope:
        """The outermost scope of the file."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def ancestors(self) -> Iterator[Scope]:
        """This scope and all that enclose it, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def function(self) -> Scope | None:
        """The innermost enclosing function scope, this one included."""
        return next((s for s in self.ancestors() if s.kind == "function"), None)


class Scopes:
    """All scopes of one file, by the node that opens them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.module = Scope(source, source.tree, "module", None, "")
        self.by_node: dict[ast.AST, Scope] = {source.tree: self.module}
        self.mentions: list[tuple[ast.Name | ast.arg, Scope]] = []  # with where they stand
        self.tests: list[tuple[ast.expr, Scope]] = []  # what branches depend on
        self._nonlocal: list[tuple[Scope, str]] = []
        for statement in source.tree.body:
            self._bind(statement, self.module)
        for scope, name in self._nonlocal:
            home = scope.parent.lookup(name) if scope.parent is not None else None
            (home or self.module).shared.add(name)

    def __getitem__(self, node: ast.AST) -> Scope:
        return self.by_node[node]

    def _open(self, node: ast.AST, kind: str, parent: Scope, name: str) -> Scope:
        qualname = f"{parent.qualname}.{name}" if parent.qualname else name
        scope = Scope(self.source, node, kind, parent, qualname)
        self.by_node[node] = scope
        return scope

    def _bind(self, node: ast.AST, scope: Scope) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                scope.bind(node.name)
                for outer in [*node.decorator_list, *_defaults(node.args), *_annotations(node)]:
                    self._bind(outer, scope)
                inner = self._open(node, "function", scope, node.name)
                self._take(node.args, inner)
                for statement in node.body:
                    self._bind(statement, inner)
            case ast.Lambda():
                for outer in _defaults(node.args):
                    self._bind(outer, scope)
                inner = self._open(node, "function", scope, "<lambda>")
                self._take(node.args, inner)
                self._bind(node.body, inner)
            case ast.ClassDef():
                scope.bind(node.name)
                for outer in [*node.decorator_list, *node.bases, *(k.value for k in node.keywords)]:
                    self._bind(outer, scope)
                inner = self._open(node, "class", scope, node.name)
                for statement in node.body:
                    self._bind(statement, inner)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self._bind(node.generators[0].iter, scope)
                inner = self._open(node, "comprehension", scope, "<comprehension>")
                for index, generator in enumerate(node.generators):
                    self._bind(generator.target, inner)
                    if index:
                        self._bind(generator.iter, inner)
                    for condition in generator.ifs:
                        self.tests.append((condition, inner))
                        self._bind(condition, inner)
                if isinstance(node, ast.DictComp):
                    self._bind(node.key, inner)
                    self._bind(node.value, inner)
                else:
                    self._bind(node.elt, inner)
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    scope.bind(alias.asname or alias.name.split(".")[0])
            case ast.Global():
                scope.redirected.update(dict.fromkeys(node.names, "global"))
                scope.module().names.update(node.names)
                scope.module().shared.update(node.names)
            case ast.Nonlocal():
                scope.redirected.update(dict.fromkeys(node.names, "nonlocal"))
                self._nonlocal += [(scope, name) for name in node.names]
            case ast.NamedExpr():
                home = scope
                late = False
                while home.kind == "comprehension" and home.parent is not None:
                    late = late or isinstance(home.node, ast.GeneratorExp)
                    home = home.parent
                if late:
                    home.shared.add(node.target.id)
                home.bind(node.target.id)
                self.mentions.append((node.target, scope))
                self._bind(node.value, scope)
            case ast.Name(ctx=ast.Store() | ast.Del()):
                scope.bind(node.id)
                self.mentions.append((node, scope))
            case ast.Name():
                self.mentions.append((node, scope))
            case (
                ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
                | ast.MatchMapping(rest=str(name))
            ):
                scope.bind(name)
                self._children(node, scope)
            case ast.If() | ast.While() | ast.IfExp() | ast.Assert():
                self.tests.append((node.test, scope))
                self._children(node, scope)
            case ast.BoolOp():
                self.tests.append((node, scope))
                self._children(node, scope)
            case _:
                self._children(node, scope)

    def _take(self, arguments: ast.arguments, scope: Scope) -> None:
        for argument in all_arguments(arguments):
            scope.names.add(argument.arg)
            self.mentions.append((argument, scope))

    def _children(self, node: ast.AST, scope: Scope) -> None:
        for child in below(node):
            self._bind(child, scope)


def all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    """Every parameter, `*args` and `**kwargs` included, in order."""
    found = [*arguments.posonlyargs, *arguments.args]
    if arguments.vararg:
        found.append(arguments.vararg)
    found.extend(arguments.kwonlyargs)
    if arguments.kwarg:
        found.append(arguments.kwarg)
    return found


def defaults_by_name(arguments: ast.arguments) -> dict[str, ast.expr]:
    """Default expressions by parameter name."""
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = zip(
        positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True
    )
    table = {argument.arg: default for argument, default in pairs}
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            table[argument.arg] = default
    return table


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return list(defaults_by_name(arguments).values())


def _annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    found = [a.annotation for a in all_arguments(node.args) if a.annotation is not None]
    return [*found, node.returns] if node.returns is not None else found
