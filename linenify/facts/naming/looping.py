"""Loops: the variable that counts their rounds, and how many rounds there are."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import rendered
from linenify.facts.flow.kinds import Container, External, Value
from linenify.project.nodes import walk
from linenify.project.scopes import FunctionNode, all_arguments

_NOTHING: Value = frozenset()
_COLLECTIONS = frozenset({f"builtins.{n}" for n in ("list", "tuple", "dict", "set", "sorted")})
_READERS = frozenset({"items", "values", "keys", "get", "index", "count", "copy", "shape"})


def index_of(plan: Plan, target: ast.expr, iterated: ast.expr) -> tuple[str, int] | None:
    """The variable that counts the rounds of a loop, and what it starts from."""
    match _external(plan, iterated), target:
        case ("builtins.range", [_]), ast.Name(id=name):
            return name, 0
        case ("builtins.range", [ast.Constant(value=int(first)), _]), ast.Name(id=name):
            return name, first
        case ("builtins.enumerate", [_]), ast.Tuple(elts=[ast.Name(id=name), _]):
            return name, 0
        case (
            ("builtins.enumerate", [_, ast.Constant(value=int(first))]),
            ast.Tuple(elts=[ast.Name(id=name), _]),
        ):
            return name, first
    return None


def rounds(
    plan: Plan, iterated: ast.expr, function: FunctionNode, *, inlined: bool
) -> int | str | None:
    """How many rounds a loop makes: a number, or an expression that is free to repeat."""
    written = _written(plan, iterated)
    if written is not None:
        return written
    match _external(plan, iterated):
        case "builtins.range", [ast.Name() as count]:
            return _repeated(plan, count, function, inlined=inlined)
        case "builtins.enumerate" | "builtins.reversed", [inner, *_]:
            return rounds(plan, inner, function, inlined=inlined)
    if isinstance(iterated, ast.Name) and _is_sized(plan, iterated):
        text_ = _repeated(plan, iterated, function, inlined=inlined)
        return f"len({text_})" if text_ is not None else None
    return None


def at_once(plan: Plan, node: ast.GeneratorExp) -> bool:
    """Whether a generator is used up where it stands."""
    parent = plan.parents.get(node)
    if not isinstance(parent, ast.Call) or node not in parent.args:
        return False
    callee = plan.flow.values.get(parent.func, _NOTHING)
    eager = {"builtins.list", "builtins.tuple", "builtins.sum", "builtins.dict"}
    return bool(callee) and all(isinstance(a, External) and a.path in eager for a in callee)


def stored(body: Sequence[ast.stmt], name: str) -> bool:
    """Whether statements assign to a variable."""
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
        for statement in body
        for node in walk(statement)
    )


def mentioned(node: ast.For | ast.AsyncFor, name: str) -> bool:
    """Whether the body of a loop has anything to do with a variable."""
    return any(
        isinstance(each, ast.Name) and each.id == name
        for statement in node.body
        for each in walk(statement)
    )


def _written(plan: Plan, iterated: ast.expr) -> int | None:
    """How many rounds a loop makes, where that is written down."""
    match iterated:
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return None if any(isinstance(e, ast.Starred) for e in elements) else len(elements)
    match _external(plan, iterated):
        case "builtins.range", [ast.Constant(value=int(last))]:
            return max(last, 0)
        case "builtins.range", [ast.Constant(value=int(first)), ast.Constant(value=int(last))]:
            return max(last - first, 0)
        case "builtins.enumerate" | "builtins.reversed", [inner, *_]:
            return _written(plan, inner)
        case "builtins.zip", [*inners] if inners:
            counts = [_written(plan, inner) for inner in inners]
            known = [count for count in counts if count is not None]
            return min(known) if len(known) == len(counts) else None
    return None


def _repeated(plan: Plan, node: ast.Name, function: FunctionNode, *, inlined: bool) -> str | None:
    """A variable as the migrated code spells it, where it means the same to the end."""
    if plan.code(function) is not None:
        return None  # what it closes over may change
    stores = 0
    for each in walk(function):
        if not isinstance(each, ast.Name) or each.id != node.id:
            continue
        if not isinstance(each.ctx, ast.Load):
            stores += 1
            if inlined or not _once(plan, each, function):
                return None
        parent = plan.parents.get(each)
        if isinstance(parent, ast.Attribute) and parent.attr not in _READERS:
            return None
        if isinstance(parent, ast.Subscript) and not isinstance(parent.ctx, ast.Load):
            return None
    if stores > 1 or (stores and node.id in {a.arg for a in all_arguments(function.args)}):
        return None
    try:
        return rendered(plan, plan.source(node), node)
    except LookupError:
        return None


def _is_sized(plan: Plan, node: ast.Name) -> bool:
    """Whether something to loop over is a collection, not an iterator."""
    for atom in plan.flow.values.get(node, _NOTHING):
        made = atom.node if isinstance(atom, Container) else None
        if isinstance(made, ast.GeneratorExp | ast.FunctionDef):
            return False
        if isinstance(made, ast.Call):
            found = plan.flow.values.get(made.func, _NOTHING)
            paths = {a.path for a in found if isinstance(a, External)}
            if not paths or not paths <= _COLLECTIONS:
                return False
    return True


def _once(plan: Plan, store: ast.Name, function: FunctionNode) -> bool:
    """Whether a variable gets its value in one plain assignment of the function."""
    statement = plan.statement(store)
    return isinstance(statement, ast.Assign) and plan.parents.get(statement) is function


def _external(plan: Plan, node: ast.expr) -> tuple[str, list[ast.expr]] | None:
    """A plain call of a builtin, and its positional arguments."""
    if not isinstance(node, ast.Call) or node.keywords:
        return None
    callee = plan.flow.values.get(node.func, _NOTHING)
    paths = {a.path for a in callee if isinstance(a, External)}
    if len(callee) != 1 or len(paths) != 1 or any(isinstance(a, ast.Starred) for a in node.args):
        return None
    return paths.pop(), node.args
