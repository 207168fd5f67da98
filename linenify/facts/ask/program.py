"""A project as the flow left it: what its places are, and what surrounds them."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from linenify.facts.ask.parameters import Decisions, Role
from linenify.facts.flow.interpret import Interpreter
from linenify.facts.flow.kinds import Function, Module
from linenify.facts.flow.machine import Code
from linenify.project.nodes import below, walk
from linenify.project.scopes import FunctionNode
from linenify.project.source import Project, Source, Span
from linenify.project.spans import Spans


class Index:
    """Where the nodes of a project stand; walked once."""

    def __init__(self, project: Project) -> None:
        self.spans = {source.name: Spans(source.text) for source in project.sources}
        self.sources: dict[ast.AST, Source] = {s.tree: s for s in project.sources}
        self.parents: dict[ast.AST, ast.AST] = {}
        for source in project.sources:
            for node in walk(source.tree):
                if isinstance(node, ast.stmt):
                    self.sources[node] = source
                for child in below(node):
                    self.parents[child] = node


class Program:
    """The finished flow of a project, and lookups that need nothing else."""

    def __init__(
        self,
        project: Project,
        flow: Interpreter,
        decisions: Decisions,
        index: Index | None = None,
    ) -> None:
        self.project = project
        self.flow = flow
        self.decisions = decisions
        self.index = index or Index(project)
        self.spans = self.index.spans
        self.parents = self.index.parents
        self._mentions: dict[FunctionNode, list[ast.expr]] | None = None
        self._codes: dict[ast.AST, Code | None] = {}

    def span(self, source: Source, node: ast.expr | ast.stmt | ast.arg) -> Span:
        """The extent of a node in characters."""
        return self.spans[source.name].of(node)

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around `node`, innermost first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def source(self, node: ast.AST) -> Source:
        """The file that `node` stands in."""
        sources = self.index.sources
        while node not in sources:
            node = self.parents[node]
        return sources[node]

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement that holds `node`."""
        if isinstance(node, ast.stmt):
            return node
        return next(a for a in self.ancestors(node) if isinstance(a, ast.stmt))

    def code(self, node: ast.AST) -> Code | None:
        """The function that `node` stands in."""
        if node not in self._codes:
            around = (a for a in self.ancestors(node) if isinstance(a, FunctionNode))
            function = next(around, None)
            self._codes[node] = self.flow.code.get(function) if function is not None else None
        return self._codes[node]

    def in_text(self, node: ast.AST) -> ast.JoinedStr | None:
        """The outermost f-string around `node`: its inner positions cannot be trusted."""
        found = None
        for ancestor in self.ancestors(node):
            if isinstance(ancestor, ast.JoinedStr):
                found = ancestor
            if isinstance(ancestor, ast.stmt):
                break
        return found

    def mentions(self, function: FunctionNode) -> list[ast.expr]:
        """Every expression that may be a function of the project."""
        if self._mentions is None:
            self._mentions = defaultdict(list)
            for node, value in self.flow.values.items():
                for atom in value:
                    if isinstance(atom, Function) and isinstance(node, ast.expr):
                        self._mentions[atom.node].append(node)
        return self._mentions.get(function, [])

    def bindings(self, module: Module) -> Iterator[ast.Call]:
        """The calls of `.partial` and `.shared` that made a module, the last one first."""
        seen: set[ast.Call] = set()
        origin = module.origin
        while origin is not None:
            yield origin
            seen.add(origin)
            inner = origin.func.value if isinstance(origin.func, ast.Attribute) else None
            found = self.flow.values.get(inner, frozenset()) if inner is not None else frozenset()
            # `net = net.partial(...)`: the name stands for what this call makes, too.
            before = [a for a in found if isinstance(a, Module) and a.origin not in seen]
            before.sort(key=lambda a: (-len(a.bound), getattr(a.origin, "lineno", 0)))
            origin = before[0].origin if before else None

    def role(self, function: ast.FunctionDef, parameter: str) -> Role | None:
        """Whether a parameter of a module method is an input or a field."""
        decision = self.decisions.of.get(function, {}).get(parameter)
        return decision.role if decision else None
