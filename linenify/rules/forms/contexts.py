"""`with` statements whose contexts Linen does not need."""

from __future__ import annotations

import libcst as cst

from linenify.facts.sites import ContextSite
from linenify.rules.base import Context, Rewrite
from linenify.rules.forms.calls import statements

_Line = cst.SimpleStatementLine | cst.BaseCompoundStatement


def leave_context(node: cst.With, site: ContextSite, context: Context) -> Rewrite:
    """Takes items out of a `with` statement; what is left without any is its body.

    with nn.stochastic(rng):      ->  y = module.apply(variables, x, rngs={'dropout': rng})
      y = model(x)
    """
    before, imports = statements(site.before, _owners(node), context)
    items = [item for place, item in enumerate(node.items) if place not in site.drop]
    if items:
        last = items[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return Rewrite(node.with_changes(items=[*items[:-1], last]), imports, before=before)
    above = list(node.leading_lines)
    if isinstance(node.body, cst.SimpleStatementSuite):
        body: list[_Line] = [cst.SimpleStatementLine(node.body.body)]
        comment = node.body.trailing_whitespace.comment
        footer: list[cst.EmptyLine] = []
    else:
        assert isinstance(node.body, cst.IndentedBlock)
        body = [*node.body.body]  # type: ignore[list-item]
        comment = node.body.header.comment
        footer = list(node.body.footer)
    if comment is not None:
        above.append(cst.EmptyLine(comment=comment))
    lines: list[_Line] = [*before, *body]
    own = list(getattr(lines[0], "leading_lines", ()))
    lines[0] = lines[0].with_changes(leading_lines=[*above, *own])
    return Rewrite(cst.Module(body=lines, footer=footer), imports)


def _owners(node: cst.With) -> dict[str, cst.BaseExpression]:
    """What the items of a statement are methods of, by place."""
    calls = {str(place): item.item for place, item in enumerate(node.items)}
    return {
        place: call.func.value
        for place, call in calls.items()
        if isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute)
    }
