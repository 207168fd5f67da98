"""`Net.call` and `net.init` as values: methods of module classes that travel.

Where all that is ever called through such a value passes inputs only, it is a
lambda: `lambda params, x: Net().apply({'params': params}, x)`.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from linenify.facts.ask.arguments import text
from linenify.facts.ask.effects import RUNS, effects, joined
from linenify.facts.ask.parameters import Role
from linenify.facts.ask.places import home
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import (
    Bound,
    External,
    File,
    Function,
    ModuleApi,
    Parameter,
    Partial,
    Static,
    Transformed,
    Value,
    modules,
)
from linenify.facts.legacy.externals import transparent
from linenify.facts.modules.completing import missing
from linenify.facts.sites import Unclear, Wrapped
from linenify.facts.training import initvalues
from linenify.facts.training.instances import only_inputs
from linenify.project.nodes import walk

_CODE = "LN699"
_MAPS = frozenset(
    {"checkpoint", "grad", "jit", "pmap", "value_and_grad", "vmap"}
)  # what they give is called as what they are given


def is_named(plan: Plan, node: ast.expr, name: str) -> bool:
    """Whether an expression names a method of a module class outright: `Net.init`."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr == name
        and bool(modules(plan.flow.values.get(node.value, frozenset())))
    )


def emit_values(plan: Plan) -> set[ast.Call]:
    """Decides the methods that travel; gives the calls through them that stay as they are."""
    named: dict[ast.Attribute, set[ModuleApi]] = {}
    for node, value in plan.flow.values.items():
        apis = {a for a in value if isinstance(a, ModuleApi) and a.name in RUNS}
        if not apis or not isinstance(node, ast.Attribute):
            continue
        parent = plan.parents.get(node)
        direct = isinstance(parent, ast.Call) and parent.func is node
        if not direct and is_named(plan, node, next(iter(apis)).name):
            named[node] = apis
    if not named:
        return set()
    calls: dict[ast.Call, set[ModuleApi]] = {}
    for call in plan.flow.where:
        assert isinstance(call, ast.Call)
        apis = {a for a in _callee(plan, call) if isinstance(a, ModuleApi) and a.name in RUNS}
        if apis and not is_named(plan, call.func, next(iter(apis)).name):
            calls[call] = apis
    kept: set[ast.Call] = set()
    for node, apis in [*named.items()]:
        runs = initvalues.calls_of(plan, node, named, calls)
        if not runs or any(api.name == "call" for api in apis):
            continue
        try:
            initvalues.emit(plan, node, apis, runs)
        except Unclear as unclear:
            plan.decline(plan.source(node), node, unclear)
        else:
            plan.functions |= apis
            kept.update(runs)
        del named[node]
        for run in runs:
            del calls[run]
    for handed, users in _groups(named, calls):
        met: set[ModuleApi] = set()
        for node in handed:
            try:
                template = _template(plan, node, users)
            except Unclear as unclear:
                plan.decline(plan.source(node), node, unclear)
                met |= named[node]
                continue
            plan.at(plan.source(node), node, Wrapped(template, "LN310"))
            kept.update(users)
        plan.functions |= {api for node in handed for api in named[node]} - met
    return kept


def _callee(plan: Plan, call: ast.Call) -> Value:
    """What is called, also when it is called under transforms."""
    found = set(plan.flow.values.get(call.func, frozenset()))
    while transformed := [a for a in found if isinstance(a, Transformed)]:
        found -= {*transformed}
        found |= {a.function for a in transformed}
    return frozenset(found)


def _groups(
    named: dict[ast.Attribute, set[ModuleApi]], calls: dict[ast.Call, set[ModuleApi]]
) -> list[tuple[list[ast.Attribute], list[ast.Call]]]:
    """Values and calls that meet: what becomes of one decides for all."""
    parts: list[set[ModuleApi]] = []
    for apis in [*named.values(), *calls.values()]:
        joining = [part for part in parts if part & apis]
        parts = [part for part in parts if not part & apis]
        parts.append(set(apis).union(*joining))
    return [
        (
            [node for node, apis in named.items() if apis & part],
            [call for call, apis in calls.items() if apis & part],
        )
        for part in parts
    ]


def _template(plan: Plan, value: ast.Attribute, calls: Sequence[ast.Call]) -> str:
    """The function that takes the place of one value.

    Raises:
        Unclear: it cannot be one, or a call through it passes more than inputs.
    """
    shown = text(value)
    found = [a for a in plan.flow.values[value] if isinstance(a, ModuleApi)]
    if any(api.name != "call" for api in found) or len(plan.flow.values[value]) != len(found):
        raise Unclear(_CODE, f"`{shown}` travels as a value, and gives its params elsewhere")
    if not calls or not _stays_here(plan, value):
        raise Unclear(_CODE, f"`{shown}` travels as a value to where its calls are not seen")
    inputs: set[tuple[str, ...] | None] = set()
    for api in found:
        function = plan.flow.function_of(api.module)
        touched = joined([effects(plan, api.module)])
        if function is None or api.module.shared or touched.keys or touched.collections:
            raise Unclear(_CODE, f"`{shown}` travels as a value, and keeps state or draws keys")
        if missing(plan, calls[0], api.module):
            raise Unclear(_CODE, f"`{shown}` travels as a value without its hyper-parameters")
        taken = [a.arg for a in function.args.args[1:] if plan.role(function, a.arg) is Role.INPUT]
        for call in calls:
            _check(plan, call, shown)
            if not only_inputs(plan, call, api.module):
                raise Unclear(_CODE, f"`{text(call.func)}` gives hyper-parameters to `{shown}`")
            given = taken[: len(call.args) - 1] + [k.arg or "" for k in call.keywords]
            plain = not any(isinstance(a, ast.Starred) for a in call.args)
            inputs.add(tuple(taken) if plain and sorted(given) == sorted(taken) else None)
    names = inputs.pop() if len(inputs) == 1 else None
    listed = ", ".join(names) if names is not None else "*args, **kwargs"
    params = "params" if names is None or "params" not in names else "variables"
    return f"lambda {params}, {listed}: {{owner}}().apply({{'params': {params}}}, {listed})"


def _check(plan: Plan, call: ast.Call, shown: str) -> None:
    callee = _callee(plan, call)
    others = [a for a in callee if not isinstance(a, ModuleApi)]
    if any(not isinstance(a, Function | Bound | Parameter | Partial | Static) for a in others):
        raise Unclear(_CODE, f"`{text(call.func)}` may be something else than `{shown}`")
    if any(isinstance(a, ModuleApi) and a.name != "call" for a in callee):
        raise Unclear(_CODE, f"`{text(call.func)}` may be something else than `{shown}`")
    if not call.args or isinstance(call.args[0], ast.Starred):
        raise Unclear(_CODE, f"`{text(call.func)}` is called without its first argument")


def _stays_here(plan: Plan, value: ast.Attribute) -> bool:
    """Whether no other library gets a value, and its owner means the same later."""
    parent = plan.parents.get(value)
    call = plan.parents.get(parent) if isinstance(parent, ast.keyword) else parent
    if isinstance(call, ast.Call):
        callee = plan.flow.values.get(call.func, frozenset())
        outside = [a.path for a in callee if isinstance(a, External)]
        if not callee or any(transparent(path) not in _MAPS for path in outside):
            return False
    match value.value:
        case ast.Name(id=name):
            around = home(plan, value)
            stores = [
                n
                for n in walk(around)
                if isinstance(n, ast.Name) and n.id == name and not isinstance(n.ctx, ast.Load)
            ]
            return len(stores) <= 1
        case ast.Attribute(value=owner):
            found = plan.flow.values.get(owner, frozenset())
            return bool(found) and all(isinstance(a, External | File) for a in found)
    return False
