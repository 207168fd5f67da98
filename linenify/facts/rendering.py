"""The text of an expression after the rewrite, for templates that repeat it."""

from __future__ import annotations

import ast

from linenify.facts.plan import Plan
from linenify.facts.sites import AttributeSite, FieldRead, Renamed, Reshaped, Site
from linenify.project.source import Source


def rendered(plan: Plan, source: Source, node: ast.expr) -> str:
    """`node` as text, with renamed variables, fields and attributes in their new form.

    Raises:
        LookupError: a part of it is rewritten in a way that has no text yet.
    """
    copy = ast.parse(ast.unparse(node), mode="eval").body
    sites: dict[ast.AST, Site] = {}
    for original, clone in zip(ast.walk(node), ast.walk(copy), strict=True):
        if isinstance(original, ast.expr) and not isinstance(original, ast.Slice):
            site = plan.site_at(source, original)
            if site is not None:
                sites[clone] = site
    made = _Rewriter(sites).visit(copy)
    return ast.unparse(made)


class _Rewriter(ast.NodeTransformer):
    def __init__(self, sites: dict[ast.AST, Site]) -> None:
        self._sites = sites

    def visit(self, node: ast.AST) -> ast.AST:
        """Rewrites what is inside of a node, then the node."""
        site = self._sites.get(node)
        inner = self.generic_visit(node)
        match site:
            case None:
                return inner
            case Renamed(target=target) if "." not in target:
                return ast.parse(target, mode="eval").body
            case FieldRead(receiver=receiver, field=field, wrap=None):
                return ast.Attribute(ast.Name(receiver, ast.Load()), field, ast.Load())
            case AttributeSite(skip=skip, attribute=attribute):
                return _changed(inner, skip, attribute)
            case Reshaped(template="{owner}") if isinstance(inner, ast.Call) and isinstance(
                inner.func, ast.Attribute
            ):
                return inner.func.value
        raise LookupError(ast.unparse(node))


def _changed(node: ast.AST, skip: int, attribute: str | None) -> ast.expr:
    assert isinstance(node, ast.Attribute)
    made: ast.expr = node
    for _ in range(skip):
        assert isinstance(made, ast.Attribute | ast.Subscript)
        made = made.value
    return ast.Attribute(made, attribute, ast.Load()) if attribute is not None else made
