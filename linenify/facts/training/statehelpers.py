"""Functions that run a module for `nn.stateful` contexts of their callers.

def loss(model, x):                      def loss(params, x, state):
return jnp.mean(model(x))       ->       out, new_state = Net().apply(...)
return jnp.mean(out), new_state
with nn.stateful(state) as new:
value = loss(model, x)               value, new = loss(params, x, state=state)
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from linenify.facts.ask.effects import keeps_state
from linenify.facts.ask.places import is_read
from linenify.facts.deciding.placing import free_name, in_block
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import rendered
from linenify.facts.modules.selfcalls import plain_calls
from linenify.facts.sites import StatementSite, Unclear
from linenify.facts.training.opened import Opened, StateHelper
from linenify.facts.training.withitems import Item
from linenify.project.nodes import below, walk
from linenify.project.scopes import FunctionNode

_PARAMETERS = ("state", "model_state", "old_state")
_RETURNED = ("new_state", "new_model_state", "changed_state")
_BRANCHES = (
    *(ast.If, ast.For, ast.While, ast.Try, ast.IfExp, ast.BoolOp, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Match),
)


def helper(contexts: Opened, plan: Plan, function: FunctionNode, run: ast.Call) -> bool:
    """Whether a function can take the state that its only run needs; decided once."""
    if function in contexts.helpers:
        return contexts.helpers[function].run is run
    if not isinstance(function, ast.FunctionDef) or function.decorator_list:
        return False
    if not keeps_state(plan, run) or not _is_straight(plan, function, run):
        return False
    calls = plain_calls(plan, function)
    around = [(call, _opened_around(contexts, plan, call)) for call in calls]
    known = tuple((call, item) for call, item in around if item is not None)
    if not known or len(known) < len(calls):
        return False
    others = [c for c in plan.flow.where if isinstance(c, ast.Call) and c is not run]
    if any(_home(plan, c) is function and keeps_state(plan, c) for c in others):
        return False
    try:
        parameter = free_name(plan, run, _PARAMETERS)
        returned = free_name(plan, run, _RETURNED)
        result = free_name(plan, run, ("result", "outputs", "results"))
    except Unclear:
        return False
    contexts.helpers[function] = StateHelper(run, parameter, returned, result, known)
    return True


def _home(plan: Plan, node: ast.AST) -> ast.AST | None:
    code = plan.code(node)
    return code.node if code is not None else None


def _is_straight(plan: Plan, function: ast.FunctionDef, run: ast.Call) -> bool:
    """Whether a run happens in every call of a function, before it returns."""
    if _home(plan, run) is not function:
        return False
    if any(isinstance(a, _BRANCHES) for a in _within(plan, run)):
        return False
    returns = [*_returns(function)]
    place = plan.statement(run).lineno
    return (
        bool(returns)
        and isinstance(_last(function.body), ast.Return)
        and all(r.value is not None and in_block(plan, r) for r in returns)
        and all(r.lineno >= place for r in returns)
    )


def _last(body: Sequence[ast.stmt]) -> ast.stmt:
    """The last statement that runs; contexts end with their bodies."""
    return _last(body[-1].body) if isinstance(body[-1], ast.With) else body[-1]


def _within(plan: Plan, node: ast.AST) -> Iterator[ast.AST]:
    """What stands around a node in its statement, and up to its function."""
    for ancestor in plan.ancestors(node):
        if isinstance(ancestor, ast.FunctionDef):
            return
        yield ancestor


def _returns(function: ast.FunctionDef) -> Iterator[ast.Return]:
    pending: list[ast.AST] = [*function.body]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Return):
            yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            pending += below(node)


def _opened_around(contexts: Opened, plan: Plan, call: ast.Call) -> Item | None:
    """The one context that hands out the state after a call, if nothing else runs in it."""
    statement = plan.parents.get(call)
    match statement:
        case ast.Assign(targets=[ast.Name() | ast.Tuple()]) if in_block(plan, statement):
            pass
        case _:
            return None
    found: Item | None = None
    for ancestor in plan.ancestors(call):
        if isinstance(ancestor, ast.FunctionDef):
            break
        if isinstance(ancestor, _BRANCHES) and found is None:
            return None
        for item in contexts.items.get(ancestor, ()) if isinstance(ancestor, ast.With) else ():
            if item.kind == "state" and found is None:
                found = item
    if found is None or not found.mutable or found.argument is None or found.captured is None:
        return None
    inside = [n for s in found.statement.body for n in walk(s)]
    if any(isinstance(n, ast.Call) and keeps_state(plan, n) for n in inside):
        return None
    return found


def emit(contexts: Opened, plan: Plan) -> None:
    """Returns of the helpers, and what their results are assigned to."""
    for function, made in contexts.helpers.items():
        source = plan.flow.code[function].source
        assert isinstance(function, ast.FunctionDef)
        table = plan.files[source.name].statements
        for each in _returns(function):
            lines: tuple[str, ...] = (f"return {{value}}, {made.returned}",)
            if isinstance(each.value, ast.Tuple):
                lines = (f"{made.result} = {{value}}", f"return {made.result}, {made.returned}")
            table[each.lineno] = StatementSite("LN510", lines=lines)
        for call, item in made.calls:
            statement = plan.parents[call]
            assert isinstance(statement, ast.Assign)
            place = plan.source(call)
            shown = rendered(plan, place, statement.targets[0])
            captured = item.captured or ""
            captured = captured if is_read(plan, call, captured) else "_"
            site = StatementSite("LN510", lines=(f"{shown}, {captured} = {{value}}",))
            plan.files[place.name].statements[statement.lineno] = site
