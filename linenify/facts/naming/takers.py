"""What takes a number of the legacy counter, and the code in which it stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from linenify.facts.ask.arguments import in_module_code
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.interpret import Interpreter
from linenify.facts.flow.kinds import (
    Atom,
    Bound,
    Class,
    External,
    Function,
    Instance,
    Module,
    ModuleApi,
    Partial,
    SuperMethod,
    Transformed,
    Value,
)
from linenify.project.nodes import below
from linenify.project.scopes import FunctionNode

_NOTHING: Value = frozenset()
_AT_TIMES = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match),
    *(ast.IfExp, ast.BoolOp, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
    *(ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
)


def takers(plan: Plan, function: FunctionNode) -> Iterator[ast.Call]:
    """The calls in a function's own body that may take a number."""
    for node in own_nodes(function):
        if isinstance(node, ast.Call) and takes(plan, node):
            yield node


def takes(plan: Plan, call: ast.Call) -> bool:
    """Whether a call may take a number: a new module, or one to be shared."""
    for atom in plan.flow.values.get(call.func, _NOTHING):
        match atom:
            case Module(shared=False, receiver="", origin=origin):
                return origin not in plan.promoted
            case ModuleApi(name="shared"):
                return True
            case ModuleApi(name="partial"):
                return call in plan.promoted and in_module_code(plan, call)
    return False


def is_named(plan: Plan, call: ast.Call) -> bool:
    """Whether a call takes no number, since the module has a name."""
    if any(k.arg == "name" and not _is_none(k.value) for k in call.keywords):
        return True
    value = plan.flow.values.get(call.func, _NOTHING)
    found = [a.module if isinstance(a, ModuleApi) else a for a in value]
    return all(a.named for a in found if isinstance(a, Module))


def own_nodes(function: FunctionNode) -> Iterator[ast.AST]:
    """What runs when a function does: all but the functions defined in it."""
    body = [function.body] if isinstance(function, ast.Lambda) else function.body
    queue: list[ast.AST] = [*body]
    while queue:
        node = queue.pop(0)
        yield node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                defaults = [*node.args.defaults, *node.args.kw_defaults]
                queue[:0] = [*node.decorator_list, *(d for d in defaults if d is not None)]
            case ast.Lambda():
                defaults = [*node.args.defaults, *node.args.kw_defaults]
                queue[:0] = [d for d in defaults if d is not None]
            case ast.ClassDef():
                continue
            case _:
                queue[:0] = below(node)


def in_order(call: ast.Call) -> list[ast.expr]:
    """The arguments of a call in the order in which they are evaluated."""
    given = [*call.args, *(k.value for k in call.keywords)]
    return sorted(given, key=lambda node: (node.lineno, node.col_offset))


def evaluated(node: ast.AST) -> list[ast.AST]:
    """What is below a node, in the order in which it is evaluated."""
    match node:
        case ast.Call(func=func):
            return [func, *in_order(node)]
        case ast.Assign(targets=targets, value=value):
            return [value, *targets]
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            return [value, target]
        case ast.AnnAssign(target=target):
            return [target]
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return [part for pair in pairs for part in pair if part is not None]
    return [*below(node)]


def runs_once(plan: Plan, node: ast.AST, function: FunctionNode) -> bool:
    """Whether a part of a function runs exactly once whenever the function does."""
    returns = sum(isinstance(each, ast.Return | ast.Raise) for each in own_nodes(function))
    for ancestor in plan.ancestors(node):
        if ancestor is function:
            return returns <= 1
        if isinstance(ancestor, _AT_TIMES):
            return False
    return False


def code_of(flow: Interpreter, atom: Atom) -> FunctionNode | None:
    """The code of the project that runs when something is called."""
    match atom:
        case Function(node=node) | Bound(node=node):
            return node
        case Partial(function=inner) | Transformed(function=inner):
            return code_of(flow, inner)
        case SuperMethod(owner=owner, name=name):
            after = flow.hierarchy.find_after(owner, name)
            return after[1] if after is not None else None
        case Class(node=made) | Instance(node=made):
            name = "__init__" if isinstance(atom, Class) else "__call__"
            found = flow.hierarchy.find(made, name)
            return found[1] if found is not None else None
    return None


def is_special(plan: Plan, function: FunctionNode) -> bool:
    """Whether a function runs otherwise than where it is called, and once."""
    if isinstance(function, ast.AsyncFunctionDef):
        return True
    if any(isinstance(n, ast.Yield | ast.YieldFrom) for n in own_nodes(function)):
        return True
    plain = {External("builtins.staticmethod"), External("builtins.classmethod")}
    decorators = plan.flow.decorators.get(function, _NOTHING)
    return bool(decorators - plain - {External("flax.nn.module_method")}) or bool(
        isinstance(function, ast.FunctionDef) and function.decorator_list and not decorators
    )


def only_raises(function: FunctionNode) -> bool:
    """Whether a method is there to be overridden."""
    if isinstance(function, ast.Lambda):
        return False
    first, *_ = [s for s in function.body if not _is_docstring(s)] or [ast.Pass()]
    return isinstance(first, ast.Raise)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
