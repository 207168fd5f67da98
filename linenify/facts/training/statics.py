"""Static arguments of transforms: params are traced, and a dict cannot be hashed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from linenify.facts.ask.arguments import as_given
from linenify.facts.ask.callers import Callers
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import (
    Atom,
    Bound,
    Container,
    External,
    Function,
    Model,
    Optimizer,
    Partial,
    Transformed,
    known,
)
from linenify.facts.sites import Added, Argument, ModuleCall, Reordered, Reshaped, Site, Wrapped
from linenify.project.scopes import FunctionNode

_OPTIONS = frozenset({"static_argnums", "static_argnames", "static_broadcasted_argnums"})


def emit(plan: Plan, callers: Callers) -> None:
    """Takes Models off the static arguments of `jit` and `pmap`, and freezes dicts there."""
    for call, scope in list(plan.flow.where.items()):
        assert isinstance(call, ast.Call)
        for index, keyword in enumerate(call.keywords, len(call.args)):
            if keyword.arg not in _OPTIONS:
                continue
            _freeze(plan, callers, call, keyword.value)
            left = _still_static(plan, call, keyword.value)
            if left is None:
                continue
            rest: list[Argument] = []
            for place, given in enumerate(as_given(call)):
                if place != index:
                    rest.append(given)
                elif left:
                    rest.append(Added(keyword.arg, repr(left[0] if len(left) == 1 else left)))
            site: Site = Reordered(tuple(rest), "LN612")
            if len(rest) == 1 and _is_partial(plan, call):
                site = Reshaped("{0}", "LN612")
            plan.at(scope.source, call, site)


def _freeze(plan: Plan, callers: Callers, call: ast.Call, chosen: ast.expr) -> None:
    """Static arguments must be hashable today: a dict becomes a `FrozenDict`."""
    for function, place, name in _parameters(plan, call, chosen):
        for caller in callers.of(function):
            node = _given(plan, caller, function, place, name)
            if not isinstance(node, ast.Name | ast.Call | ast.Dict):
                continue
            held = known(plan.flow.values.get(node, frozenset()))
            if not held or not all(isinstance(a, Container) and a.type == "dict" for a in held):
                continue
            source = plan.source(caller)
            if plan.site_at(source, node) is not None:
                continue
            if isinstance(node, ast.Call):
                made = plan.flow.values.get(node.func, frozenset())
                if made == frozenset({External("builtins.dict")}):
                    frozen = "flax.core.FrozenDict"
                    site = ModuleCall(None, as_given(node), callee=frozen, rule="LN104")
                    plan.at(source, node, site)
            else:
                template = "{spell:flax.core.FrozenDict}({node})"
                plan.at(source, node, Wrapped(template, "LN104"))


def _given(
    plan: Plan, caller: ast.Call, function: FunctionNode, place: int, name: str
) -> ast.expr | None:
    """What a call passes for one parameter; None where that is not spelled out."""
    if _counts_receiver(plan, function):
        filled = {
            found[1]
            for atom in plan.flow.values.get(caller.func, frozenset())
            if (found := _innermost(atom)) is not None and found[0] is function
        }
        place -= max(filled, default=0)
    if any(isinstance(a, ast.Starred) for a in caller.args[: place + 1]):
        return None
    if 0 <= place < len(caller.args):
        return caller.args[place]
    return next((k.value for k in caller.keywords if k.arg == name), None)


def _counts_receiver(plan: Plan, function: FunctionNode) -> bool:
    """Whether places count from a receiver that no call spells out: a decorated method."""
    decorators = getattr(function, "decorator_list", ())
    return plan.flow.code[function].owner is not None and bool(decorators)


def _still_static(plan: Plan, call: ast.Call, chosen: ast.expr) -> tuple[int | str, ...] | None:
    """The static arguments that are no Models; None where nothing changes.

    What may be a Model, or something else, stays: where the arguments of a call
    are starred, each of them seems to be all of them.
    """
    every = _chosen(chosen)
    gone = {
        each
        for each in every
        for function, _, name in _named(plan, call, (each,))
        if _is_model(plan, function, name)
    }
    return tuple(each for each in every if each not in gone) if gone else None


def _is_model(plan: Plan, function: FunctionNode, name: str) -> bool:
    """Whether a parameter holds nothing but Models and optimizers."""
    held = known(plan.flow.env.get((plan.flow.code[function].scope, name), frozenset()))
    return bool(held) and all(isinstance(atom, Model | Optimizer) for atom in held)


def _chosen(node: ast.expr) -> tuple[int | str, ...]:
    try:
        literal = ast.literal_eval(node)
    except ValueError:
        return ()
    return tuple(literal) if isinstance(literal, tuple | list | set) else (literal,)


def _parameters(
    plan: Plan, call: ast.Call, chosen: ast.expr
) -> Iterator[tuple[FunctionNode, int, str]]:
    """The functions that a transform is about, and their static parameters by place and name."""
    yield from _named(plan, call, _chosen(chosen))


def _named(
    plan: Plan, call: ast.Call, chosen: tuple[int | str, ...]
) -> Iterator[tuple[FunctionNode, int, str]]:
    for function, skip in _functions(plan, call):
        names = [a.arg for a in [*function.args.posonlyargs, *function.args.args]][skip:]
        for each in chosen:
            if isinstance(each, int) and -len(names) <= each < len(names):
                place = each % len(names)
                yield function, place, names[place]
            elif each in names:
                yield function, names.index(str(each)), str(each)


def _functions(plan: Plan, call: ast.Call) -> Iterator[tuple[FunctionNode, int]]:
    """What a call of `jit` is about, with how many parameters are filled in already.

    `@partial(jit, ...)` decorates it, `jit(f, ...)` and `partial(jit, ...)(f)` are given it.
    """
    parent = plan.parents.get(call)
    if isinstance(parent, ast.FunctionDef):
        yield parent, 0
    given = call.args[:1]
    if isinstance(parent, ast.Call) and parent.func is call:
        given = [*given, *parent.args[:1]]
    for argument in given:
        for atom in plan.flow.values.get(argument, frozenset()):
            found = _innermost(atom)
            if found is not None:
                yield found


def _innermost(atom: Atom) -> tuple[FunctionNode, int] | None:
    match atom:
        case Function(node=function):
            return function, 0
        case Bound(node=function, drops_first=drops):
            return function, int(drops)
        case Transformed(function=inner):
            return _innermost(inner)
        case Partial(function=inner, positional=count):
            found = _innermost(inner)
            return (found[0], found[1] + count) if found is not None else None
    return None


def _is_partial(plan: Plan, call: ast.Call) -> bool:
    callee = plan.flow.values.get(call.func, frozenset())
    return callee == frozenset({External("functools.partial")})
