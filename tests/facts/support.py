"""Small projects in memory, and what the facts layer says of them."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from linenify.facts.ask.arguments import in_module_code
from linenify.facts.ask.parameters import Decisions
from linenify.facts.ask.program import Program
from linenify.facts.collect import Facts, collect
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.interpret import Interpreter
from linenify.facts.flow.kinds import External, Module, ModuleApi, SelfApi, SuperMethod
from linenify.facts.legacy import catalogue
from linenify.facts.sites import Site
from linenify.project.load import parse
from linenify.project.source import Project, Source, Span
from linenify.project.spans import Spans

HEADER = """\
import functools
import jax
import jax.numpy as jnp
from flax import nn
"""


def source_of(text: str, name: str = "main") -> Source:
    """One parsed file; a name that ends in a dot is a package."""
    last = name.rstrip(".").replace(".", "/")
    path = Path(f"{last}/__init__.py" if name.endswith(".") else f"{last}.py")
    source = parse(text.encode(), path, name.rstrip("."))
    assert isinstance(source, Source), source
    return source


def project_of(files: str | Mapping[str, str], **options: object) -> Project:
    """A project of one text, or of texts by dotted name."""
    texts = {"main": files} if isinstance(files, str) else files
    sources = (source_of(textwrap.dedent(text), name) for name, text in texts.items())
    return Project(tuple(sources), options=tuple(options.items()))


@dataclass(frozen=True)
class World:
    """A project with its facts, asked by the text of what stands in it."""

    project: Project
    facts: Facts

    def source(self, file: str | None = None) -> Source:
        wanted = file or self.project.sources[-1].name
        return next(s for s in self.project.sources if s.name == wanted)

    # --- arguments ---------------------------------------------------------------------

    def arguments(self, method: str) -> dict[str, tuple[str, str, str]]:
        """(role, type, why) by argument, of a method such as `Block.apply`."""
        found = [
            r for r in self.facts.roles if r.method.partition(":")[2].endswith(method.lstrip(":"))
        ]
        assert len(found) == 1, (method, [r.method for r in self.facts.roles])
        return {name: (role, type_, why) for name, role, type_, why in found[0].arguments}

    def inputs(self, method: str) -> list[str]:
        return [n for n, (role, _, _) in self.arguments(method).items() if role == "input"]

    def fields(self, method: str) -> list[str]:
        return [n for n, (role, _, _) in self.arguments(method).items() if role == "field"]

    # --- places ------------------------------------------------------------------------

    def nodes(self, text: str, file: str | None = None) -> list[ast.expr]:
        """Expressions that read as `text`, in order."""
        source = self.source(file)
        wanted = ast.unparse(ast.parse(text, mode="eval").body)
        found = [
            node
            for node in ast.walk(source.tree)
            if isinstance(node, ast.expr) and ast.unparse(node) == wanted
        ]
        assert found, f"`{text}` does not stand in {source.name}"
        return sorted(found, key=lambda n: (n.lineno, n.col_offset))

    def site(self, text: str, file: str | None = None, place: int = 0) -> Site | None:
        """What is to happen to the expression that reads as `text`."""
        source = self.source(file)
        node = self.nodes(text, file)[place]
        key = (type(node).__name__, Spans(source.text).of(node))
        return self.facts.files[source.name].expressions.get(key)

    def refusals(self, file: str | None = None) -> list[str]:
        """Codes of everything refused, in one file or in all."""
        return [
            finding.code
            for name, facts in self.facts.files.items()
            if file in {None, name}
            for finding in facts.refusals
        ]

    def refused(self, text: str, file: str | None = None) -> str | None:
        """The code that stands on the statement around the expression `text`."""
        source = self.source(file)
        node = self.nodes(text, file)[0]
        line = _statement_line(source, node)
        found = [f.code for f in self.facts.files[source.name].refusals if f.statement == line]
        return found[0] if found else None

    # --- the promise -------------------------------------------------------------------

    @cached_property
    def flow(self) -> Interpreter:
        flow = Interpreter(self.project)
        flow.run()
        return flow

    def silent(self) -> list[str]:
        """Legacy calls that would be left as they are, without a word."""
        plan = Plan(Program(self.project, self.flow, Decisions(self.flow, {})))
        found = []
        for source in self.project.sources:
            facts = self.facts.files[source.name]
            spans = Spans(source.text)
            refused = {f.statement for f in facts.refusals}
            for node in ast.walk(source.tree):
                if not isinstance(node, ast.Call) or not self._legacy(plan, node):
                    continue
                if ("Call", spans.of(node)) in facts.expressions:
                    continue
                if refused & _lines_around(source, node):
                    continue
                found.append(f"{source.name}:{spans.of(node)} {ast.unparse(node)}")
        return found

    def _legacy(self, plan: Plan, call: ast.Call) -> bool:
        for atom in self.flow.values.get(call.func, frozenset()):
            match atom:
                case Module() | SuperMethod():
                    return True
                case ModuleApi(module=module, name=name):
                    return name in _PROTOCOL or module.definition == "?"
                case SelfApi(name=name) if name in {"param", "get_param", "state", "get_state"}:
                    return True
                case External(path=path) if path.startswith("flax.nn."):
                    entry = catalogue.function(path.removeprefix("flax.nn."))
                    if entry is None or entry.kind not in {"same", "renamed"}:
                        return True
        if call in self.flow.where or not self._spelt(call):
            return False
        return in_module_code(plan, call) or True

    def _spelt(self, call: ast.Call) -> bool:
        """Whether a call that the interpreter never reached reads like a legacy one."""
        text = ast.unparse(call.func)
        return text.startswith("nn.") or text.endswith((".partial", ".shared", ".param"))


_PROTOCOL = frozenset(
    ["partial", "shared", "init", "init_by_shape", "create", "create_by_shape", "call", "apply"]
)


def facts_of(files: str | Mapping[str, str], **options: object) -> World:
    """What is decided for one text, or for texts by dotted name.

    A single text gets the imports that every legacy model has.
    """
    if isinstance(files, str):
        files = HEADER + textwrap.dedent(files)
    project = project_of(files, **options)
    return World(project, collect(project))


def _parents(source: Source) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(source.tree) for child in ast.iter_child_nodes(node)}


def _lines_around(source: Source, node: ast.AST) -> set[int]:
    """First lines of the statements around an expression; the module class included."""
    parents = _parents(source)
    lines = set()
    while node in parents:
        if isinstance(node, ast.stmt):
            lines.add(node.lineno)
        node = parents[node]
    return lines


def _statement_line(source: Source, node: ast.AST) -> int:
    parents = _parents(source)
    while not isinstance(node, ast.stmt):
        node = parents[node]
    return node.lineno


def span(line: int, column: int, end_line: int, end_column: int) -> Span:
    return Span(line, column, end_line, end_column)
