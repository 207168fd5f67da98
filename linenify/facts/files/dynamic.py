"""Modules that are imported by a string: `importlib.import_module('flax.nn')`."""

from __future__ import annotations

import ast

from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import External
from linenify.facts.legacy import oldapi
from linenify.facts.legacy.catalogue import SUBMODULES
from linenify.facts.legacy.externals import LEGACY, canonical
from linenify.facts.legacy.jaxnames import replacement
from linenify.facts.sites import TextSite
from linenify.project.scopes import Scope
from linenify.project.source import Source

_LINEN, _OPTIM = "flax.linen", "flax.optim"
IMPORTERS = frozenset({External("importlib.import_module"), External("builtins.__import__")})


def imported_module(plan: Plan, node: ast.expr) -> str | None:
    """The module that a call imports by a string, where the call gives that very module."""
    match node:
        case ast.Call(args=[ast.Constant(value=str(name))], keywords=[]) if External(
            "importlib.import_module"
        ) in plan.flow.values.get(node.func, frozenset()):
            return canonical(name)
    return None


def imported_in_place(plan: Plan, node: ast.expr) -> str | None:
    """What `importlib.import_module('flax').nn` reads of legacy Flax."""
    match node:
        case ast.Attribute(value=ast.Call() as call, attr=attribute):
            path = imported_module(plan, call)
            found = f"{path}.{attribute}" if path is not None else ""
            return found if found in {LEGACY, _OPTIM} else None
    return None


def assigned_module(plan: Plan, scope: Scope, name: str, node: ast.expr) -> str | None:
    """The module of legacy Flax that a variable is another name for, and nothing else."""
    match [*plan.flow.values.get(node, frozenset())]:
        case [External(path=path)] if path == LEGACY or (
            path.removeprefix(f"{LEGACY}.") in SUBMODULES
        ):
            only = plan.flow.env.get((scope, name), frozenset()) == {External(path)}
            return path if only else None
    return None


def emit_dynamic_import(plan: Plan, source: Source, call: ast.Call) -> None:
    """Has a string name the module of today, or refuses the import."""
    callee = plan.flow.values.get(call.func, frozenset())
    if not callee & IMPORTERS or not call.args:
        return
    given = [*call.args, *(k.value for k in call.keywords)]
    texts = [a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if not texts:
        return
    name, *package = texts
    path = canonical((package[0] if package and name.startswith(".") else "") + name)
    of_flax = path in {LEGACY, _OPTIM} or path.startswith((LEGACY + ".", _OPTIM + "."))
    if not of_flax and not oldapi.is_gone(path):
        return
    today = _LINEN if path == LEGACY else replacement(path)
    if path.removeprefix(f"{LEGACY}.") in SUBMODULES:
        today = _LINEN + path.removeprefix(LEGACY)
    if today is not None and imported_module(plan, call) is not None:
        plan.at(source, call.args[0], TextSite(today, "LN101"))
        return
    plan.refuse(source, call, "LN190", f"`{path}` is imported by its name, and gone")
