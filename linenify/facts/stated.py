"""Runs that read a context or change a state: keys, new state, and where it goes."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from linenify.facts.arguments import Unclear, text
from linenify.facts.contexts import Around
from linenify.facts.plan import Plan
from linenify.facts.rendering import rendered
from linenify.facts.sites import ModuleCall, StatementSite
from linenify.project.source import Source


def context_key(plan: Plan, source: Source, around: Around) -> str | None:
    """The text of the key that a run draws from; None outside of `nn.stochastic`."""
    if around.rng is None or around.rng.argument is None:
        return None
    key = context_text(plan, source, around.rng.argument)
    return f"{{spell:jax.random.fold_in}}({key}, {around.draw})" if around.draw else key


def context_text(plan: Plan, source: Source, node: ast.expr) -> str:
    """The argument of a context, where the context is not."""
    try:
        return rendered(plan, source, node)
    except LookupError as problem:
        raise Unclear("LN590", f"`{text(node)}` is rewritten itself") from problem


# --- new state -------------------------------------------------------------------------------


def handed_out(
    plan: Plan, source: Source, call: ast.Call, made: ModuleCall, captured: str | None
) -> ModuleCall:
    """`made`, whose pair of output and new variables is taken apart where the output was."""
    if captured is None or not is_read(plan, call, captured):
        return replace(made, after="{result}[0]")
    statement = plan.parents.get(call)
    match statement:
        case ast.Assign(targets=[target], value=value) if value is call and in_block(
            plan, statement
        ):
            shown = rendered(plan, source, target)
            lines = (f"{shown}, {captured} = {{value}}",)
            site = StatementSite(made.rule, lines=lines)
            plan.files[source.name].statements[statement.lineno] = site
            return replace(made, shift=len(f", {captured}"))
    if not can_go_before(plan, call):
        raise Unclear("LN590", f"the new state of `{text(call.func)}` cannot be taken here")
    name = free_name(plan, call, ("outputs", "result", "model_outputs"))
    return replace(made, before=(f"{name}, {captured} = {{result}}",), after=name)


def is_read(plan: Plan, place: ast.AST, name: str) -> bool:
    """Whether the function around `place` reads a variable."""
    return any(
        isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)
        for n in ast.walk(_home(plan, place))
    )


def free_name(plan: Plan, place: ast.AST, names: Sequence[str]) -> str:
    """The first of `names` that the function around `place` does not use."""
    used = {n.id for n in ast.walk(_home(plan, place)) if isinstance(n, ast.Name)}
    used |= {n.arg for n in ast.walk(_home(plan, place)) if isinstance(n, ast.arg)}
    for name in names:
        if name not in used:
            return name
    raise Unclear("LN690", f"the names {', '.join(names)} are all taken")


def _home(plan: Plan, place: ast.AST) -> ast.AST:
    code = plan.code(place)
    if code is not None:
        return code.node
    return next(a for a in reversed([*plan.ancestors(place)]))


def in_block(plan: Plan, statement: ast.stmt) -> bool:
    """Whether a statement has its line to itself, so that others can stand around it."""
    parent = plan.parents.get(statement)
    header = 0 if isinstance(parent, ast.Module) else getattr(parent, "lineno", 0)
    blocks = [getattr(parent, name, None) for name in ("body", "orelse", "finalbody")]
    siblings = [s for block in blocks if isinstance(block, list) for s in block]
    alone = sum(getattr(s, "lineno", 0) == statement.lineno for s in siblings) == 1
    return alone and header != statement.lineno


def can_go_before(plan: Plan, node: ast.expr) -> bool:
    """Whether `node` may be computed in a statement of its own before the present one."""
    for ancestor in plan.ancestors(node):
        match ancestor:
            case (
                ast.Lambda()
                | ast.ListComp()
                | ast.SetComp()
                | ast.DictComp()
                | ast.GeneratorExp()
                | ast.IfExp()
                | ast.BoolOp()
            ):
                return False
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.Return() | ast.Expr():
                return in_block(plan, ancestor)
            case ast.stmt():
                return False
    return False
