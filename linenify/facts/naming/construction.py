"""Whether submodules are constructed in the order in which legacy called them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from linenify.facts.deciding.plan import Plan
from linenify.facts.naming.takers import evaluated, in_order
from linenify.facts.sites import Added, Argument, Bind, Given, ModuleCall, Reordered
from linenify.project.nodes import below
from linenify.project.source import Source


def keeps_order(plan: Plan, source: Source, node: ast.AST, takers: Collection[ast.Call]) -> bool:
    """Whether numbers that are drawn at construction come out as those drawn by calls."""
    called = [*_called(node, takers)]
    constructed = _constructed(plan, source, node, takers)
    return constructed is not None and called == constructed


def units(statement: ast.AST) -> Iterator[ast.AST]:
    """The simple statements below a statement, and the expressions in heads of others."""
    if isinstance(statement, ast.expr) or not _blocks(statement):
        yield statement
        return
    for child in below(statement):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from units(child)
        else:
            yield child


def _blocks(node: ast.AST) -> list[ast.stmt]:
    found = [getattr(node, name, None) for name in ("body", "orelse", "finalbody", "cases")]
    return [each for block in found if isinstance(block, list) for each in block]


def drawn_once(
    node: ast.AST, entering: Collection[ast.Call], takers: Collection[ast.Call]
) -> Iterator[ast.Call]:
    """What takes numbers in a statement, if it does so exactly once; else nothing."""
    found = [*_called(node, takers)]
    if any(True for _ in _called(node, entering)):
        return
    straight = [*_called(node, takers, _AT_TIMES)]
    if found == straight:
        yield from found


_DEFERRED = (ast.Lambda, ast.FunctionDef, ast.ClassDef)
_AT_TIMES = (
    *(ast.Lambda, ast.FunctionDef, ast.ClassDef, ast.IfExp, ast.BoolOp, ast.ListComp),
    *(ast.SetComp, ast.DictComp, ast.GeneratorExp),
)


def _called(
    node: ast.AST,
    takers: Collection[ast.Call],
    without: tuple[type[ast.AST], ...] = _DEFERRED,
) -> Iterator[ast.Call]:
    if isinstance(node, without):
        return
    for part in evaluated(node):
        yield from _called(part, takers, without)
    if node in takers:
        assert isinstance(node, ast.Call)
        yield node


def _constructed(
    plan: Plan, source: Source, node: ast.AST, takers: Collection[ast.Call]
) -> list[ast.Call] | None:
    """The calls in the order in which the migrated code draws; None where that is open."""
    if isinstance(node, ast.Lambda | ast.FunctionDef | ast.ClassDef):
        return []
    parts: list[ast.AST | None] = [*evaluated(node)]  # None: the call itself
    if isinstance(node, ast.Call):
        arranged = _arranged(plan, source, node, takers)
        if arranged is None:
            return None
        parts = arranged
    found: list[ast.Call] = []
    for part in parts:
        if part is None:
            assert isinstance(node, ast.Call)
            found += [node] if node in takers else []
            continue
        inner = _constructed(plan, source, part, takers)
        if inner is None:
            return None
        found += inner
    return found


def _arranged(
    plan: Plan, source: Source, call: ast.Call, takers: Collection[ast.Call]
) -> list[ast.AST | None] | None:
    """The parts of a call in the order in which its migrated form runs them."""
    arguments = [*call.args, *(k.value for k in call.keywords)]
    drawing = [a for a in arguments if any(True for _ in _called(a, takers))]
    match plan.site_at(source, call):
        case None:
            return [call.func, *in_order(call), None]
        case ModuleCall(construct=construct, call=given, before=(), after=None):
            order: list[Argument | None] = [*(construct or ()), None, *given]
        case Bind(arguments=bound):
            order = [*bound, None]
        case Reordered(arguments=moved):
            order = [*moved, None]
        case _:
            return [call.func, *in_order(call), None] if len(drawing) < 2 else None
    parts: list[ast.AST | None] = [call.func]
    for each in order:
        if isinstance(each, Given):
            parts.append(arguments[each.index])
        elif isinstance(each, Added):
            mentioned = [a for i, a in enumerate(arguments) if "{%d" % i in each.code]
            if len(mentioned) > 1 and set(mentioned) & set(drawing):
                return None
            parts += mentioned
        else:
            parts.append(None)
    return parts
