"""Names of submodules on both sides.

Legacy counts all automatically named children of a module with one counter, in
the order in which they are called; a shared one takes a bare number where it is
made.  Linen counts per class, in the order of construction: in `D(D(x))` the
outer one comes first.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Module, ModuleApi, modules
from linenify.facts.legacy import catalogue
from linenify.facts.sites import Bind, ModuleCall
from linenify.project.nodes import below
from linenify.project.source import Source

_REPEATS = (ast.For, ast.While, ast.If, ast.IfExp, ast.ListComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.Lambda, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Child:
    """One place that makes a submodule; `#` stands for a number that is not known."""

    legacy: str
    linen: str
    call: ast.Call
    explicit: bool


def children(plan: Plan, source: Source, method: ast.FunctionDef) -> tuple[Child, ...]:
    """The submodules that a method makes by itself, in legacy order."""
    calls = [c for c in _called(method) if _makes(plan, source, c)]
    linen = _linen_names(plan, source, method)
    count: int | None = 0
    found: list[Child] = []
    for call in calls:
        name = explicit_name(call)
        if name is not None:
            found.append(Child(name, name, call, explicit=True))
            continue
        if _repeated(plan, call, method):
            count = None
        number = "#" if count is None else str(count)
        count = count + 1 if count is not None else None
        stem = _stem(plan, call)
        legacy = number if _shares(plan, source, call) else f"{stem}_{number}"
        found.append(Child(legacy, linen[call], call, explicit=False))
    return tuple(found)


def check_names(plan: Plan) -> None:
    """Explicit names that Linen's automatic ones would run into."""
    for class_plan in plan.classes.values():
        if class_plan.refused is not None or class_plan.node in plan.kept:
            continue
        for method in class_plan.methods:
            source = plan.flow.code[method].source
            found = children(plan, source, method)
            automatic = {c.linen.rpartition("_")[0] for c in found if not c.explicit}
            for child in found:
                stem, _, number = child.linen.rpartition("_")
                if child.explicit and number.isdigit() and stem in automatic:
                    why = f"`name='{child.linen}'` is a name that Linen gives to others here"
                    plan.refuse(source, child.call, "LN298", why)


def explicit_name(call: ast.Call) -> str | None:
    """The `name=` of a call, as far as it is written there; `#` for what is computed."""
    for keyword in call.keywords:
        if keyword.arg == "name":
            value = keyword.value
            known = isinstance(value, ast.Constant) and isinstance(value.value, str)
            return value.value if known else "#"  # type: ignore[attr-defined]
    return None


def _called(node: ast.AST) -> Iterator[ast.Call]:
    """Calls in the order in which they run: arguments first."""
    for child in below(node):
        yield from _called(child)
    if isinstance(node, ast.Call):
        yield node


def _constructed(node: ast.AST) -> Iterator[ast.Call]:
    """Calls in the order in which their split form constructs: callee first."""
    if isinstance(node, ast.Call):
        yield node
    for child in below(node):
        yield from _constructed(child)


def _linen_names(plan: Plan, source: Source, method: ast.FunctionDef) -> dict[ast.Call, str]:
    counts: Counter[str] = Counter()
    unknown: set[str] = set()
    names: dict[ast.Call, str] = {}
    for call in _constructed(method):
        if not _makes(plan, source, call) or explicit_name(call) is not None:
            continue
        stem = _linen_stem(plan, call)
        if _repeated(plan, call, method):
            unknown.add(stem)
        names[call] = f"{stem}_#" if stem in unknown else f"{stem}_{counts[stem]}"
        counts[stem] += 1
    return names


def _makes(plan: Plan, source: Source, call: ast.Call) -> bool:
    site = plan.site_at(source, call)
    if isinstance(site, ModuleCall):
        return site.construct is not None and bool(_module_of(plan, call))
    return isinstance(site, Bind) and site.instance


def _shares(plan: Plan, source: Source, call: ast.Call) -> bool:
    return isinstance(plan.site_at(source, call), Bind)


def _module_of(plan: Plan, call: ast.Call) -> tuple[Module, ...]:
    value = plan.flow.values.get(call.func, frozenset())
    apis = [a.module for a in value if isinstance(a, ModuleApi)]
    return (*modules(value), *apis)


def _stem(plan: Plan, call: ast.Call) -> str:
    for module in _module_of(plan, call):
        if module.method != "apply":
            return module.method
        if isinstance(module.definition, str):
            layer = catalogue.layer(module.definition)
            return layer.stem if layer is not None else module.definition
        return module.definition.name
    return "#"


def _linen_stem(plan: Plan, call: ast.Call) -> str:
    for module in _module_of(plan, call):
        if isinstance(module.definition, str):
            layer = catalogue.layer(module.definition)
            return layer.linen if layer is not None else module.definition
        return module.definition.name
    return "#"


def _repeated(plan: Plan, call: ast.Call, method: ast.FunctionDef) -> bool:
    for ancestor in plan.ancestors(call):
        if ancestor is method:
            return False
        if isinstance(ancestor, (*_REPEATS, *_FUNCTIONS)):
            return True
    return False
