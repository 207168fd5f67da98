"""What is an array of JAX for sure, and what else a name may hold where it is read.

Kinds do not tell arrays of JAX from those of NumPy, and have no order.  Here a name is
followed back to the assignments that reach it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from linenify.facts.ask.spelt import bindings, certain
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Module
from linenify.facts.legacy import arrays, catalogue
from linenify.facts.legacy.externals import LEGACY
from linenify.project.nodes import below, walk
from linenify.project.scopes import FunctionNode, all_arguments

# The functions that they are given get tracers.
_TRACING = frozenset({"jax.lax.scan", "jax.lax.fori_loop", "jax.lax.while_loop", "jax.lax.map"})

_COMPILING = frozenset({"jax.jit", "jax.pmap"})
_PARTIAL = frozenset({"functools.partial", "jax.partial", "jax.util.partial"})


@dataclass(frozen=True, slots=True)
class Reaching:
    """What a name may hold: an expression, a part of what it gives, or an argument."""

    node: ast.expr | ast.arg
    part: bool = False


def is_jax_array(plan: Plan, node: ast.expr) -> bool:
    """Whether an expression gives an array of JAX, and can give nothing else."""
    return _is_array(plan, node, frozenset())


def _is_array(plan: Plan, node: ast.expr, seen: frozenset[ast.expr]) -> bool:
    if node in seen:
        return True  # a loop: it is what the other ways into it are
    seen |= {node}
    match node:
        case ast.Call():
            return _call_gives(plan, node, seen)
        case ast.BinOp(left=left, right=right):
            return _is_array(plan, left, seen) or _is_array(plan, right, seen)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Invert(), operand=operand):
            return _is_array(plan, operand, seen)
        case ast.Compare(left=left, comparators=[right], ops=[op]):
            identity = isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn)
            return not identity and (_is_array(plan, left, seen) or _is_array(plan, right, seen))
        case ast.IfExp(body=body, orelse=orelse):
            return _is_array(plan, body, seen) and _is_array(plan, orelse, seen)
        case ast.Subscript(value=value) | ast.Attribute(value=value, attr="T" | "real" | "imag"):
            return _is_array(plan, value, seen)
        case ast.NamedExpr(value=value):
            return _is_array(plan, value, seen)
        case ast.Name():
            return _all_reach(plan, node, seen)
    return False


def _all_reach(plan: Plan, node: ast.Name, seen: frozenset[ast.expr]) -> bool:
    found = reaching(plan, node)
    return bool(found) and all(_gives(plan, each, seen) for each in found or ())


def _gives(plan: Plan, each: Reaching, seen: frozenset[ast.expr]) -> bool:
    if isinstance(each.node, ast.arg):
        return _is_traced(plan, each.node)
    if not each.part:
        return _is_array(plan, each.node, seen)
    if not isinstance(each.node, ast.Name):
        return False
    whole = reaching(plan, each.node)  # what is taken apart holds tracers
    return bool(whole) and all(
        isinstance(held.node, ast.arg) and _is_traced(plan, held.node) for held in whole or ()
    )


def _call_gives(plan: Plan, call: ast.Call, seen: frozenset[ast.expr]) -> bool:
    path = certain(plan, call.func)
    if path is not None:
        if path.startswith(LEGACY + "."):
            entry = catalogue.function(path[len(LEGACY) + 1 :])
            return entry is not None and entry.returns == "array"
        known = arrays.ARRAY_FUNCTIONS.get(path)
        return path.startswith("jax.") and known is not None and known.result == "array"
    callee = plan.flow.values.get(call.func, frozenset())
    if callee and all(isinstance(a, Module) and isinstance(a.definition, str) for a in callee):
        return True  # a layer
    match call.func:
        case ast.Attribute(value=ast.Subscript(value=ast.Attribute(value=owner, attr="at"))):
            return _is_array(plan, owner, seen)
        case ast.Attribute(value=owner, attr=name):
            method = arrays.ARRAY_ATTRIBUTES.get(name)
            gives = method is not None and method.method and method.result == "array"
            return gives and _is_array(plan, owner, seen)
    return False


def _is_traced(plan: Plan, argument: ast.arg) -> bool:
    """Whether this is an argument of a function that only JAX calls, with tracers."""
    function = plan.parents[plan.parents[argument]]
    assert isinstance(function, FunctionNode)
    decorators = getattr(function, "decorator_list", [])
    if len(decorators) == 1 and _compiles(plan, decorators[0], function, argument.arg):
        return True
    mentions = plan.mentions(function) if not decorators else []
    uses = [use for use in mentions if isinstance(getattr(use, "ctx", None), ast.Load)]
    return bool(uses) and all(
        isinstance(parent := plan.parents.get(use), ast.Call)
        and use in parent.args
        and certain(plan, parent.func) in _TRACING
        for use in uses
    )


def _compiles(plan: Plan, decorator: ast.expr, function: FunctionNode, name: str) -> bool:
    """Whether a decorator is `jit` or `pmap`, and `name` no static argument."""
    match decorator:
        case ast.Call(func=func, args=[inner], keywords=keywords):
            if certain(plan, func) not in _PARTIAL or certain(plan, inner) not in _COMPILING:
                return False
        case _:
            return certain(plan, decorator) in _COMPILING
    names = [argument.arg for argument in function.args.args]
    for keyword in keywords:
        if keyword.arg is None or not keyword.arg.startswith("static"):
            continue
        try:
            said = ast.literal_eval(keyword.value)
        except ValueError:
            return False
        for each in said if isinstance(said, tuple | list) else (said,):
            if each == name or (isinstance(each, int) and names[each : each + 1] in ([name], [])):
                return False
    return True


# --- names ------------------------------------------------------------------------------------


def reaching(plan: Plan, node: ast.Name) -> list[Reaching] | None:
    """What the assignments that reach a name put into it; None where that is not known."""
    scope = bindings(plan).scope_of.get(node)
    home = scope.lookup(node.id) if scope is not None else None
    if home is None or home.kind in {"class", "comprehension"}:
        return None
    if home.node is not _owner(plan, node):
        return None  # read in an inner function, whenever that runs
    if any(_owner(plan, store) is not home.node for store in bindings(plan).stores[home, node.id]):
        return None  # an inner function binds it as well, whenever that runs
    if isinstance(home.node, ast.Lambda):
        given = [a for a in all_arguments(home.node.args) if a.arg == node.id]
        return [*map(Reaching, given)] or None
    found: list[Reaching] = []
    current: ast.AST = plan.statement(node)
    while current is not home.node:
        parent = plan.parents[current]
        for statement in reversed(_before(parent, current)):
            made = _binding(statement, node.id)
            if made is not None:
                return [*found, *made] if made else None
            inside = _inside(statement, node.id)
            if inside is None:
                return None
            found += inside
            if _surely(statement, node.id):
                return found
        if isinstance(parent, ast.For | ast.AsyncFor | ast.While):
            inside = _inside(parent, node.id)
            if inside is None:
                return None
            found += inside
        elif isinstance(parent, ast.Try) and current not in parent.body:
            for statement in parent.body:
                inside = _inside(statement, node.id)
                if inside is None:
                    return None
                found += inside
        elif isinstance(parent, ast.With | ast.AsyncWith) and any(
            item.optional_vars is not None and _stores(item.optional_vars, node.id)
            for item in parent.items
        ):
            return None
        current = parent
    if isinstance(home.node, FunctionNode):
        given = [a for a in all_arguments(home.node.args) if a.arg == node.id]
        return [*found, *map(Reaching, given)] or None
    return None  # an import, or nothing at all


def assigned(plan: Plan, node: ast.Name) -> list[Reaching]:
    """All that a name of an outer scope is ever set to; empty where that is not known."""
    scope = bindings(plan).scope_of.get(node)
    home = scope.lookup(node.id) if scope is not None else None
    if home is None or home.kind != "module":
        return []
    found: list[Reaching] = []
    for store in bindings(plan).stores.get((home, node.id), []):
        match plan.parents.get(store):
            case ast.Assign(targets=targets, value=value) if store in targets:
                found.append(Reaching(value))
            case _:
                return []
    return found


def _owner(plan: Plan, node: ast.AST) -> ast.AST:
    top: ast.AST = node
    for ancestor in plan.ancestors(node):
        if isinstance(ancestor, FunctionNode):
            return ancestor
        top = ancestor
    return top


def _before(parent: ast.AST, current: ast.AST) -> list[ast.stmt]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(parent, name, None)
        if isinstance(block, list) and current in block:
            return list(block[: block.index(current)])
    return []


def _binding(statement: ast.stmt, name: str) -> list[Reaching] | None:
    """What a statement surely binds a name to; empty where that is unknown."""
    match statement:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                if isinstance(target, ast.Name) and target.id == name:
                    return [Reaching(value)]
                if _stores(target, name):
                    return [Reaching(value, part=True)]
        case ast.AnnAssign(target=ast.Name(id=bound), value=ast.expr() as value) if bound == name:
            return [Reaching(value)]
        case ast.FunctionDef(name=bound) | ast.ClassDef(name=bound) if bound == name:
            return []
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            if any((a.asname or a.name.partition(".")[0]) == name for a in aliases):
                return []
        case ast.Delete() if _stores(statement, name):
            return []
    return None


def _surely(statement: ast.stmt, name: str) -> bool:
    """Whether a statement binds a name whichever way it goes."""
    if isinstance(statement, ast.If):
        blocks = (statement.body, statement.orelse)
        return all(any(_surely(each, name) for each in block) for block in blocks)
    return bool(_binding(statement, name))


def _inside(statement: ast.AST, name: str) -> list[Reaching] | None:
    """What a statement may bind a name to, deep inside; None where that is unknown."""
    found: list[Reaching] = []
    for each in _statements(statement):
        made = _binding(each, name)
        if made is not None:
            if not made:
                return None
            found += made
            continue
        match each:
            case ast.AugAssign(target=ast.Name(id=bound)) if bound == name:
                return None
            case ast.For(target=target) | ast.AsyncFor(target=target) if _stores(target, name):
                return None
            case ast.With(items=items) | ast.AsyncWith(items=items):
                if any(i.optional_vars and _stores(i.optional_vars, name) for i in items):
                    return None
            case ast.Try(handlers=handlers) if any(h.name == name for h in handlers):
                return None
            case ast.Match() if _stores(each, name):
                return None
        if _walrus(each, name):
            return None
    return found


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """A statement and those in its blocks, not those of functions and classes in it."""
    if isinstance(node, ast.stmt):
        yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list):
            for each in block:
                yield from _statements(each)
    for handler in getattr(node, "handlers", ()):
        for each in handler.body:
            yield from _statements(each)
    for case in getattr(node, "cases", ()):
        for each in case.body:
            yield from _statements(each)


def _expressions(statement: ast.stmt) -> Iterable[ast.expr]:
    return (child for child in below(statement) if isinstance(child, ast.expr))


def _walrus(statement: ast.stmt, name: str) -> bool:
    return any(
        isinstance(node, ast.NamedExpr) and node.target.id == name
        for expression in _expressions(statement)
        for node in walk(expression)
    )


def _stores(target: ast.AST, name: str) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load)
        for node in walk(target)
    )
