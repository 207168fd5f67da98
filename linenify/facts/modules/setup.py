"""Classes whose methods share children: `setup` instead of `@nn.compact`."""

from __future__ import annotations

import ast
import keyword
from dataclasses import dataclass, replace

from linenify.facts.deciding.plan import ClassPlan, Plan
from linenify.facts.flow.kinds import Bound, External, SelfApi
from linenify.facts.sites import (
    Bind,
    FieldRead,
    Given,
    MethodSite,
    ModuleCall,
    ModuleClassSite,
    Renamed,
    Reshaped,
    StatementSite,
)
from linenify.project.nodes import walk
from linenify.project.source import Source

# Several compact methods work in Linen and stay closest to the original.  A
# person would write `setup` where methods share children, and can when every
# child has a literal name and is built from hyper-parameters alone.

_BRANCHES = (
    ast.If,
    ast.For,
    ast.While,
    ast.IfExp,
    ast.BoolOp,
    ast.Try,
    ast.With,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Match,
)


@dataclass(frozen=True, slots=True)
class Child:
    """One construction of a submodule."""

    name: str
    call: ast.Call
    site: ModuleCall | Bind
    method: ast.FunctionDef


def plan_setup(plan: Plan) -> None:
    """Moves shared, literally named children of a class into `setup`."""
    for definition, class_plan in plan.classes.items():
        if isinstance(definition, ast.ClassDef) and class_plan.refused is None:
            _plan_class(plan, definition, class_plan)


def _plan_class(plan: Plan, node: ast.ClassDef, class_plan: ClassPlan) -> None:
    flow = plan.flow
    if len(class_plan.methods) < 2 or flow.hierarchy.descendants(node):
        return
    if any(True for _ in flow.hierarchy.parents(node)):
        return
    info = flow.hierarchy.infos[node]
    source = info.source
    children = _children(plan, source, list(info.methods.values()))
    if children is None or not _shared(plan, children):
        return
    if len({_receiver(method) for method in info.methods.values()}) != 1:
        return
    receiver = _receiver(class_plan.methods[0])
    helpers = {c.method for c in children if c.method not in class_plan.methods}
    uses = _helper_uses(plan, helpers)
    if uses is None:
        return
    _emit(plan, source, node, class_plan, children, helpers, uses, receiver)


def _receiver(method: ast.FunctionDef) -> str:
    return method.args.args[0].arg if method.args.args else ""


# --- what the class builds -------------------------------------------------------------------


def _children(plan: Plan, source: Source, methods: list[ast.FunctionDef]) -> list[Child] | None:
    """Every construction in the class; None when one cannot move."""
    found: list[Child] = []
    for method in methods:
        for call in walk(method):
            if not isinstance(call, ast.Call):
                continue
            if _own_parameters(plan, call):
                return None
            site = plan.site_at(source, call)
            builds = (isinstance(site, ModuleCall) and site.construct is not None) or isinstance(
                site, Bind
            )
            if not builds:
                continue
            assert isinstance(site, ModuleCall | Bind)
            name = _literal_name(call)
            if isinstance(site, Bind) and not site.instance:
                return None
            if name is None or not _movable(plan, source, call, site, method):
                return None
            found.append(Child(name, call, site, method))
    return found


def _own_parameters(plan: Plan, call: ast.Call) -> bool:
    """Whether a call declares something that only a compact method may declare."""
    for atom in plan.flow.values.get(call.func, frozenset()):
        match atom:
            case SelfApi(name="param" | "state"):
                return True
            case External(path="flax.nn.dropout"):
                return True
    return False


def _literal_name(call: ast.Call) -> str | None:
    for given in call.keywords:
        if given.arg == "name" and isinstance(given.value, ast.Constant):
            value = given.value.value
            return value if isinstance(value, str) and _is_attribute(value) else None
    return None


def _is_attribute(name: str) -> bool:
    """Whether `self.name` can be written: a keyword is a name for a submodule, and no attribute."""
    return name.isidentifier() and not keyword.iskeyword(name)


def _movable(
    plan: Plan, source: Source, call: ast.Call, site: ModuleCall | Bind, method: ast.FunctionDef
) -> bool:
    for ancestor in plan.ancestors(call):
        if ancestor is method:
            break
        if isinstance(ancestor, (*_BRANCHES, ast.FunctionDef)):
            return False
    parts: list[ast.expr] = [call.func]
    arguments = [*call.args, *(k.value for k in call.keywords)]
    indices = site.construct if isinstance(site, ModuleCall) else site.arguments
    parts.extend(arguments[a.index] for a in indices or () if isinstance(a, Given))
    home = plan.flow.code[method].scope
    for part in parts:
        for node in walk(part):
            if isinstance(node, ast.Name):
                bound = home.lookup(node.id)
                local = bound is home and node.id != _receiver(method)
                if local and not isinstance(plan.site_at(source, node), FieldRead):
                    return False
    return True


def _shared(plan: Plan, children: list[Child]) -> bool:
    """Whether two methods use one child, and always build it alike."""
    built: dict[str, set[str]] = {}
    users: dict[str, set[ast.FunctionDef]] = {}
    for child in children:
        built.setdefault(child.name, set()).add(_constructor(child))
        callers = {child.method}
        for call in plan.flow.where:
            assert isinstance(call, ast.Call)
            for atom in plan.flow.values.get(call.func, frozenset()):
                if isinstance(atom, Bound) and atom.node is child.method:
                    code = plan.code(call)
                    if code is not None and isinstance(code.node, ast.FunctionDef):
                        callers.add(code.node)
        users.setdefault(child.name, set()).update(callers)
    if any(len(texts) > 1 for texts in built.values()):
        return False
    return any(len(methods) > 1 for methods in users.values())


def _constructor(child: Child) -> str:
    arguments = [*child.call.args, *(k.value for k in child.call.keywords)]
    sites = child.site.construct if isinstance(child.site, ModuleCall) else child.site.arguments
    func = child.call.func
    if isinstance(child.site, Bind) and isinstance(func, ast.Attribute):
        func = func.value
    parts = [ast.unparse(func)]
    for argument in sites or ():
        if isinstance(argument, Given):
            parts.append(f"{argument.keyword}={ast.unparse(arguments[argument.index])}")
        else:
            parts.append(f"{argument.keyword}={argument.code}")
    return " ".join(parts)


# --- helper methods that build a child ---------------------------------------------------------


def _helper_uses(
    plan: Plan, helpers: set[ast.FunctionDef]
) -> dict[ast.FunctionDef, list[ast.Call]] | None:
    """Calls of helpers that do nothing but return a child; None when one does more."""
    uses: dict[ast.FunctionDef, list[ast.Call]] = {helper: [] for helper in helpers}
    for helper in helpers:
        body = [s for s in helper.body if not _is_docstring(s)]
        if len(body) != 1 or not isinstance(body[0], ast.Return) or len(helper.args.args) != 1:
            return None
    for call in plan.flow.where:
        assert isinstance(call, ast.Call)
        for atom in plan.flow.values.get(call.func, frozenset()):
            if isinstance(atom, Bound) and atom.node in uses:
                assert isinstance(atom.node, ast.FunctionDef)
                uses[atom.node].append(call)
    return uses


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


# --- emitting ----------------------------------------------------------------------------------


def _emit(
    plan: Plan,
    source: Source,
    node: ast.ClassDef,
    class_plan: ClassPlan,
    children: list[Child],
    helpers: set[ast.FunctionDef],
    uses: dict[ast.FunctionDef, list[ast.Call]],
    receiver: str,
) -> None:
    first_use: dict[str, tuple[int, int]] = {}

    def used(name: str, place: ast.expr) -> None:
        position = (place.lineno, place.col_offset)
        first_use[name] = min(first_use.get(name, position), position)

    for child in children:
        if isinstance(child.site, ModuleCall):
            used(child.name, child.call)
            plan.at(source, child.call, replace(child.site, child=child.name, receiver=receiver))
            continue
        plan.at(source, child.call, replace(child.site, child=child.name))
        if child.method in helpers:
            for call in uses[child.method]:
                place = _emit_handle(plan, source, call, child.name, receiver)
                used(child.name, place or call)
        else:
            place = _emit_handle(plan, source, child.call, child.name, receiver)
            used(child.name, place or child.call)
    order = sorted(first_use, key=lambda name: first_use[name])
    for method in class_plan.methods:
        span = plan.span(source, method)
        key = ("FunctionDef", span.line, span.column)
        site = plan.files[source.name].definitions[key]
        assert isinstance(site, MethodSite)
        plan.files[source.name].definitions[key] = replace(site, compact=False)
    span = plan.span(source, node)
    key = ("ClassDef", span.line, span.column)
    class_site = plan.files[source.name].definitions[key]
    assert isinstance(class_site, ModuleClassSite)
    plan.files[source.name].definitions[key] = replace(
        class_site,
        children=tuple(order),
        receiver=receiver,
        dropped=tuple(sorted(helper.name for helper in helpers)),
    )


def _emit_handle(
    plan: Plan, source: Source, call: ast.Call, name: str, receiver: str
) -> ast.expr | None:
    """`decoder = ...` goes, and `decoder` reads `self.decoder`; gives the first read."""
    statement = plan.statement(call)
    code = plan.code(call)
    match statement:
        case ast.Assign(targets=[ast.Name(id=local)], value=value) if (
            value is call and code is not None and _assigned_once(code.node, local)
        ):
            plan.files[source.name].statements[statement.lineno] = StatementSite("LN303")
            first: ast.expr | None = None
            given: set[ast.AST] = set()
            for handed in plan.handed.get(call, ()):
                handed.give(f"{receiver}.{name}")
                given |= set(walk(handed.body)) if handed.body is not None else set()
            for other in walk(code.node):
                if (
                    isinstance(other, ast.Name)
                    and other.id == local
                    and other is not statement.targets[0]
                    and other not in given
                ):
                    plan.at(source, other, Renamed(f"{receiver}.{name}", "LN303"))
                    if first is None or (other.lineno, other.col_offset) < (
                        first.lineno,
                        first.col_offset,
                    ):
                        first = other
            return first
    site = plan.site_at(source, call)
    if not isinstance(site, Bind):
        plan.at(source, call, Reshaped(f"{receiver}.{name}", "LN303"))
    return None


def _assigned_once(function: ast.AST, name: str) -> bool:
    stores = [
        n
        for n in walk(function)
        if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store)
    ]
    return len(stores) == 1
