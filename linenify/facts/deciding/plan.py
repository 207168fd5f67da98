"""The tables that decisions are collected in, while they are being made."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from linenify.errors import reason
from linenify.facts.ask.arguments import splat_keys
from linenify.facts.ask.callers import Callers
from linenify.facts.ask.joints import Joint, Joints
from linenify.facts.ask.parameters import Decision
from linenify.facts.ask.program import Program
from linenify.facts.flow.kinds import Module, ModuleApi
from linenify.facts.legacy.refusals import NOTICES, REFUSALS
from linenify.facts.sites import ContextSite, FileFacts, Finding, Site, Stem, Unclear
from linenify.outcome import Because
from linenify.project.scopes import FunctionNode
from linenify.project.source import Source, Span

P = TypeVar("P")


@dataclass(eq=False, slots=True)
class ClassPlan:
    """What becomes of one module class (or `@nn.module` function).

    Attributes:
        order: its Linen fields in dataclass order, inherited ones first.
        own: the fields that it declares itself.
        given: the fields that its own signatures give, those included that a base declares.
        defaulted: fields that may be left out.
        renamed: parameter -> field where the two differ.
        refused: why it stays as it is; None when it is migrated.
        waits_for: the base class for whose sake it stays.
    """

    node: ast.ClassDef | ast.FunctionDef
    order: list[str] = field(default_factory=list)
    own: dict[str, Decision] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    defaulted: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    refused: str | None = None
    waits_for: ast.ClassDef | None = None
    methods: list[ast.FunctionDef] = field(default_factory=list)
    forwarded: dict[ast.FunctionDef, list[str]] = field(default_factory=dict)
    open: dict[ast.FunctionDef, str] = field(default_factory=dict)  # `**kwargs` as one field


@dataclass(frozen=True, slots=True)
class Settled:
    """What an earlier round found out about a Model that cannot become params.

    Attributes:
        why: what is in the way.
        legacy: whether it stays as it was, and is no object around params either.
        stem: the place that this stems from.
    """

    why: str
    legacy: bool
    stem: Stem


@dataclass(eq=False, slots=True)
class Handed:
    """A lifted transform that is given an instance by name.

    Attributes:
        body: the function that gets it as an argument of the same name.
        give: decides anew, with another expression for the instance.
    """

    body: FunctionNode | None
    give: Callable[[str], None]


class Plan(Program):
    """A program with the sites of its files, and what deciding has to remember."""

    def __init__(
        self,
        program: Program,
        settled: Mapping[ast.Call, Settled] | None = None,
    ) -> None:
        super().__init__(program.project, program.flow, program.decisions, program.index)
        # Models that cannot be params: why, and whether they stay as they were.
        self.settled = settled or {}
        self.files = {source.name: FileFacts() for source in self.flow.project.sources}
        self.classes: dict[ast.ClassDef | ast.FunctionDef, ClassPlan] = {}
        self.exact = dict(self.project.options).get("exact") is True
        self.keep_names = dict(self.project.options).get("keep-names") is True
        self.kept: set[ast.ClassDef | ast.FunctionDef] = set()  # classes with legacy's names
        # `.partial(...)` calls whose result meets a shared instance in one variable:
        # they become instances as well.
        self.promoted: set[ast.Call] = set()
        # Layers that travel as values and are called without a keyword that Linen
        # requires: they are bound where they are named.
        self.wrapped: set[str] = set()
        # Methods of module classes that travel, and are plain functions afterwards.
        self.functions: set[ModuleApi] = set()
        self.handed: dict[ast.Call, list[Handed]] = defaultdict(list)  # by what makes it
        self.lost: set[ast.AST] = set()  # what names a thing that no library has any more
        self.dissolved: set[ast.expr] = set()  # names that go with what is around them
        self.given_caches: set[ast.expr] = set()  # arguments: the cache of a run, or its None
        self._joints = Joints(self, Callers(self))
        self._parts: dict[type[object], object] = {}
        self.given_names: dict[ast.AST, set[str]] = defaultdict(set)  # new ones, by function

    def enter(self, part: object) -> None:
        """Keeps facts that are looked up once, for all who ask for their class."""
        self._parts[type(part)] = part

    def part(self, kind: type[P]) -> P | None:
        """The facts of a class; None before they are looked up."""
        found = self._parts.get(kind)
        return found if isinstance(found, kind) else None

    def is_instance(self, module: Module) -> bool:
        """Whether a module class that travels is an instance in Linen."""
        return module.receiver == "model" or module.origin in self.promoted

    def splat_keys(self, node: ast.expr) -> set[str] | None:
        """The keys that a splatted dict may carry; None where some of what comes is not known."""
        keys = splat_keys(self, node)
        return keys if keys is None or self._joints.is_known(node) else None

    # --- entries ---------------------------------------------------------------------------

    def at(self, source: Source, node: ast.expr, site: Site) -> None:
        """What is to happen to an expression."""
        key = (type(node).__name__, self.span(source, node))
        self.files[source.name].expressions[key] = site

    def forget(self, source: Source, node: ast.expr) -> None:
        """Takes back what was decided for an expression."""
        key = (type(node).__name__, self.span(source, node))
        self.files[source.name].expressions.pop(key, None)

    def site_at(self, source: Source, node: ast.expr) -> Site | None:
        """What was decided for an expression already."""
        key = (type(node).__name__, self.span(source, node))
        return self.files[source.name].expressions.get(key)

    def define(self, source: Source, node: ast.stmt | ast.expr, site: Site) -> None:
        """What is to happen to a definition or an import."""
        span = self.span(source, node)
        kind = "FunctionDef" if isinstance(node, ast.AsyncFunctionDef) else type(node).__name__
        self.files[source.name].definitions[kind, span.line, span.column] = site

    def leave(self, source: Source, statement: ast.With, site: ContextSite) -> None:
        """Has a `with` statement lose items, besides those that it loses already."""
        span = self.span(source, statement)
        known = self.files[source.name].definitions.get(("With", span.line, span.column))
        if isinstance(known, ContextSite):
            places = tuple(sorted({*known.drop, *site.drop}))
            site = replace(known, drop=places, before=(*known.before, *site.before))
        self.define(source, statement, site)

    def refuse(
        self,
        source: Source,
        node: ast.AST,
        code: str,
        why: str,
        *,
        about: ast.expr | None = None,
        because: Stem | None = None,
    ) -> Stem:
        """Leaves a site as it is and says so; gives the place that this stems from.

        Args:
            source: the file.
            node: the site.
            code: the permanent code.
            why: what is said to the reader.
            about: an expression that may be several things, where that is the reason.
            because: another place that the reason stems from, and what was found there.
        """
        joint = self._joints.of(about) if about is not None else None
        if joint is not None:
            because = joint.place, self._told(joint)
        self._find(source, node, code, why, notice=False, because=because)
        return because or (node, why)

    def decline(self, source: Source, node: ast.AST, unclear: Unclear, more: str = "") -> Stem:
        """Leaves a site for the reason that deciding gave, with `more` said behind it."""
        why = unclear.why + more
        return self.refuse(
            source, node, unclear.code, why, about=unclear.about, because=unclear.because
        )

    def fail(self, source: Source, node: ast.stmt | ast.expr, problem: Exception) -> None:
        """Deciding failed, by a bug of ours: the file stays as it was, and so do its partners."""
        file = self.files[source.name]
        file.broken = file.broken or f"line {node.lineno}: {reason(problem)}"

    def _told(self, joint: Joint) -> str:
        """What a joint binds, each with its line."""
        home = self.source(joint.place)
        told = []
        for what, node in joint.sources:
            other = self.source(node)
            line = getattr(node, "lineno", 1)
            told.append(f"{what} ({'line ' if other is home else f'{other.path}:'}{line})")
        return f"`{joint.name}` is {' and '.join(told)}"

    def waits_for(self, definition: ast.ClassDef | ast.FunctionDef) -> Stem | None:
        """The class that another one, or a call of it, waits for: it was not migrated."""
        made = self.classes.get(definition)
        if made is None or made.refused is None:
            return None
        if made.waits_for is not None:
            return self.waits_for(made.waits_for)
        return definition, f"`{definition.name}`: {made.refused.partition(' ')[2]}"

    def notice(self, source: Source, node: ast.AST, code: str, why: str = "") -> None:
        """Reports something that only a faulty program could tell."""
        self._find(source, node, code, why or NOTICES[code].summary, notice=True)

    def _find(
        self,
        source: Source,
        node: ast.AST,
        code: str,
        why: str,
        *,
        notice: bool,
        because: Stem | None = None,
    ) -> None:
        remedy = (NOTICES if notice else REFUSALS)[code].remedy
        span = self._extent(source, node)
        stem: Because | None = None
        if because is not None:
            home = self.source(because[0])
            stem = Because(home.path, self._extent(home, because[0]), because[1])
            if (home.path, stem.span) == (source.path, span):
                stem = None
        finding = Finding(code, span, self.statement(node).lineno, why, remedy, stem)
        facts = self.files[source.name]
        findings = facts.notices if notice else facts.refusals
        if finding not in findings:
            findings.append(finding)

    def _extent(self, source: Source, node: ast.AST) -> Span:
        """The characters that a finding is about; of a definition its first word."""
        place = node if isinstance(node, ast.expr | ast.stmt | ast.arg) else self.statement(node)
        if self.in_text(node) is not None:
            place = self.statement(node)
        span = self.span(source, place)
        if isinstance(place, ast.ClassDef | ast.FunctionDef):
            return Span(span.line, span.column, span.line, span.column + len("class"))
        return span

    # --- classes ---------------------------------------------------------------------------

    def field(self, definition: ast.ClassDef | ast.FunctionDef, parameter: str) -> str:
        """The field that a parameter became."""
        plan = self.classes.get(definition)
        return plan.renamed.get(parameter, parameter) if plan else parameter
