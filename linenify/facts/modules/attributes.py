"""Values that a module method leaves on `self` for its helpers: arguments instead."""

from __future__ import annotations

import ast

from linenify.facts.ask.arguments import fill_plain, text
from linenify.facts.deciding.plan import ClassPlan, Plan
from linenify.facts.flow.classes import ClassInfo
from linenify.facts.flow.kinds import Bound
from linenify.facts.sites import ParameterSite, Renamed, StatementSite
from linenify.project.nodes import walk
from linenify.project.source import Source

# def apply(self, x):            def __call__(self, x):
#   self.size = x.shape[0]         size = x.shape[0]
#   return self._pool(x)           return self._pool(x, size=size)


def emit_attributes(plan: Plan, source: Source, class_plan: ClassPlan) -> None:
    """Decides every `self.<name> = ...` in the methods of one class."""
    node = class_plan.node
    assert isinstance(node, ast.ClassDef)
    info = plan.flow.hierarchy.infos[node]
    for method in info.methods.values():
        receiver = method.args.args[0].arg if method.args.args else ""
        for store in _stores(method, receiver):
            statement = plan.statement(store)
            match statement:
                case ast.Assign(targets=[_], value=ast.Name(id=name)) if (
                    name == store.attr and name in class_plan.own and method in class_plan.methods
                ):
                    plan.files[source.name].statements[statement.lineno] = StatementSite("LN208")
                case _:
                    if not _localise(plan, source, class_plan, method, store):
                        _refuse(plan, source, store)
    for base in plan.flow.hierarchy.mro(node):
        if not plan.flow.hierarchy.is_module(base):
            _refuse_stores(plan, plan.flow.hierarchy.infos[base])


def _refuse_stores(plan: Plan, mixin: ClassInfo) -> None:
    """A plain class that is mixed in sets attributes on the module, too."""
    for method in mixin.methods.values():
        receiver = method.args.args[0].arg if method.args.args else ""
        if method.name != "__init__":
            for store in _stores(method, receiver):
                _refuse(plan, mixin.source, store)


def _refuse(plan: Plan, source: Source, store: ast.Attribute) -> None:
    plan.refuse(source, plan.statement(store), "LN294", f"`{text(store)}` is set in a method")


def _stores(method: ast.FunctionDef, receiver: str) -> list[ast.Attribute]:
    return [
        n
        for n in walk(method)
        if isinstance(n, ast.Attribute)
        and isinstance(n.ctx, ast.Store)
        and isinstance(n.value, ast.Name)
        and n.value.id == receiver
    ]


def _localise(
    plan: Plan, source: Source, class_plan: ClassPlan, method: ast.FunctionDef, store: ast.Attribute
) -> bool:
    node = class_plan.node
    assert isinstance(node, ast.ClassDef)
    hierarchy = plan.flow.hierarchy
    if any(True for _ in hierarchy.parents(node)) or hierarchy.descendants(node):
        return False
    name = store.attr
    methods = hierarchy.infos[node].methods
    receivers = {m: m.args.args[0].arg for m in methods.values() if m.args.args}
    stores = [(m, s) for m, r in receivers.items() for s in _stores(m, r) if s.attr == name]
    if len(stores) != 1 or method not in class_plan.methods:
        return False
    if plan.statement(store) not in method.body or name in class_plan.order:
        return False
    reads = {m: _reads(m, r, name) for m, r in receivers.items()}
    needs = {m for m in reads if reads[m] and m is not method}
    if needs & set(class_plan.methods):
        return False
    calls = {m: _calls(plan, m) for m in methods.values()}
    for _ in methods:
        callers = {
            plan.code(c).node  # type: ignore[union-attr]
            for m in needs
            for c in calls[m]
        }
        fresh = {c for c in callers if isinstance(c, ast.FunctionDef)} - needs - {method}
        if not fresh <= set(methods.values()) or fresh & set(class_plan.methods):
            return False
        needs |= fresh
    if any(_binds(m, name) for m in {method, *needs}):
        return False
    plan.at(source, store, Renamed(name, "LN208"))
    for reader in {method, *needs}:
        for read in reads[reader]:
            plan.at(source, read, Renamed(name, "LN208"))
    for helper in needs:
        plan.define(source, helper, ParameterSite(name, "LN208"))
        for call in calls[helper]:
            plan.at(source, call, fill_plain(call, name, name, "LN208"))
    return True


def _reads(method: ast.FunctionDef, receiver: str, name: str) -> list[ast.Attribute]:
    return [
        n
        for n in walk(method)
        if isinstance(n, ast.Attribute)
        and isinstance(n.ctx, ast.Load)
        and n.attr == name
        and isinstance(n.value, ast.Name)
        and n.value.id == receiver
    ]


def _calls(plan: Plan, method: ast.FunctionDef) -> list[ast.Call]:
    return [
        c
        for c in plan.flow.where
        if isinstance(c, ast.Call)
        and any(
            isinstance(a, Bound) and a.node is method
            for a in plan.flow.values.get(c.func, frozenset())
        )
    ]


def _binds(function: ast.FunctionDef, name: str) -> bool:
    names = {n.id for n in walk(function) if isinstance(n, ast.Name)}
    arguments = {n.arg for n in walk(function) if isinstance(n, ast.arg)}
    return name in names | arguments
