"""`ModelParamTraversal`: the predicate for an optimizer, a class of today for all else."""

from __future__ import annotations

import ast

from linenify.facts.ask.arguments import text
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import (
    Bound,
    External,
    Function,
    Model,
    OptimizerDef,
    Static,
    known,
)
from linenify.facts.flow.libraries import TRAVERSAL
from linenify.facts.sites import Reshaped, Unclear
from linenify.facts.training import optimizers
from linenify.facts.training.training import Training
from linenify.project.nodes import walk
from linenify.project.source import Source

_CODE = "LN691"
_USES = frozenset({"iterate", "update"})
_IN_ANY_ORDER = frozenset(
    f"builtins.{name}" for name in ("sum", "map", "filter", "any", "all", "max", "min", "set")
) | {"functools.reduce"}
_KEPT = "{spell:flax.traverse_util.ModelParamTraversal}(%s)"


def emit(training: Training, source: Source, call: ast.Call) -> None:
    """`ModelParamTraversal(f)`: its predicate where an optimizer asks for it, else itself."""
    template = optimizers.traversal(call)
    node = call.args[0] if call.args else call.keywords[0].value
    check_predicate(training.plan, node)
    asked = any(_asks(training.plan, node) for node in training.plan.flow.values)
    if asked and _is_asked(training.plan, call):
        template = _KEPT % template
    training.plan.at(source, call, Reshaped(template, "LN601"))


def emit_use(training: Training, source: Source, call: ast.Call, name: str) -> None:
    """`kernels.iterate(model)` and `kernels.update(f, model)`: of params today.

    Raises:
        Unclear: LN691, when they go to something that has no params, or in an order.
    """
    plan = training.plan
    place = 0 if name == "iterate" else 1
    if call.keywords or len(call.args) != place + 1 or isinstance(call.args[-1], ast.Starred):
        raise Unclear(_CODE, f"the arguments of `{text(call.func)}` are not spelled out")
    inputs = call.args[place]
    value = plan.flow.values.get(inputs, frozenset())
    if name == "iterate" and not _in_any_order(plan, call):
        raise Unclear(_CODE, f"`{text(call.func)}` goes by names, and they sort otherwise in Linen")
    if not any(isinstance(a, Model) for a in value) or training.models.as_params(value):
        return
    if not isinstance(inputs, ast.Name):
        raise Unclear(_CODE, f"`{text(inputs)}` is no dict of params")
    made = "{owner}.iterate({0}.params)"
    if name == "update":
        made = "{1}.replace(params={owner}.update({0}, {1}.params))"
    plan.at(source, call, Reshaped(made, "LN601"))


def _asks(plan: Plan, node: ast.AST) -> bool:
    """Whether a traversal is asked for the leaves that it picks."""
    if not isinstance(node, ast.Attribute) or node.attr not in _USES:
        return False
    value = plan.flow.values.get(node, frozenset())
    return any(
        isinstance(a, External) and a.path.endswith(f"{TRAVERSAL}.{node.attr}") for a in value
    )


def _is_asked(plan: Plan, call: ast.Call) -> bool:
    """Whether it is this traversal that is asked, and no optimizer that gets it.

    Raises:
        Unclear: LN691, when it may be both.
    """
    given = _given_to_optimizers(plan)
    if call in given:
        if _mentioned(plan, call) != 1:
            raise Unclear(_CODE, "an optimizer gets it, and something else may")
        return False
    if None in given:
        raise Unclear(_CODE, "an optimizer may get it, and it may be asked for its leaves")
    return True


def _given_to_optimizers(plan: Plan) -> set[ast.Call | None]:
    """The traversals in the pairs of `MultiOptimizer`; None for one that is not seen."""
    found: set[ast.Call | None] = set()
    for call, value in plan.flow.values.items():
        made = any(isinstance(a, OptimizerDef) and a.node is call for a in value)
        if not isinstance(call, ast.Call) or not made:
            continue
        if any(isinstance(a, OptimizerDef) and a.name == "MultiOptimizer" for a in value):
            for pair in call.args:
                found.add(_made(plan, pair.elts[0]) if isinstance(pair, ast.Tuple) else None)
    return found


def _made(plan: Plan, node: ast.expr) -> ast.Call | None:
    """Where a traversal is made that stands somewhere by itself or by a name."""
    if isinstance(node, ast.Name):
        values = [
            each.value
            for each in walk(_around(plan, node))
            if isinstance(each, ast.Assign)
            and any(isinstance(t, ast.Name) and t.id == node.id for t in each.targets)
        ]
        return values[0] if len(values) == 1 and isinstance(values[0], ast.Call) else None
    return node if isinstance(node, ast.Call) else None


def _mentioned(plan: Plan, call: ast.Call) -> int:
    """How often a traversal is read by the name that it gets where it is made."""
    match plan.parents.get(call):
        case ast.Assign(targets=[ast.Name() as target]):
            names = [n for n in walk(_around(plan, call)) if isinstance(n, ast.Name)]
            return sum(n.id == target.id and isinstance(n.ctx, ast.Load) for n in names)
        case ast.Assign():
            return 2
    return 1


def _around(plan: Plan, node: ast.expr) -> ast.AST:
    code = plan.code(node)
    return code.node if code is not None else plan.source(node).tree


def _in_any_order(plan: Plan, call: ast.Call) -> bool:
    """Whether it makes no difference in which order the leaves come."""
    match plan.parents.get(call):
        case ast.comprehension() as part:
            made = plan.parents.get(part)
            return isinstance(made, ast.SetComp) or (
                isinstance(made, ast.expr) and _is_gathered(plan, made)
            )
        case ast.For(iter=each):
            return each is call
        case ast.expr():
            return _is_gathered(plan, call)
    return False


def _is_gathered(plan: Plan, node: ast.expr) -> bool:
    outer = plan.parents.get(node)
    if not isinstance(outer, ast.Call):
        return False
    paths = {
        a.path for a in plan.flow.values.get(outer.func, frozenset()) if isinstance(a, External)
    }
    if not paths or not paths <= _IN_ANY_ORDER:
        return False
    return not paths & {"builtins.map", "builtins.filter"} or _is_gathered(plan, outer)


def check_predicate(plan: Plan, node: ast.expr) -> None:
    """Whether the predicate of a traversal goes by names that stay the same.

    Raises:
        Unclear: it does not, or its code is out of sight.
    """
    value = plan.flow.values.get(node, frozenset())
    found = known(value)
    if not found or any(isinstance(a, Static) and a.type == "None" for a in value):
        raise Unclear("LN691", f"the predicate `{text(node)}` is not known, or may be None")
    for atom in found:
        match atom:
            case Function(node=function) | Bound(node=function):
                optimizers.check_predicate(function)
                if any(_counts(plan, part) for part in walk(function)):
                    raise Unclear("LN691", "its predicate goes by numbers in the path")
            case External(path=path) if path.endswith("ModelParamTraversal"):
                pass  # judged where it is made
            case _:
                raise Unclear("LN691", f"the predicate `{text(node)}` is not known")


def _counts(plan: Plan, node: ast.AST) -> bool:
    """Whether an expression reads a number from a string."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr in {"isdigit", "isdecimal"}:
        return True
    callee = plan.flow.values.get(node.func, frozenset())
    paths = [a.path for a in callee if isinstance(a, External)]
    return any(p in {"builtins.int", "builtins.enumerate"} or p.startswith("re.") for p in paths)
