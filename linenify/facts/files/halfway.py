"""Linen code beside legacy code: calls that are in Linen form already, and what does not fit.

A project may be half migrated: by hand, or because some of its files were taken
back.  `Inner(width)(x)` is then a call in Linen form of a class that is legacy
still.  It stays, provided that it fits what the class becomes; `Inner(x, width)`
of a class that is in Linen already is refused, since its legacy signature is lost.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Sequence

from linenify.facts.ask.arguments import in_module_code, text
from linenify.facts.ask.parameters import Role
from linenify.facts.deciding.plan import ClassPlan, Plan
from linenify.facts.flow.kinds import (
    Api,
    Class,
    External,
    Model,
    Module,
    Optimizer,
    OptimizerDef,
    SuperMethod,
    Trained,
    Value,
    modules,
)
from linenify.facts.flow.linenforms import is_certain, is_linen_form
from linenify.facts.legacy.externals import MODULE_API
from linenify.facts.sites import Unclear
from linenify.project.nodes import walk
from linenify.project.source import Source

_NAMES = frozenset({"name", "parent"})
_LINES = re.compile(r"\r\n|\r|\n")
# What legacy optimizers had and a TrainState has not.
_OPTIMIZER_API = frozenset(
    {"target", "state", "optimizer_def", "apply_gradient", "compute_gradient", "optimize"}
)
_LINEN_NAMES = ("flax.linen", "flax.training.train_state")
_OF_LEGACY = ("LN2", "LN3", "LN4", "LN5", "LN6", "LN7")  # rules about modules and training
_OBJECTS = (Model, Optimizer, OptimizerDef)
_LEGACY_NAMES = ("flax.nn", "flax.optim")


def is_marked(plan: Plan, node: ast.AST) -> bool:
    """Whether a mark of an earlier run stands above a statement around `node`."""
    marked = _marked_lines(plan.source(node).text)
    for each in (node, *plan.ancestors(node)):
        if isinstance(each, ast.stmt):
            first = min([each.lineno, *(d.lineno for d in getattr(each, "decorator_list", ()))])
            if first in marked:
                return True
    return False


@functools.cache
def _marked_lines(text: str) -> frozenset[int]:
    """Lines of code that a mark stands directly above."""
    if "TODO(linenify)" not in text:
        return frozenset()
    found: set[int] = set()
    below = False
    for number, line in enumerate(_LINES.split(text), 1):
        if line.lstrip().startswith("#"):
            below = below or "TODO(linenify)" in line
        elif line.strip():
            if below:
                found.add(number)
            below = False
    return frozenset(found)


def refuse_classes(plan: Plan) -> None:
    """Has legacy classes stay that use Linen ones, or that Linen code uses in another form."""
    for call, scope in plan.flow.where.items():
        assert isinstance(call, ast.Call)
        callee = plan.flow.values.get(call.func, frozenset())
        used = _legacy_use(plan, call, callee)
        home = _class_around(plan, call) if used is not None else None
        if home is not None and home.refused is None:
            home.refused = f"LN386 it uses `{used}`, which is a Linen class already"
        for module in modules(callee):
            if not is_linen_form(plan.flow, module, call, scope):
                continue
            made = (
                plan.classes.get(module.definition)
                if not isinstance(module.definition, str)
                else None
            )
            try:
                _check_fits(plan, call, module)
            except Unclear as unclear:
                if made is not None and made.refused is None:
                    made.refused = f"LN385 `{text(call)}` is in Linen form, but {unclear.why}"


def _class_around(plan: Plan, node: ast.AST) -> ClassPlan | None:
    """The plan of the module class (or function) that `node` is a part of."""
    for outer in plan.ancestors(node):
        if isinstance(outer, ast.ClassDef | ast.FunctionDef) and outer in plan.classes:
            return plan.classes[outer]
    return None


def _legacy_use(plan: Plan, call: ast.Call, callee: Value) -> str | None:
    """The Linen class that a call uses as legacy did, if it does."""
    for atom in callee:
        match atom:
            case Class(node=node) if plan.flow.hierarchy.is_linen(node):
                if call not in plan.flow.made and in_module_code(plan, call):
                    return node.name
            case Api(receiver=Class(node=node), name=name) if (
                name in MODULE_API and plan.flow.hierarchy.is_linen(node)
            ):
                return node.name
    return None


def flag_seams(plan: Plan) -> None:
    """Legacy objects that reach files in Linen, and the other way round."""
    mixed = [s for s in plan.project.sources if any(w in s.text for w in ("linen", "train_state"))]
    if not mixed:
        return
    for source in mixed:
        if not _is_linen_file(plan, source):
            continue
        for node in walk(source.tree):
            value = plan.flow.values.get(node, frozenset())
            if isinstance(node, ast.Call) and not is_marked(plan, node):
                kinds = sorted({type(a).__name__ for a in value if isinstance(a, _OBJECTS)})
                if kinds:
                    why = f"`{text(node.func)}` gives a legacy {kinds[0]} to code in Linen"
                    plan.refuse(source, node, "LN386", why)
    for node in plan.flow.values:
        if isinstance(node, ast.Attribute) and node.attr in _OPTIMIZER_API:
            owner = plan.flow.values.get(node.value, frozenset())
            if any(isinstance(a, Trained) for a in owner) and not is_marked(plan, node):
                why = f"`{text(node)}`: `{text(node.value)}` is a TrainState already"
                plan.refuse(plan.source(node), node, "LN386", why)


def _is_linen_file(plan: Plan, source: Source) -> bool:
    """Whether a file names Linen, and nothing of legacy Flax."""
    linen = False
    for node in walk(source.tree):
        for atom in plan.flow.values.get(node, frozenset()):
            if isinstance(atom, External):
                if atom.path.startswith(_LEGACY_NAMES):
                    return False
                linen = linen or atom.path.startswith(_LINEN_NAMES)
    return linen


def leave_linen(plan: Plan) -> None:
    """Nothing that only legacy code needs is done inside of Linen classes."""
    for node, info in plan.flow.hierarchy.infos.items():
        if not plan.flow.hierarchy.is_linen(node):
            continue
        first, last = node.lineno, node.end_lineno or node.lineno
        sites = plan.files[info.source.name].expressions
        inside = [key for key in sites if first <= key[1].line <= last]
        for key in inside:
            if sites[key].rule.startswith(_OF_LEGACY):
                del sites[key]


def settled(plan: Plan, call: ast.Call, callee: Value, found: Sequence[Module]) -> bool:
    """Whether a call is in Linen form already and fits; then it stays.

    Raises:
        Unclear: it is in neither form, or its class becomes something else.
    """
    owner = next((a.owner for a in callee if isinstance(a, SuperMethod)), None)
    if owner is not None and plan.flow.hierarchy.is_linen(owner):
        return True
    scope = plan.flow.where[call]
    forms = {is_linen_form(plan.flow, module, call, scope) for module in found}
    others = len(callee) > len(modules(callee))
    if found and others and not is_certain(plan.flow, call, scope):
        return False
    if forms == {True}:
        for module in found:
            _check_fits(plan, call, module)
        return True
    if len(forms) > 1:
        raise Unclear("LN385", f"`{text(call.func)}(...)` may be in Linen form, or not")
    used = _legacy_use(plan, call, callee)
    if used is not None and not is_marked(plan, call):
        raise Unclear("LN386", f"`{text(call.func)}`: `{used}` is a Linen class already")
    return False


def flag_subclasses(plan: Plan) -> None:
    """Legacy classes whose base is in Linen already."""
    hierarchy = plan.flow.hierarchy
    for node, info in hierarchy.infos.items():
        apply = info.methods.get("apply")
        linen = next((b for b in hierarchy.mro(node)[1:] if hierarchy.is_linen(b)), None)
        if apply is None or linen is None or _is_linen_apply(apply):
            continue
        if node in plan.classes or is_marked(plan, node):
            continue  # refused with its class
        why = f"`{node.name}` is legacy, and its base `{linen.name}` is a Linen class already"
        plan.refuse(info.source, node, "LN386", why)


def _is_linen_apply(function: ast.FunctionDef) -> bool:
    """Whether `apply` overrides the one of Linen: variables come first, options last."""
    names = [a.arg for a in function.args.args[1:]]
    every = {*names, *(a.arg for a in function.args.kwonlyargs)}
    return names[:1] in (["variables"], ["variable_dict"]) or bool(every & {"rngs", "mutable"})


def _check_fits(plan: Plan, call: ast.Call, module: Module) -> None:
    definition = module.definition
    if isinstance(definition, str):
        raise Unclear("LN385", f"`{text(call.func)}` is a legacy layer in Linen form")
    class_plan = plan.classes.get(definition)
    if class_plan is None or class_plan.refused is not None:
        raise Unclear("LN398", f"`{text(call.func)}` was not migrated")
    order = class_plan.order
    given = {*(k.arg for k in call.keywords if k.arg is not None)}
    open_ended = any(isinstance(a, ast.Starred) for a in call.args) or any(
        k.arg is None for k in call.keywords
    )
    if open_ended:
        raise Unclear("LN385", f"`{text(call.func)}` is made from a splat")
    if len(call.args) > len(order):
        raise Unclear("LN385", f"`{definition.name}` will have {_count(order)}")
    given |= set(order[: len(call.args)]) | _NAMES
    strange = given - set(order) - _NAMES
    if strange:
        raise Unclear("LN385", f"`{definition.name}` will have no field `{min(strange)}`")
    bound = {class_plan.renamed.get(name, name) for name in module.bound}
    missing = [n for n in order if n not in given | bound | class_plan.defaulted]
    if missing:
        raise Unclear("LN385", f"`{definition.name}` will have a field `{missing[0]}`, too")
    _check_inputs(plan, call, module)


def _check_inputs(plan: Plan, call: ast.Call, module: Module) -> None:
    """The inputs, where the instance is run right where it is made."""
    function = plan.flow.function_of(module)
    parent = plan.parents.get(call)
    skipped = 0
    if isinstance(parent, ast.Attribute) and parent.attr in {"init", "apply"}:
        parent, skipped = plan.parents.get(parent), 1
    use = parent if isinstance(parent, ast.Call) and call is not parent else None
    if function is None or use is None or call in use.args:
        return
    keywords = {k.arg for k in use.keywords}
    if None in keywords or any(isinstance(a, ast.Starred) for a in use.args):
        return
    if skipped and keywords & {"method"}:
        return
    names = plan.flow.positional_names(module)
    inputs = [n for n in names if plan.role(function, n) is not Role.FIELD]
    own = {a.arg for a in function.args.kwonlyargs} | set(inputs)
    positional = use.args[skipped:]
    options = {"rngs", "mutable", "capture_intermediates"} if skipped else set()
    if len(positional) > len(inputs) and function.args.vararg is None:
        raise Unclear("LN385", f"`{text(call.func)}` will take {_listed(inputs)} per call")
    strange = keywords - own - options
    if strange and function.args.kwarg is None:
        raise Unclear("LN385", f"`{min(map(str, strange))}` will not be an argument of the call")
    defaults = len(function.args.defaults)
    required = [n for n in names[: len(names) - defaults] if n in inputs]
    missing = [n for n in required if n not in {*inputs[: len(positional)], *keywords}]
    if missing:
        raise Unclear("LN385", f"`{text(call.func)}` will take `{missing[0]}` per call")


def _count(order: Sequence[str]) -> str:
    return f"{len(order)} field{'' if len(order) == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"
