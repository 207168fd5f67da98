"""What legacy puts in front of a number, as the migrated code can spell it."""

from __future__ import annotations

import ast
from typing import TypeGuard

from linenify.facts.ask.places import is_path
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import rendered
from linenify.facts.deciding.support import is_taken
from linenify.facts.flow.kinds import Atom, Module, ModuleApi
from linenify.facts.legacy import catalogue
from linenify.facts.sites import Bind, ModuleCall

CLASS_NAME = "class_name"  # a support function


def stem_text(plan: Plan, call: ast.Call) -> str | None:
    """What stands before the number, for an f-string: written out, or asked of the class."""
    found = modules_of(plan, call)
    stems = {stem_of(m) for m in found}
    if None in stems:
        return None
    if len(stems) == 1 and not _is_open(plan, call):
        return stems.pop()
    source = plan.source(call)
    site = plan.site_at(source, call)
    plain = isinstance(site, ModuleCall) and site.callee is None and site.wrap is None
    if not plain or not is_path(call.func) or any(not _keeps_class_name(m) for m in found):
        return None
    if is_taken(source.tree, CLASS_NAME):
        return None
    try:
        return f"{{{CLASS_NAME}({rendered(plan, source, call.func)})}}"
    except LookupError:
        return None


def stem_of(module: Module) -> str | None:
    """What legacy puts in front of the number."""
    if module.method != "apply":
        return module.method
    if isinstance(module.definition, str):
        layer = catalogue.layer(module.definition)
        return layer.stem if layer is not None else None
    return module.definition.name


def modules_of(plan: Plan, call: ast.Call) -> list[Module]:
    """The module classes that a call may make, or bind arguments to."""
    value = plan.flow.values.get(call.func, frozenset())
    return [a.module if isinstance(a, ModuleApi) else a for a in value if _is_module(a)]


def shares(plan: Plan, call: ast.Call) -> bool:
    """Whether a call makes a module to be shared, which is named by the number alone."""
    value = plan.flow.values.get(call.func, frozenset())
    return any(isinstance(a, ModuleApi) and a.name == "shared" for a in value)


def is_rewritten(plan: Plan, call: ast.Call) -> bool:
    """Whether the migrated code constructs a module there."""
    site = plan.site_at(plan.source(call), call)
    if isinstance(site, ModuleCall):
        return site.construct is not None
    return isinstance(site, Bind) and site.instance


def _is_open(plan: Plan, call: ast.Call) -> bool:
    """Whether callers that nobody sees may have another class called."""
    value = plan.flow.values.get(call.func, frozenset())
    return any(plan.code(a.function) is None for a in plan.flow.origins.of(value))


def _keeps_class_name(module: Module) -> bool:
    if module.method != "apply":
        return False
    layer = catalogue.layer(module.definition) if isinstance(module.definition, str) else None
    return not isinstance(module.definition, str) or (
        layer is not None and layer.linen == layer.stem
    )


def _is_module(atom: Atom) -> TypeGuard[Module | ModuleApi]:
    return isinstance(atom, Module | ModuleApi)
