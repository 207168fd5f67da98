"""Optimizer classes as values: `optimizer_cls = optim.Adam`, tables of them, arguments.

The class becomes a function of the arguments that its calls give, under their legacy
names; the calls stay as they are.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Sequence

from linenify.facts.ask.arguments import splat_keys, text
from linenify.facts.ask.spelt import spelt
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.support import require
from linenify.facts.flow.kinds import External, Parameter, Static, Value
from linenify.facts.sites import Unclear, Wrapped
from linenify.facts.training import optimizers
from linenify.facts.training.training import Training

_CODE = "LN691"


def emit(training: Training) -> set[ast.Call]:
    """Decides the classes that travel; gives the calls through them that stay as they are."""
    plan = training.plan
    named: dict[str, list[ast.expr]] = defaultdict(list)
    for node, value in plan.flow.values.items():
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            path = _path(value)
            if path is not None and spelt(plan, node) == path and not _is_called(plan, node):
                named[path].append(node)
    if not named:
        return set()
    calls: dict[ast.Call, set[str]] = {}
    for call in plan.flow.where:
        assert isinstance(call, ast.Call)
        paths = _paths(plan.flow.values.get(call.func, frozenset()))
        if paths and spelt(plan, call.func) is None:
            calls[call] = paths
    kept: set[ast.Call] = set()
    for paths in _groups(calls):
        nodes = [node for path in sorted(paths) for node in named.get(path, ())]
        users = [call for call, found in calls.items() if found & paths]
        try:
            made = _functions(training, paths, nodes, users)
        except Unclear:
            continue  # the calls say so
        for node in nodes:
            site, support = made[_path(plan.flow.values[node]) or ""]
            require(plan, plan.source(node), support, _CODE)
            plan.at(plan.source(node), node, site)
        kept.update(users)
    return kept


def _path(value: Value) -> str | None:
    """The class of flax.optim that a value is, and nothing else."""
    match [*value]:
        case [External(path=path)] if path.startswith("flax.optim."):
            return path if path.rpartition(".")[2] in _plain() else None
    return None


def _paths(value: Value) -> set[str]:
    """The optimizer classes that a callee may be; empty where it may be anything else."""
    found = [a for a in value if not isinstance(a, Parameter)]
    found = [a for a in found if not (isinstance(a, Static) and a.type in {"None", "str"})]
    paths = [_path(frozenset({a})) for a in found]
    return {p for p in paths if p is not None} if None not in paths else set()


def _plain() -> set[str]:
    return optimizers.OPTIMIZERS.keys() - optimizers.WRAPPERS


def _is_called(plan: Plan, node: ast.expr) -> bool:
    parent = plan.parents.get(node)
    return isinstance(parent, ast.Call) and parent.func is node


def _groups(calls: dict[ast.Call, set[str]]) -> list[set[str]]:
    """Classes that meet in one call: what becomes of one decides for all."""
    parts: list[set[str]] = []
    for paths in calls.values():
        joining = [part for part in parts if part & paths]
        parts = [part for part in parts if not part & paths]
        parts.append(set(paths).union(*joining))
    return parts


def _functions(
    training: Training, paths: set[str], nodes: Sequence[ast.expr], calls: Sequence[ast.Call]
) -> dict[str, tuple[Wrapped, tuple[str, ...]]]:
    """What each class becomes where it is named, and the snippets that it needs.

    Raises:
        Unclear: one of them is asked for something else than to be called, or has no form.
    """
    plan = training.plan
    for node in nodes:
        if not _travels(plan, node):
            raise Unclear(_CODE, f"`{text(node)}` is more than called")
    found: dict[str, tuple[Wrapped, tuple[str, ...]]] = {}
    for path in sorted(paths):
        name = path.rpartition(".")[2]
        own = [call for call in calls if path in _paths(plan.flow.values[call.func])]
        steps = {frozenset(n for names in training.per_step.get(c, ()) for n in names) for c in own}
        passed = steps.pop() if steps else frozenset()
        if steps or None in passed or not own:
            raise Unclear(_CODE, f"steps give {name} different hyper-parameters")
        given = [_given(plan, name, call) for call in own]
        head, names = _signature(name, given)
        bare = ast.Call(
            ast.Name(name, ast.Load()),
            [],
            [ast.keyword(each, ast.Name(each, ast.Load())) for each in names],
        )
        ast.copy_location(bare, own[0])
        ast.fix_missing_locations(bare)
        made = optimizers.definition(name, bare, frozenset(n for n in passed if n), {})
        code = made.template
        for place, each in enumerate(names):
            code = code.replace(f"{{{place}}}", each)
        if "{" in code.replace("{spell:", ""):
            raise Unclear(_CODE, f"{name} has no form that can be a function")
        site = Wrapped(f"lambda {head}: {code}", "LN601", tuple(made.imports))
        found[path] = (site, made.support)
    return found


def _travels(plan: Plan, node: ast.expr) -> bool:
    """Whether a class is only handed on where it is named, so that a function can stand there."""
    parent = plan.parents.get(node)
    match parent:
        case ast.Assign() | ast.Return() | ast.IfExp() | ast.Dict() | ast.Tuple() | ast.List():
            return True
        case ast.arguments():
            return True
        case ast.keyword() | ast.Call():
            call = plan.parents[parent] if isinstance(parent, ast.keyword) else parent
            if not isinstance(call, ast.Call):
                return False
            callee = plan.flow.values.get(call.func, frozenset())
            outside = {a.path for a in callee if isinstance(a, External)}
            return bool(callee) and outside <= {"functools.partial", "builtins.dict"}
    return False


def _given(plan: Plan, name: str, call: ast.Call) -> list[str]:
    """The hyper-parameters that a call gives; those that it gives by place come first.

    Raises:
        Unclear: that is not known, or it gives something that is none.
    """
    table = [each.name for each in optimizers.OPTIMIZERS[name]]
    if any(isinstance(a, ast.Starred) for a in call.args) or len(call.args) > len(table):
        raise Unclear(_CODE, f"the arguments of `{text(call.func)}` are not spelled out")
    found = table[: len(call.args)]
    for keyword in call.keywords:
        if keyword.arg is not None:
            found.append(keyword.arg)
            continue
        carried = splat_keys(plan, keyword.value)
        if carried is None:
            raise Unclear(_CODE, f"what `**{text(keyword.value)}` carries is not known")
        found += sorted(carried)
    if not set(found) <= set(table) or len(set(found)) != len(found):
        raise Unclear(_CODE, f"`{text(call.func)}` may be {name}, which takes no such argument")
    return found


def _signature(name: str, given: Iterable[list[str]]) -> tuple[str, list[str]]:
    """The parameters of a function for some calls, as code and by name."""
    every = [*given]
    table = optimizers.OPTIMIZERS[name]
    used = [each for each in table if any(each.name in names for names in every)]
    parts: list[str] = []
    optional = False
    for each in used:
        optional = optional or any(each.name not in names for names in every)
        if optional and (each.name == "learning_rate" or each.default == "None"):
            raise Unclear(_CODE, f"not all calls of {name} give `{each.name}`")
        parts.append(f"{each.name}={each.default}" if optional else each.name)
    return ", ".join(parts), [each.name for each in used]
