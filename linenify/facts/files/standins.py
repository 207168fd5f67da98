"""What is refused and runs at import must not keep a file from being imported.

A table of optimizers, a base class, a default, a decorator: there a name that exists
no longer is put down as a class of that name, which can do nothing.
"""

from __future__ import annotations

import ast

from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.support import require
from linenify.facts.files.dynamic import IMPORTERS
from linenify.facts.flow.kinds import External, ModuleApi
from linenify.facts.jax.jaxcalls import is_gone
from linenify.facts.legacy import catalogue
from linenify.facts.legacy.externals import LEGACY, MODULE_API
from linenify.facts.legacy.optimnames import OPTIM
from linenify.facts.sites import (
    FileFacts,
    FunctionModuleSite,
    MethodSite,
    Renamed,
    StatementSite,
    Unclear,
    Wrapped,
)
from linenify.project.source import Source
from linenify.syntax.importtime import read_at_import

CODE = "LN198"
_DECORATORS = {External(f"{LEGACY}.module"), External(f"{LEGACY}.module_method")}
_LOOKING_UP = {External("builtins.getattr"), *IMPORTERS}
_METHODS = MODULE_API - {"apply", "init"}  # that no Linen class has
NAME = "gone"  # the support function


def emit_stand_ins(plan: Plan) -> None:
    """Puts classes that can do nothing where names that are gone are read at import."""
    for source in plan.project.sources:
        facts = plan.files[source.name]
        if facts.expressions or facts.definitions or facts.refusals:
            for node, annotates in read_at_import(source.tree):
                _stand_in(plan, source, facts, node, annotates=annotates)


def _stand_in(
    plan: Plan, source: Source, facts: FileFacts, node: ast.expr, *, annotates: bool
) -> None:
    name = _gone(plan, node)
    if name is None or plan.site_at(source, node) is not None or node in plan.dissolved:
        return
    if plan.in_text(node) is not None:
        return
    if isinstance(node, ast.Call) and any(plan.site_at(source, a) for a in node.args):
        return  # it imports another module now
    statement = plan.statement(node)
    site = facts.statements.get(statement.lineno)
    if isinstance(site, StatementSite) and not site.lines and not isinstance(statement, ast.Del):
        return  # the statement goes
    if _is_consumed(plan, source, node):
        return
    if annotates:
        if not _is_lazy(source.tree):
            plan.at(source, node, Renamed(repr(ast.unparse(node)), rule=""))
    else:
        try:
            require(plan, source, [NAME], CODE)
            template = f"{NAME}({name!r})"
        except Unclear:  # the name is taken
            template = f"type({name.rpartition('.')[2]!r}, (), {{}})"
        plan.at(source, node, Wrapped(template, rule=""))
    if not any(f.statement == statement.lineno for f in facts.refusals) and not any(
        first <= node.lineno <= last for first, last, _ in facts.frozen
    ):
        plan.refuse(source, node, CODE, f"`{ast.unparse(node)}` exists no longer")


def _gone(plan: Plan, node: ast.expr) -> str | None:
    """What an expression names that exists no longer; None for everything else."""
    if isinstance(node, ast.Call) and not (
        plan.flow.values.get(node.func, frozenset()) & _LOOKING_UP
    ):
        return None
    match [*plan.flow.values.get(node, frozenset())]:
        case [External(path=path)]:
            if _is_of(LEGACY, path):
                return path if _has_no_counterpart(path) else None
            return path if node in plan.lost or is_gone(path) or _is_of(OPTIM, path) else None
        case [ModuleApi(), *_] as found if isinstance(node, ast.Attribute):
            called = isinstance(parent := plan.parents.get(node), ast.Call) and parent.func is node
            names = _METHODS | {"init"} if called else _METHODS
            if all(isinstance(a, ModuleApi) and a.name in names for a in found):
                return ast.unparse(node)
    return None


def _is_of(package: str, path: str) -> bool:
    return path == package or path.startswith(package + ".")


def _has_no_counterpart(path: str) -> bool:
    if path == LEGACY:
        return False
    rest = path[len(LEGACY) + 1 :]
    entry = catalogue.resolve(rest)
    if entry is None:
        return rest not in catalogue.SUBMODULES
    if isinstance(entry, catalogue.Layer) or entry.name == "Module":
        return False
    return entry.kind not in {"same", "renamed", "special"} or entry.linen is None


def _is_consumed(plan: Plan, source: Source, node: ast.expr) -> bool:
    """Whether the expression around a name is rewritten as a whole."""
    parent = plan.parents.get(node)
    if (
        isinstance(parent, ast.FunctionDef)
        and node in parent.decorator_list
        and plan.flow.values.get(node, frozenset()) & _DECORATORS
    ):
        span = plan.span(source, parent)
        site = plan.files[source.name].definitions.get(("FunctionDef", span.line, span.column))
        return isinstance(site, MethodSite | FunctionModuleSite)  # `@nn.module` goes
    while isinstance(parent, ast.Attribute | ast.Call):
        if isinstance(parent, ast.Call) and parent.func is not node:
            return False
        if plan.site_at(source, parent) is not None:
            return True
        node, parent = parent, plan.parents.get(parent)
    return False


def _is_lazy(tree: ast.Module) -> bool:
    """Whether annotations are not evaluated."""
    return any(
        isinstance(s, ast.ImportFrom)
        and s.module == "__future__"
        and any(alias.name == "annotations" for alias in s.names)
        for s in tree.body
    )
