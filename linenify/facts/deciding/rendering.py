"""Expressions that templates repeat elsewhere: the node, as it will have been rewritten."""

from __future__ import annotations

import ast

from linenify.facts.ask.arguments import text
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import External, File
from linenify.facts.sites import (
    AttributeSite,
    FieldRead,
    ModuleCall,
    Renamed,
    Reordered,
    Reshaped,
    Site,
    Unclear,
    repeated,
)
from linenify.project.nodes import walk
from linenify.project.source import Source


def rendered(plan: Plan, source: Source, node: ast.expr) -> str:
    """What a template of `source` says for `node`, wherever it stands now.

    Plain variables, and whatever is assigned to, are text with their new names.
    Everything else is a mark for the node itself: names inside of it may still
    be decided, so that only the rewrite knows how it reads in the end.

    Raises:
        LookupError: a part of it cannot be said a second time.
    """
    if isinstance(node, ast.Constant):
        return ast.unparse(node)
    if _is_variable(plan, node) or not isinstance(getattr(node, "ctx", None), ast.Load | None):
        return ast.unparse(_named(plan, source, node))
    home = plan.source(node)
    if home is not source:
        return _elsewhere(plan, home, node)
    if plan.in_text(node) is not None:  # positions inside of an f-string cannot be trusted
        raise LookupError(ast.unparse(node))
    if any(_happens_once(plan, source, part) for part in walk(node)):
        raise LookupError(ast.unparse(node))
    return repeated(plan.span(source, node))


def repeated_or_unclear(plan: Plan, source: Source, node: ast.expr, code: str) -> str:
    """As `rendered`, for places that can be refused.

    Raises:
        Unclear: a part of it cannot be said a second time.
    """
    try:
        return rendered(plan, source, node)
    except LookupError as problem:
        raise Unclear(code, f"`{text(node)}` is rewritten itself") from problem


def _happens_once(plan: Plan, source: Source, part: ast.AST) -> bool:
    match part:
        case ast.NamedExpr() | ast.Await() | ast.Yield() | ast.YieldFrom():
            return True
        case ast.Call():
            site = plan.site_at(source, part)
            if isinstance(site, ModuleCall) and site.child is not None:
                return True
            return isinstance(site, ModuleCall | Reordered | Reshaped) and bool(site.before)
    return False


def _is_variable(plan: Plan, node: ast.expr) -> bool:
    """Whether an expression only names a variable, or something that one holds."""
    while isinstance(node, ast.Attribute) or (
        isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
    ):
        node = node.value
    if not isinstance(node, ast.Name):
        return False
    found = plan.flow.values.get(node, frozenset())
    return not any(isinstance(a, External | File) for a in found)


def _elsewhere(plan: Plan, home: Source, node: ast.expr) -> str:
    """An expression of another file, whose names are those of that file."""
    if any(isinstance(part, ast.Name) for part in walk(node)):
        raise LookupError(ast.unparse(node))
    return ast.unparse(_named(plan, home, node))


def _named(plan: Plan, source: Source, node: ast.expr) -> ast.AST:
    copy = ast.parse(ast.unparse(node), mode="eval").body
    sites: dict[ast.AST, Site] = {}
    for original, clone in zip(walk(node), walk(copy), strict=True):
        if isinstance(original, ast.expr) and not isinstance(original, ast.Slice):
            site = plan.site_at(source, original)
            if site is not None:
                sites[clone] = site
    made: ast.AST = _Namer(sites).visit(copy)
    return made


class _Namer(ast.NodeTransformer):
    def __init__(self, sites: dict[ast.AST, Site]) -> None:
        self._sites = sites

    def visit(self, node: ast.AST) -> ast.AST:
        """Renames what is inside of a node, then the node."""
        site = self._sites.get(node)
        inner = self.generic_visit(node)
        match site:
            case None:
                return inner
            case Renamed(target=target) if "." not in target:
                return ast.parse(target, mode="eval").body
            case FieldRead(receiver=receiver, field=field, wrap=None):
                return ast.Attribute(ast.Name(receiver, ast.Load()), field, ast.Load())
            case FieldRead(receiver=receiver, field=field, wrap=str(wrap)):
                read = ast.Attribute(ast.Name(receiver, ast.Load()), field, ast.Load())
                return ast.Call(ast.Name(wrap, ast.Load()), [read], [])
            case AttributeSite(skip=skip, attribute=attribute):
                return _changed(inner, skip, attribute)
        raise LookupError(ast.unparse(node))


def _changed(node: ast.AST, skip: int, attribute: str | None) -> ast.expr:
    assert isinstance(node, ast.Attribute)
    made: ast.expr = node
    for _ in range(skip):
        assert isinstance(made, ast.Attribute | ast.Subscript)
        made = made.value
    return ast.Attribute(made, attribute, ast.Load()) if attribute is not None else made
