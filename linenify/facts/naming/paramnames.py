"""Strings that name automatically numbered submodules: `params['Dense_1']`.

Legacy counts all children together, Linen those of each class, so that the same
name may mean another layer.  Where the module is known, the string changes with
it; any other string that may be such a name is flagged.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Module, Params, modules
from linenify.facts.naming.naming import Child, children
from linenify.facts.sites import TextSite
from linenify.project.nodes import walk
from linenify.project.source import Source

_UNKNOWN = "#"


def emit_param_names(plan: Plan) -> None:
    """Rewrites and flags the names of submodules in strings."""
    others = [c for c in plan.classes.values() if c.node not in plan.kept]
    table = {m: [*_children(plan, m)] for c in others for m in c.methods}
    changed = {
        child.legacy
        for found in table.values()
        for child in found
        if not child.explicit and (child.legacy != child.linen or _UNKNOWN in child.legacy)
    }
    changed = {name for name in changed if not name.isdigit() and name != _UNKNOWN}
    if not changed:
        return
    renamed = {
        (child.legacy, child.linen)
        for found in table.values()
        for child in found
        if child.legacy != child.linen and not child.explicit
    }
    for source in plan.project.sources:
        done = {
            node
            for node in _subscripts(source)
            if _emit_key(plan, source, node) or _names_the_first(plan, node, renamed)
        }
        for node in walk(source.tree):
            if node not in done:
                _check_text(plan, source, node, changed)


def _children(plan: Plan, method: ast.FunctionDef) -> tuple[Child, ...]:
    return children(plan, plan.flow.code[method].source, method)


def _subscripts(source: Source) -> Iterator[ast.Constant]:
    for node in walk(source.tree):
        match node:
            case ast.Subscript(slice=ast.Constant(value=str()) as key):
                yield key


def _emit_key(plan: Plan, source: Source, key: ast.Constant) -> bool:
    """Whether a key of params is known, and in its place."""
    parent = plan.parents[key]
    assert isinstance(parent, ast.Subscript)
    owners = [a for a in plan.flow.values.get(parent.value, ()) if isinstance(a, Params)]
    names = {_linen_name(plan, owner, str(key.value)) for owner in owners}
    if len(names) != 1 or None in names:
        return False
    new = names.pop()
    assert new is not None
    if new != key.value and plan.site_at(source, key) is None:
        plan.at(source, key, TextSite(new))
    return True


def _names_the_first(plan: Plan, key: ast.Constant, renamed: set[tuple[str, str]]) -> bool:
    """Whether a key is that of a first child, which is the first of its class as well.

    A key that is read must be there: where legacy has a `Dense_0`, no other child
    stands before it, and Linen counts from the same one.  Where the program bears
    with a key that is missing, nothing follows from it.
    """
    stem, _, number = str(key.value).rpartition("_")
    if not stem or number != "0":
        return False
    for legacy, linen in renamed:
        if legacy == key.value and _UNKNOWN not in linen:
            return False
        if legacy == f"{stem}_{_UNKNOWN}" and linen.rpartition("_")[0] != stem:
            return False
    parent = plan.parents[key]
    read = isinstance(parent, ast.Subscript) and isinstance(parent.ctx, ast.Load)
    borne = any(isinstance(a, ast.Try) and a.handlers for a in plan.ancestors(key))
    return read and not borne


def _linen_name(plan: Plan, params: Params, key: str) -> str | None:
    """What the child `key` of a module is called in Linen; None where that is open."""
    if params.module is None:
        return None
    module: Module | None = params.module
    for name in params.path:
        child = _child(plan, module, name) if module is not None else None
        module = _module_of(plan, child) if child is not None else None
    if module is None:
        return None
    if module.definition in plan.kept:
        return key
    child = _child(plan, module, key)
    if child is None:
        known = _method(plan, module) is None or not re.search(r"_\d+$|^\d+$", key)
        return key if known else None
    return None if _UNKNOWN in child.linen else child.linen


def _child(plan: Plan, module: Module | None, name: str) -> Child | None:
    method = _method(plan, module) if module is not None else None
    if method is None:
        return None
    return next((c for c in _children(plan, method) if c.legacy == name), None)


def _method(plan: Plan, module: Module) -> ast.FunctionDef | None:
    if isinstance(module.definition, str):
        return None
    return plan.flow.function_of(module)


def _module_of(plan: Plan, child: Child) -> Module | None:
    found = modules(plan.flow.values.get(child.call.func, frozenset()))
    return found[0] if len(found) == 1 else None


def _check_text(plan: Plan, source: Source, node: ast.AST, changed: set[str]) -> None:
    match node:
        case ast.Constant(value=str(text)):
            parent = plan.parents.get(node)
            if isinstance(parent, ast.Expr | ast.FormattedValue | ast.JoinedStr):
                return
            if isinstance(parent, ast.keyword) and parent.arg == "name":
                return
            if not any(_means(part, changed) for part in text.split("/")) and not _is_stem(
                text, changed
            ):
                return
            shown = ast.unparse(node)
        case ast.JoinedStr(values=[*_, ast.Constant(value=str(text)), ast.FormattedValue()]):
            stems = {name.rpartition("_")[0] + "_" for name in changed}
            if text.rpartition("/")[2] not in stems or _is_name(plan, node):
                return
            shown = ast.unparse(node)
        case _:
            return
    why = f"`{shown}` may name a submodule that has another number in Linen"
    plan.refuse(source, node, "LN694", why)


def _is_stem(text: str, changed: set[str]) -> bool:
    """Whether a number is to be put behind the name of a class: `'Dense_%d'`, `'Dense_'`."""
    stems = {name.rpartition("_")[0] for name in changed}
    return any(re.search(rf"(?:^|/){re.escape(stem)}_(?:%|{{|$)", text) for stem in stems)


def _is_name(plan: Plan, node: ast.AST) -> bool:
    parent = plan.parents.get(node)
    return isinstance(parent, ast.keyword) and parent.arg == "name"


def _means(part: str, changed: set[str]) -> bool:
    if part in changed:
        return True
    stem, _, number = part.rpartition("_")
    return number.isdigit() and f"{stem}_{_UNKNOWN}" in changed
