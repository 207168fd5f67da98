"""Decorators of `apply`: those of a configuration library go to the class, others stay."""

from __future__ import annotations

import ast

from linenify.facts.ask.arguments import text
from linenify.facts.ask.parameters import Role
from linenify.facts.deciding.plan import ClassPlan, Plan
from linenify.facts.flow.kinds import External, Function
from linenify.facts.legacy.externals import CONFIGURE, MUST_BE_CONFIGURED
from linenify.facts.sites import Decorated
from linenify.project.nodes import walk

_LISTS = frozenset({"allowlist", "denylist", "whitelist", "blacklist"})
_LEGACY = frozenset({"flax.nn.module", "flax.nn.module_method", "abc.abstractmethod"})


def refusal(plan: Plan, method: ast.FunctionDef, class_plan: ClassPlan) -> str | None:
    """Why the decorators of a method can follow it neither to `__call__` nor to the class."""
    legacy = [i for i, d in enumerate(method.decorator_list) if _paths(plan, d) & _LEGACY]
    for place, decorator in enumerate(method.decorator_list):
        if place in legacy:
            continue
        if _hands_on(plan, decorator) and all(i < place for i in legacy):
            continue
        if not _configures(plan, decorator):
            return f"`{method.name}` has a decorator that linenify does not know"
        why = _misplaced(plan, decorator, method, class_plan)
        if why is not None:
            return why
    return None


def on_the_class(plan: Plan, method: ast.FunctionDef) -> tuple[Decorated, ...]:
    """Which decorators of a method go to its class, by place, and the name that they miss."""
    unnamed = method.name if method.name == "apply" else None
    return tuple(
        Decorated(place, unnamed if _has_no_name(decorator) else None)
        for place, decorator in enumerate(method.decorator_list)
        if _configures(plan, decorator)
    )


def is_configured(plan: Plan, definition: ast.ClassDef | ast.FunctionDef | str) -> bool:
    """Whether a class takes fields from a configuration when an instance is made."""
    if isinstance(definition, str):
        return False
    class_plan = plan.classes.get(definition)
    return class_plan is not None and any(on_the_class(plan, m) for m in class_plan.methods)


def is_wrapped(plan: Plan, method: ast.FunctionDef) -> bool:
    """Whether a decorator runs the method, and stays where it is."""
    return any(_hands_on(plan, d) for d in method.decorator_list)


def _paths(plan: Plan, decorator: ast.expr) -> set[str]:
    value = plan.flow.values.get(decorator, frozenset())
    return {a.path for a in value if isinstance(a, External)}


def _configures(plan: Plan, decorator: ast.expr) -> bool:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    paths = _paths(plan, named)
    return bool(paths) and paths <= CONFIGURE


def _has_no_name(decorator: ast.expr) -> bool:
    """Whether what is configured goes by the name of the function."""
    if not isinstance(decorator, ast.Call):
        return True
    return not decorator.args and all(k.arg != "name_or_fn" for k in decorator.keywords)


def _misplaced(
    plan: Plan, decorator: ast.expr, method: ast.FunctionDef, class_plan: ClassPlan
) -> str | None:
    """Why on the class it would configure something else than it did on a method."""
    said = f"`{text(decorator)}`"
    if len(class_plan.methods) > 1:
        return f"{said} would configure all methods of the class"
    owner = plan.flow.code[method].owner
    if owner is not None and _has_subclasses(plan, owner.node):
        return f"{said} would not reach subclasses"
    roles = {name: decision.role for name, decision in plan.decisions[method].items()}
    inputs = {name for name, role in roles.items() if role is not Role.FIELD}
    for name, decision in plan.decisions[method].items():
        default = decision.default
        if name in inputs and default is not None and _paths(plan, default) & MUST_BE_CONFIGURED:
            return f"{said} is to give `{name}`, which is an input"
    if isinstance(decorator, ast.Call):
        for keyword in decorator.keywords:
            if keyword.arg is None:
                return f"{said} is called with a splat"
            if keyword.arg in _LISTS and _listed(keyword.value) - (roles.keys() - inputs):
                return f"`{keyword.arg}=` names what is no field"
    return None


def _listed(value: ast.expr) -> set[object]:
    try:
        return set(ast.literal_eval(value))
    except (ValueError, TypeError):
        return {None}


def _has_subclasses(plan: Plan, node: ast.ClassDef) -> bool:
    hierarchy = plan.flow.hierarchy
    return any(node in hierarchy.mro(other)[1:] for other in hierarchy.infos)


def _hands_on(plan: Plan, decorator: ast.expr) -> bool:
    """Whether a decorator of the project's own runs the method with just what it is given."""
    value = plan.flow.values.get(decorator, frozenset())
    makers = [a.node for a in value if isinstance(a, Function)]
    return bool(makers) and len(makers) == len(value) and all(_hands_all_on(m) for m in makers)


def _hands_all_on(maker: ast.AST) -> bool:
    """Whether a function returns one that hands its arguments on, and looks at none."""
    if not isinstance(maker, ast.FunctionDef) or len(maker.args.args) != 1:
        return False
    wrapped = maker.args.args[0].arg
    *before, last = maker.body
    inner = [s for s in before if isinstance(s, ast.FunctionDef)]
    if len(inner) != 1 or not isinstance(last, ast.Return):
        return False
    (wrapper,) = inner
    if not (isinstance(last.value, ast.Name) and last.value.id == wrapper.name):
        return False
    splat, options = wrapper.args.vararg, wrapper.args.kwarg
    named = [*wrapper.args.posonlyargs, *wrapper.args.args, *wrapper.args.kwonlyargs]
    if splat is None or options is None or len(named) > 1 or wrapper.args.kwonlyargs:
        return False
    passed = [n.arg for n in named]
    own = {*passed, splat.arg, options.arg}
    allowed: set[ast.Name] = set()
    for node in walk(wrapper):
        match node:
            case ast.Call(
                func=ast.Name(id=name),
                args=[*first, ast.Starred(value=ast.Name() as rest)],
                keywords=[ast.keyword(arg=None, value=ast.Name() as extra)],
            ) if (
                name == wrapped
                and [n.id for n in first if isinstance(n, ast.Name)] == passed
                and len(first) == len(passed)
                and rest.id == splat.arg
                and extra.id == options.arg
            ):
                allowed |= {n for n in [*first, rest, extra] if isinstance(n, ast.Name)}
    if not allowed:
        return False
    names = [n for n in walk(wrapper) if isinstance(n, ast.Name)]
    return all(n in allowed for n in names if n.id in own)
