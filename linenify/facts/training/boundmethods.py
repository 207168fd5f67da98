"""Methods of legacy objects as values: `make = optim.Adam(1e-3).create`.

A method that is called where it is named is rewritten together with its call.
Where it travels, name and call are apart: `create` becomes a function of its
own there; what has no such form stays and is flagged at both ends.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from linenify.facts.ask.arguments import text
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import (
    Api,
    Atom,
    External,
    Model,
    Module,
    Optimizer,
    OptimizerDef,
    Value,
    known,
)
from linenify.facts.sites import Unclear, Wrapped

# Where a lambda needs no parentheses.
_ROOMY = (ast.Assign, ast.Return, ast.Call, ast.keyword, ast.Tuple, ast.List, ast.Dict)
_OWNERS = (Module, Model, Optimizer, OptimizerDef)


def is_named(plan: Plan, call: ast.Call, name: str) -> bool:
    """Whether a method is called where it is named: `owner.name(...)`."""
    func = call.func
    if not isinstance(func, ast.Attribute) or func.attr != name:
        return False
    owner = plan.flow.values.get(func.value, frozenset())
    return any(isinstance(atom, _OWNERS) for atom in owner)


def check_named(plan: Plan, call: ast.Call, name: str, code: str) -> None:
    """What is bound elsewhere stays.

    Raises:
        Unclear: the method is not named where it is called.
    """
    if not is_named(plan, call, name):
        raise Unclear(code, f"`{text(call.func)}` is the method `{name}`, which is named elsewhere")


def emit(plan: Plan, counts_in_arrays: Callable[[], bool]) -> None:
    """Decides every method of a legacy object that travels as a value."""
    for node, value in list(plan.flow.values.items()):
        if not isinstance(node, ast.Attribute) or isinstance(node.ctx, ast.Store):
            continue
        parent = plan.parents.get(node)
        if parent is None or (isinstance(parent, ast.Call) and parent.func is node):
            continue
        source = plan.source(node)
        found = [atom for atom in known(value) if _is_method(atom, node.attr)]
        if not found or plan.site_at(source, node) is not None:
            continue
        if _is_create(plan, node, value):
            plan.at(source, node, _creating(plan, node, counts_in_arrays))
        else:
            plan.refuse(source, node, "LN692", f"`{text(node)}` travels as a value")


def _is_method(atom: Atom, name: str) -> bool:
    match atom:
        case Api(receiver=OptimizerDef() | Optimizer(), name=found):
            return found == name
    return False


def _is_create(plan: Plan, node: ast.Attribute, value: Value) -> bool:
    """Whether nothing but the method `create` of definitions travels, and as it is."""
    parent = plan.parents[node]
    if isinstance(parent, ast.keyword):
        parent = plan.parents[parent]
    if isinstance(parent, ast.Call):
        callee = plan.flow.values.get(parent.func, frozenset())
        more = len(parent.args) + len(parent.keywords) > 1
        if more and External("functools.partial") in callee:
            return False
    return node.attr == "create" and all(
        isinstance(a, Api) and isinstance(a.receiver, OptimizerDef) for a in known(value)
    )


def _creating(plan: Plan, node: ast.Attribute, counts_in_arrays: Callable[[], bool]) -> Wrapped:
    """`optim.Adam(1e-3).create` as a function of the params.

    The definition is made where it stands, once, as before.
    """
    tx, option = "{owner}", ""
    if not (isinstance(node.value, ast.Call) and all(map(_is_constant, _given(node.value)))):
        tx, option = "tx", ", tx={owner}"
    made = (
        "{spell:flax.training.train_state.TrainState}.create("
        f"apply_fn=None, params=params, tx={tx})"
    )
    if counts_in_arrays():
        made += ".replace(step={spell:jax.numpy}.array(0))"
    written = f"lambda params{option}: {made}"
    if not isinstance(plan.parents[node], _ROOMY):
        written = f"({written})"
    return Wrapped(written, "LN602")


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(k.value for k in call.keywords)]


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)
    )


def check_created(call: ast.Call) -> None:
    """Whether a call can be one of a `create` that has become a function of the params.

    Raises:
        Unclear: it passes more than a target, or passes that by name.
    """
    if len(call.args) != 1 or call.keywords or isinstance(call.args[0], ast.Starred):
        raise Unclear("LN692", f"`{text(call.func)}` is `create`, and takes the target only now")
