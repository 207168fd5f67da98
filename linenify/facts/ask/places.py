"""Statements: where others can stand around them, and which names are free."""

from __future__ import annotations

import ast

from linenify.facts.ask.program import Program
from linenify.facts.flow.kinds import (
    Api,
    Array,
    External,
    Model,
    Module,
    ModuleApi,
    Optimizer,
    Parameter,
)
from linenify.project.lineends import lines_of
from linenify.project.nodes import walk

LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_PURE = frozenset(
    {"abs", "bool", "dict", "enumerate", "float", "int", "len", "list", "max", "min"}
    | {"range", "round", "sorted", "str", "sum", "tuple", "zip"}
)


def is_read(program: Program, place: ast.AST, name: str) -> bool:
    """Whether a variable is read after `place`; attributes and globals are read elsewhere.

    So is what stands at the top of a file, but for names that say that they are of no use.
    """
    code = program.code(place)
    if code is None and not name.startswith("_"):
        return True
    if code is not None and code.scope.lookup(name) is not code.scope:
        return True
    return "." in name or any(
        isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)
        for n in walk(home(program, place))
    )


def _precedes(part: ast.expr, place: tuple[int, int]) -> bool:
    return (part.lineno, part.col_offset) < place


def is_pure(program: Program, call: ast.Call) -> bool:
    """Whether a call can only compute something."""
    callee = program.flow.values.get(call.func, frozenset())
    return bool(callee) and all(
        isinstance(a, Model | Module | ModuleApi)
        or (isinstance(a, Api) and isinstance(a.receiver, Array | Model | Optimizer))
        or (isinstance(a, External) and _is_pure_name(a.path))
        for a in callee
        if not isinstance(a, Parameter)
    )


def _is_pure_name(path: str) -> bool:
    root, _, name = path.partition(".")
    return root in {"jax", "numpy", "flax"} or (root == "builtins" and name in _PURE)


def is_path(node: ast.expr) -> bool:
    """Whether `node` only names something, so that it can be written twice."""
    match node:
        case ast.Name():
            return True
        case ast.Attribute(value=value) | ast.Subscript(value=value, slice=ast.Constant()):
            return is_path(value)
    return False


def home(program: Program, place: ast.AST) -> ast.AST:
    """The function, or the file, that a place stands in."""
    code = program.code(place)
    if code is not None:
        return code.node
    return next(a for a in reversed([*program.ancestors(place)]))


def can_go_before(program: Program, node: ast.expr) -> bool:
    """Whether `node` may be computed in a statement of its own before the present one.

    What the statement does before it must not matter: calls of JAX are pure.
    """
    place = (node.lineno, node.col_offset)
    around = {node, *program.ancestors(node)}
    for part in walk(program.statement(node)):
        if isinstance(part, ast.NamedExpr | ast.Await | ast.Yield) and part not in around:
            return False
        if not isinstance(part, ast.Call) or part in around or not _precedes(part, place):
            continue
        if not is_pure(program, part):
            return False
    for ancestor in program.ancestors(node):
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
            case ast.Compare(ops=[_, _, *_]):
                return False
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.Return() | ast.Expr():
                return len(siblings_on_line(program, ancestor)) == 1
            case ast.stmt():
                return False
    return False


def exclude(program: Program, one: ast.Call, other: ast.Call) -> bool:
    """Whether two runs stand in different branches of one `if`."""
    above = {*program.ancestors(one)}
    for ancestor in program.ancestors(other):
        if isinstance(ancestor, ast.If) and ancestor in above:
            in_body = {n for s in ancestor.body for n in walk(s)}
            return (one in in_body) != (other in in_body)
    return False


def siblings_on_line(program: Program, statement: ast.stmt) -> list[ast.stmt]:
    """The statements of a block that share a line; nothing where the line is not theirs alone."""
    source = program.source(statement)
    line = lines_of(source.text)[statement.lineno - 1]
    parent = program.parents.get(statement)
    blocks = [getattr(parent, name, None) for name in ("body", "orelse", "finalbody")]
    siblings = [s for block in blocks if isinstance(block, list) for s in block]
    beside = [s for s in siblings if isinstance(s, ast.stmt) and s.lineno == statement.lineno]
    first = min((program.span(source, s).column for s in beside), default=0)
    if line[:first].strip() or any(hasattr(s, "body") for s in beside if len(beside) > 1):
        return []
    return beside
