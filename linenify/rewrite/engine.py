"""The single pass over the tree of a file: asks the original, changes the updated."""

from __future__ import annotations

import ast
import bisect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import libcst as cst

from linenify.facts.sites import (
    Bind,
    FileFacts,
    ImportSite,
    ModuleCall,
    ModuleClassSite,
    Reshaped,
    Site,
)
from linenify.project.source import Source
from linenify.rewrite import surroundings
from linenify.rewrite.marks import todo_text, waiting_todos
from linenify.rewrite.promises import BrokenPromise
from linenify.rules.base import LINEN, Context, Rewrite, TakenParameter
from linenify.rules.forms import FORMS
from linenify.rules.forms.calls import statements
from linenify.syntax.blocks import settled, tombstone
from linenify.syntax.build import code, expression
from linenify.syntax.comments import comments_of, own_line, stranded, wrapped
from linenify.syntax.positions import AST_NAMES, Placed
from linenify.syntax.todos import LINES

_Line = cst.SimpleStatementLine | cst.BaseCompoundStatement


@dataclass(slots=True)
class _ClassFrame:
    site: ModuleClassSite
    children: dict[str, cst.BaseExpression] = field(default_factory=dict)


_OF_THEIR_OWN = (cst.FunctionDef, cst.ClassDef)  # they have names of their own


class Engine(cst.CSTTransformer):
    """Rewrites the sites of one file, and keeps what is left to do when it is through."""

    def __init__(self, source: Source, parsed: Placed, facts: FileFacts) -> None:
        super().__init__()
        self.rules: Counter[str] = Counter()
        self.imports: set[str] = set()
        self.import_nodes: dict[int, tuple[cst.Import | cst.ImportFrom, ImportSite]] = {}
        self.nested_imports = False
        self.bound = surroundings.bound(source, facts)
        self.taken = surroundings.taken(source.tree)
        self._source = source
        self._parsed = parsed
        self._facts = facts
        self._mutable = surroundings.mutable(source.tree)
        self._todos = waiting_todos(source.text, facts)
        self._comments = dict(facts.comments)
        self._inserted = dict(facts.inserted)
        self._frames: list[_ClassFrame] = []
        self._parameters: dict[tuple[int, int], Mapping[str, TakenParameter]] = {}
        self._consumed = surroundings.consumed(facts)
        self._stranded: list[str] = []
        self._following: list[_Line] = []
        self._before: list[cst.SimpleStatementLine] = []
        self._met: set[object] = set()
        self._depth = 0
        self._path: list[cst.CSTNode] = []
        self._columns: list[int] = []
        self._copies: dict[str, cst.BaseExpression] = {}
        lines = {span.line for _, span in facts.expressions}
        lines |= {line for _, line, _ in facts.definitions}
        lines |= set(facts.statements) | set(self._todos) | set(facts.inserted)
        self._lines = sorted(lines)
        self._margins = [line[: -len(line.lstrip()) or None] for line in LINES.split(source.text)]
        self._hashes = [
            number for number, line in enumerate(LINES.split(source.text), 1) if "#" in line
        ]

    def missed(self) -> list[object]:
        """Sites and marks that no node answered to."""
        wanted: list[object] = [*self._facts.expressions, *self._facts.definitions]
        wanted += [*self._facts.statements]
        found = [key for key in wanted if key not in self._met]
        found += [f"a statement for line {line}" for line in self._inserted]
        return [*found, *(f"a mark for line {line}" for line in self._todos)]

    @property
    def beside(self) -> bool:
        """Whether statements wait for a place beside what was rewritten last."""
        return bool(self._before or self._following)

    # --- the walk --------------------------------------------------------------------------

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Goes only where something is to happen."""
        self._path.append(node)
        if isinstance(node, cst.BaseStatement):
            self._columns.append(self._parsed.span(node).column)
        if isinstance(node, cst.ClassDef):
            site = self._site(node)
            if isinstance(site, ModuleClassSite):
                self._frames.append(_ClassFrame(site))
        elif isinstance(node, cst.IndentedBlock):
            self._depth += 1
        elif isinstance(node, cst.Import | cst.ImportFrom):
            return False
        place = self._parsed.ranges.get(node)
        if place is None:
            return True
        start = place.start.line
        first = node.body[0] if isinstance(node, cst.IndentedBlock) and node.body else node
        if isinstance(first, cst.FunctionDef | cst.ClassDef) and first.decorators:
            start = self._parsed.ranges[first.decorators[0]].start.line
        index = bisect.bisect_left(self._lines, start)
        return index < len(self._lines) and self._lines[index] <= place.end.line

    def on_leave(  # type: ignore[override]
        self, original: cst.CSTNode, updated: cst.CSTNode
    ) -> cst.CSTNode:
        """Rewrites a node whose parts have been rewritten."""
        kind = type(original)
        self._path.pop()
        if kind in AST_NAMES:
            updated = self._rewritten(original, updated)
        elif kind is cst.SimpleStatementLine:
            updated = self._statement(original, updated)
        elif kind is cst.SimpleStatementSuite:
            updated = self._suite(original, updated)
        elif kind is cst.IndentedBlock or kind is cst.Module:
            self._depth -= kind is cst.IndentedBlock
            updated = settled(updated)  # type: ignore[arg-type]
        own = len(getattr(updated, "leading_lines", ()))
        if hasattr(original, "leading_lines"):
            updated = self._marked(original, updated)
        if isinstance(original, cst.BaseStatement):
            self._columns.pop()
        if self._following or (self._before and kind is cst.SimpleStatementLine):
            lines = [*self._before, updated, *self._following]
            self._before, self._following = [], []
            if lines[0] is not updated:
                above = updated.leading_lines  # type: ignore[attr-defined]
                lines[0] = lines[0].with_changes(leading_lines=above[:own])
                lines[lines.index(updated)] = updated.with_changes(leading_lines=above[own:])
            return cst.FlattenSentinel(lines)  # type: ignore[return-value]
        return self._with_inserted(original, updated) if self._inserted else updated

    def _with_inserted(self, original: cst.CSTNode, updated: cst.CSTNode) -> cst.CSTNode:
        """Puts statements above one, behind the empty lines there."""
        if not isinstance(original, cst.BaseStatement):
            return updated
        lines = self._inserted.pop(self._first_line(original), None)
        if lines is None:
            return updated
        made, imports = statements(lines, {}, self._context(original, None))
        self.imports |= imports
        self.rules["LN701"] += len(lines)
        above: Sequence[cst.EmptyLine] = updated.leading_lines  # type: ignore[attr-defined]
        empty = [n for n, line in enumerate(above) if line.comment is None]
        cut = empty[-1] + 1 if empty else 0
        first, *rest = made
        return cst.FlattenSentinel(  # type: ignore[return-value]
            [
                first.with_changes(leading_lines=above[:cut]),
                *rest,
                updated.with_changes(leading_lines=above[cut:]),
            ]
        )

    def _first_line(self, node: cst.CSTNode) -> int:
        decorators = getattr(node, "decorators", ())
        return self._parsed.span(decorators[0] if decorators else node).line

    # --- sites -----------------------------------------------------------------------------

    def _keys(self, node: cst.CSTNode) -> Iterator[object]:
        name = AST_NAMES.get(type(node))
        if name is not None and node in self._parsed.ranges:
            span = self._parsed.span(node)
            yield name, span
            yield name, span.line, span.column

    def _site(self, node: cst.CSTNode) -> Site | None:
        for key in self._keys(node):
            site = self._facts.expressions.get(key)  # type: ignore[call-overload]
            site = site or self._facts.definitions.get(key)  # type: ignore[call-overload]
            if site is not None:
                return site  # type: ignore[no-any-return]
        return None

    def _rewritten(self, original: cst.CSTNode, updated: cst.CSTNode) -> cst.CSTNode:
        site = self._site(original)
        if site is None:
            return updated
        self._met.update(self._keys(original))
        if isinstance(site, ImportSite):
            assert isinstance(updated, cst.Import | cst.ImportFrom)
            if isinstance(updated.names, cst.ImportStar):
                self.rules[site.rule] += 1
                return updated.with_changes(module=expression(site.names[0].target or LINEN))
            self.import_nodes[id(updated)] = (updated, site)
            self.nested_imports |= self._depth > 0
            self.rules[site.rule] += 1
            return updated
        frame = self._frames.pop() if isinstance(site, ModuleClassSite) else None
        outcome = FORMS[type(site)](updated, site, self._context(original, frame))
        if not isinstance(outcome, Rewrite):
            return updated
        if site.rule:
            self.rules[site.rule] += 1
        if isinstance(site, ModuleCall | Bind) and site.name is not None:
            self.rules["LN701"] += 1
        self.imports |= outcome.imports
        children = dict(outcome.children)
        if self._frames:
            known = self._frames[-1].children
            children = {name: made for name, made in children.items() if name not in known}
            known.update(children)
        if isinstance(original, cst.BaseExpression) and self._has_comments(original):
            made = [outcome.node, *children.values()]
            kept = [comment for node in made for comment in comments_of(node)]
            self._stranded += stranded(comments_of(updated), kept)
        self._before += outcome.before
        if isinstance(outcome.node, cst.Module):  # the body of a statement that is gone
            first, *self._following = outcome.node.body
            kept = [comment for line in outcome.node.body for comment in comments_of(line)]
            self._stranded += stranded(comments_of(updated), kept)
            return first
        if isinstance(original, cst.With):
            self._stranded += stranded(comments_of(updated), comments_of(outcome.node))
        if outcome.parameters:
            self._parameters[self._place(original)] = outcome.parameters
        return outcome.node

    def _has_comments(self, node: cst.CSTNode) -> bool:
        """Whether a comment can be inside of a node; looking at each node costs more."""
        span = self._parsed.span(node)
        index = bisect.bisect_left(self._hashes, span.line)
        return index < len(self._hashes) and self._hashes[index] < span.end_line

    def _context(self, original: cst.CSTNode, frame: _ClassFrame | None) -> Context:
        place = self._place(original)
        indent = self._columns[-1] if self._columns else 0
        return Context(
            original=original,
            linen=self._facts.linen,
            bound=self.bound,
            mutable=self._mutable,
            site=self._site,
            place=self._place,
            indent=indent,
            hanging=self._margins[place[0] - 1][indent:],
            step=self._parsed.module.default_indent,
            alone=bool(self._path) and _stands_alone_in(self._path[-1]),
            nested=any(self._is_made_anew(each) for each in self._path),
            children=frame.children if frame is not None else {},
            parameters=self._parameters,
            consumed=self._consumed.get(place, frozenset()),
            taken=self.taken,
            repeated=self._repeated,
        )

    def _repeated(self, mark: str) -> cst.BaseExpression:
        """An expression of this file as it has been rewritten, for a second place.

        It is rewritten anew: where it stands, it may come later, or be gone.
        """
        if mark not in self._copies:
            node = self._parsed.expression(mark)
            again = Engine(self._source, self._parsed, self._facts)
            made = node.visit(again)
            if again.beside or not isinstance(made, cst.BaseExpression):
                message = f"`{code(node)}` stands in two places and needs statements beside it"
                raise BrokenPromise(message)
            self.imports |= again.imports
            text = code(made)
            if "\n" in text or "\r" in text:
                made = expression(ast.unparse(ast.parse(f"({text}\n)", mode="eval")))
            self._copies[mark] = made
        return self._copies[mark]

    def _is_made_anew(self, node: cst.CSTNode) -> bool:
        """Whether a node around becomes another expression, of parts that are one line each."""
        if not isinstance(node, cst.Call) or not isinstance(self._site(node), Reshaped):
            return False
        parts = [node.func]
        for value in (arg.value for arg in node.args):
            elements = value.elements if isinstance(value, cst.Tuple) else ()
            parts += [each.value for each in elements] or [value]
        spans = [self._parsed.span(part) for part in parts]
        return all(span.line == span.end_line for span in spans)

    def _place(self, node: cst.CSTNode) -> tuple[int, int]:
        span = self._parsed.span(node)
        return span.line, span.column

    # --- statements ------------------------------------------------------------------------

    def _statement(self, original: cst.CSTNode, updated: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(original, cst.SimpleStatementLine)
        assert isinstance(updated, cst.SimpleStatementLine)
        lines = self._in_its_place(original, updated)
        if len(original.body) > 1 and lines:
            return updated.with_changes(body=self._beside_others(original, updated, lines))
        if lines:
            first, *self._following = lines
            return updated.with_changes(body=first.body)  # the comment behind stays here
        body = self._without(original.body, updated.body)
        if body is None:
            return updated
        if not body:
            return tombstone(updated)
        return updated.with_changes(body=body)

    def _in_its_place(
        self, original: cst.SimpleStatementLine, updated: cst.SimpleStatementLine
    ) -> Sequence[_Line]:
        """The statements that an assignment becomes."""
        line = self._parsed.span(original.body[0]).line
        site = self._facts.statements.get(line)
        index = self._meant_on(line, original)
        match updated.body[index] if index is not None else None:
            case cst.Assign(value=value) | cst.Expr(value=value) | cst.Return(value=value) if (
                value is not None and site is not None and site.lines
            ):
                self._met.add(line)
                self.rules[site.rule] += 1
                context = self._context(original.body[index or 0], None)
                made, imports = statements(site.lines, {"value": value}, context)
                self.imports |= imports
                return made
        return []

    def _meant_on(self, line: int, original: cst.SimpleStatementLine) -> int | None:
        """The place of the statement that others replace, among those of its line."""
        if len(original.body) == 1:
            return 0
        columns = [self._parsed.span(each).column for each in original.body]
        column = self._facts.shared.get(line)
        return columns.index(column) if column in columns else None

    def _beside_others(
        self,
        original: cst.SimpleStatementLine,
        updated: cst.SimpleStatementLine,
        lines: Sequence[_Line],
    ) -> list[cst.BaseSmallStatement]:
        """Several statements in the place of one on a line."""
        index = self._meant_on(self._parsed.span(original.body[0]).line, original) or 0
        made = [
            each
            for line in lines
            if isinstance(line, cst.SimpleStatementLine)
            for each in line.body
        ]
        body = [*updated.body[:index], *made, *updated.body[index + 1 :]]
        separated = cst.Semicolon(whitespace_after=cst.SimpleWhitespace(" "))
        kept = [each.with_changes(semicolon=separated) for each in body[:-1]]
        return [*kept, body[-1].with_changes(semicolon=updated.body[-1].semicolon)]

    def _suite(self, original: cst.CSTNode, updated: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(original, cst.SimpleStatementSuite)
        assert isinstance(updated, cst.SimpleStatementSuite)
        body = self._without(original.body, updated.body)
        return updated if body is None else updated.with_changes(body=body or [cst.Pass()])

    def _without(
        self,
        before: Sequence[cst.BaseSmallStatement],
        after: Sequence[cst.BaseSmallStatement],
    ) -> list[cst.BaseSmallStatement] | None:
        """The small statements of a line without those that go; None: all stay."""
        body: list[cst.BaseSmallStatement] = []
        changed = False
        for original, updated in zip(before, after, strict=True):
            start = self._parsed.span(original)
            line = start.line
            site = self._facts.statements.get(line)
            beside = [each for each in before if self._parsed.span(each).line == line]
            if site is not None and site.column is not None:
                beside = [original] if site.column == start.column else []
            if site is None or original not in (_meant(beside) if site.column is None else beside):
                if self._became_empty(original, updated):
                    changed = True
                    self._stranded += stranded(comments_of(updated), ())
                else:
                    body.append(updated)
                continue
            self._met.add(line)
            self.rules[site.rule] += 1
            changed = True
            left = [_kept(updated, site.keep)] if site.keep and isinstance(updated, cst.Del) else []
            self._stranded += stranded(
                comments_of(updated), (c for n in left for c in comments_of(n))
            )
            body += left
        if not changed:
            return None
        return [each.with_changes(semicolon=cst.MaybeSentinel.DEFAULT) for each in body]

    def _became_empty(self, original: cst.CSTNode, updated: cst.CSTNode) -> bool:
        """Whether nothing is left of an assignment but `x = x`."""
        match updated:
            case cst.Assign(
                targets=[cst.AssignTarget(target=cst.Name(value=target))],
                value=cst.Name(value=value),
            ) if target == value and not updated.deep_equals(original):
                around = (n for n in reversed(self._path) if isinstance(n, _OF_THEIR_OWN))
                return not isinstance(next(around, None), cst.ClassDef)
        return False

    def _marked(self, original: cst.CSTNode, updated: cst.CSTNode) -> cst.CSTNode:
        """Puts marks of refusals, and comments without a place, above a statement."""
        if not self._todos and not self._stranded and not self._comments:
            return updated
        places = self._lines_of(original)
        findings = [finding for line in places for finding in self._todos.pop(line, ())]
        said = [self._comments.pop(line) for line in places if line in self._comments]
        if not findings and not self._stranded and not said:
            return updated
        column = self._parsed.span(original).column
        seen: set[str] = set()
        lines = [own_line(comment) for comment in self._stranded]
        lines += [own_line(line) for text in said for line in wrapped(text, column)]
        self._stranded.clear()
        for finding in findings:
            if finding.code not in seen:
                seen.add(finding.code)
                lines += map(own_line, wrapped(todo_text(finding), column))
        above: Sequence[cst.EmptyLine] = updated.leading_lines  # type: ignore[attr-defined]
        return updated.with_changes(leading_lines=[*above, *lines])

    def _lines_of(self, node: cst.CSTNode) -> list[int]:
        """The first lines of the statements that can carry no mark but this one."""
        lines = [self._parsed.span(node).line]
        body = node.body if isinstance(node, cst.SimpleStatementLine) else ()
        suite = getattr(node, "body", None)
        if isinstance(suite, cst.SimpleStatementSuite):
            body = suite.body
        return [*lines, *(self._parsed.span(each).line for each in body)]


def _stands_alone_in(parent: cst.CSTNode) -> bool:
    """Whether every expression can stand in `parent` without parentheses."""
    match parent:
        case cst.Arg(star=star):
            return not star
        case cst.Assign() | cst.AnnAssign() | cst.AugAssign() | cst.Return() | cst.Expr():
            return True
        case (
            cst.If() | cst.While() | cst.Element() | cst.DictElement() | cst.Lambda() | cst.Param()
        ):
            return True
    return False


def _meant(statements: Sequence[cst.BaseSmallStatement]) -> list[cst.BaseSmallStatement]:
    """Which of the statements of one line a site speaks of."""
    deletions: list[cst.BaseSmallStatement] = [
        each for each in statements if isinstance(each, cst.Del)
    ]
    attributes: list[cst.BaseSmallStatement] = [
        each
        for each in statements
        if isinstance(each, cst.Assign)
        and any(isinstance(target.target, cst.Attribute) for target in each.targets)
    ]
    return deletions or attributes or list(statements)


def _kept(statement: cst.Del, keep: Sequence[str]) -> cst.Del:
    """`del a, b` without those targets that are no variables any more."""
    target = statement.target
    if not isinstance(target, cst.Tuple):
        return statement
    elements = [each for each in target.elements if code(each.value) in keep]
    if len(elements) == 1 and not target.lpar:
        return statement.with_changes(target=elements[0].value)
    if isinstance(target.elements[-1].comma, cst.MaybeSentinel) and len(elements) > 1:
        elements[-1] = elements[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return statement.with_changes(target=target.with_changes(elements=elements))
