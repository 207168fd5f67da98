"""Calls of module classes of the project: fields, inputs, and methods of their own."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import takewhile

from linenify.facts.ask import mentions
from linenify.facts.ask.arguments import Filled, fill, repeated, splat_keys, splat_length, text
from linenify.facts.ask.parameters import Role
from linenify.facts.deciding.plan import ClassPlan, Plan
from linenify.facts.deciding.rendering import repeated_or_unclear
from linenify.facts.flow.kinds import (
    Atom,
    Bound,
    Class,
    External,
    Function,
    Module,
    Parameter,
    Partial,
    Transformed,
)
from linenify.facts.modules.classplans import needs_keywords
from linenify.facts.modules.forwarding import keeps_kwargs
from linenify.facts.modules.selfcalls import reachable_receiver
from linenify.facts.sites import Added, Argument, Given, ModuleCall, Unclear
from linenify.project.source import Source


def runnable(plan: Plan, found: Sequence[Module]) -> Sequence[Module]:
    """The candidates that can run at all: `cls` is never the base that lacks an `apply`."""
    complete = [
        m
        for m in found
        if not isinstance(m.definition, ast.ClassDef)
        or plan.flow.function_of(m) is not None
        or plan.flow.hierarchy.layer(m.definition) is not None
    ]
    return complete or found


def member_split(plan: Plan, call: ast.Call, module: Module) -> ModuleCall:
    """What a call of a module class of the project becomes.

    Raises:
        Unclear: if an argument cannot be assigned to a field or an input.
    """
    function = plan.flow.function_of(module)
    assert function is not None
    assert not isinstance(module.definition, str)
    class_plan = plan.classes[module.definition]
    construct: list[Argument] = []
    inputs: list[Argument] = []
    in_order = not _keyword_only(plan, module)
    position = 0
    keyword_inputs = False
    filled = fill(plan, call, module)
    given = {f.name for f in filled if f.name is not None} | module.bound
    extras: list[str] = []
    for entry in filled:
        if entry.splat:
            if _is_open_splat(plan, function, class_plan, entry):
                extras.append("**{%d}" % entry.index)
                continue
            passed = passed_on(plan, call, entry)
            if passed is not None:
                order = set(class_plan.order)
                construct.extend(
                    Added(n, f"{receiver_of(plan, call)}.{n}")
                    for n in passed
                    if n not in given and n in order
                )
                continue
            if in_order and _fills_fields(plan, filled, entry, module, class_plan.order[position:]):
                construct.append(Given(entry.index))
                in_order = False
                continue
            where = _user_splat(plan, function, filled, entry, module)
            (construct if where is Role.FIELD else inputs).append(Given(entry.index))
            continue
        assert entry.name is not None
        if entry.name == "name":
            construct.append(Given(entry.index, "name"))
            continue
        role = plan.role(function, entry.name)
        if role is None:
            if function.args.vararg is not None and entry.name == function.args.vararg.arg:
                inputs.append(Given(entry.index))
                continue
            extra = extra_keyword(plan, function, class_plan.order, entry.name)
            if extra is None and function in class_plan.open and not module.shared:
                extras.append(f"{entry.name}={{{entry.index}}}")
                continue
            if extra is None:
                raise Unclear("LN390", f"`{entry.name}=` is not an argument of `{text(call.func)}`")
            (construct if extra is Role.FIELD else inputs).append(Given(entry.index, entry.name))
            continue
        if role is Role.INPUT:
            keyword = None if entry.positional and not keyword_inputs else entry.name
            keyword_inputs = keyword_inputs or keyword is not None
            inputs.append(Given(entry.index, keyword))
            continue
        if module.shared and entry.node in plan.given_caches:
            continue  # the run is of an instance that decodes
        if module.shared:
            raise Unclear("LN390", f"`{entry.name}` is given per call to a shared module")
        field = plan.field(module.definition, entry.name)
        argument = field_argument(plan, function, entry, field)
        placed = entry.positional and in_order and isinstance(argument, Given)
        if placed and name_at(class_plan.order, position) == field:
            construct.append(Given(entry.index))
            position += 1
        else:
            in_order = in_order and not entry.positional
            construct.append(argument)
    construct.extend(extra_fields(plan, function, class_plan, module, extras))
    spelt = {f.name for f in filled if f.name is not None}
    inputs.extend(travelling(plan, plan.source(call), function, module, spelt))
    if module.shared:
        return ModuleCall(None, tuple(inputs), rule="LN304")
    method = module.method if module.method != "apply" else None
    if method is not None and not isinstance(call.func, ast.Attribute):
        raise Unclear("LN297", f"`{text(call.func)}` is a method that travels as a value")
    return ModuleCall(tuple(construct), tuple(inputs), method=method)


def _is_open_splat(
    plan: Plan, function: ast.FunctionDef, class_plan: ClassPlan, entry: Filled
) -> bool:
    """Whether `**more` carries nothing but what goes into an open-ended signature."""
    if function not in class_plan.open or entry.splat != "**":
        return False
    keys = splat_keys(plan, entry.node)
    return keys is not None and not keys & {"name", *plan.decisions[function]}


def extra_fields(
    plan: Plan,
    function: ast.FunctionDef,
    class_plan: ClassPlan,
    module: Module,
    extras: Sequence[str],
) -> list[Argument]:
    """Arguments that legacy collected in `**kwargs`: one dict now."""
    if not extras:
        return []
    if module.bound - {"name", *plan.decisions[function], *class_plan.order}:
        raise Unclear("LN390", "`**kwargs` is filled in two places")
    alone = len(extras) == 1 and extras[0].startswith("**")
    collected = extras[0].removeprefix("**") if alone else f"dict({', '.join(extras)})"
    return [Added(class_plan.open[function], collected)]


def travelling(
    plan: Plan, source: Source, function: ast.FunctionDef, module: Module, explicit: set[str]
) -> list[Argument]:
    """Call arguments that `.partial` had bound: they are given at every call now."""
    return [
        Added(each.arg, repeated_or_unclear(plan, source, each.value, "LN390"))
        for each in bound_inputs(plan, function, module, explicit)
    ]


def bound_inputs(
    plan: Plan, function: ast.FunctionDef, module: Module, explicit: set[str]
) -> list[ast.keyword]:
    """Arguments of calls that `.partial` binds, the innermost binding of each."""
    found: dict[str, ast.keyword] = {}
    for origin in plan.bindings(module):
        for keyword in origin.keywords:
            name = keyword.arg
            if name is None or name in found or name in explicit:
                continue
            if plan.role(function, name) is Role.INPUT:
                found[name] = keyword
    return list(found.values())


def called_locally(plan: Plan, call: ast.Call) -> bool:
    """Whether what `call` makes is only called, and only in the function that makes it."""
    home = plan.code(call)
    calls = 0
    for other in plan.flow.where:
        assert isinstance(other, ast.Call)
        for value in [other.func, *other.args, *(k.value for k in other.keywords)]:
            if not any(
                isinstance(a, Module) and a.origin is call
                for a in plan.flow.values.get(value, frozenset())
            ):
                continue
            if value is not other.func or plan.code(other) is not home:
                return False
            calls += 1
    return calls > 0 and home is not None


def called_in_sight(plan: Plan, call: ast.Call) -> bool:
    """Whether all calls of what `call` makes are calls of the project, wherever they are."""
    seen = False
    for other in plan.flow.where:
        assert isinstance(other, ast.Call)
        callee = plan.flow.values.get(other.func, frozenset())
        seen |= any(_comes_from(a, call) for a in callee)
        for value in [*other.args, *(k.value for k in other.keywords)]:
            atoms = plan.flow.values.get(value, frozenset())
            if any(isinstance(a, Module) and a.origin is call for a in atoms) and not all(
                isinstance(a, Function | Bound | Class | Partial | Transformed)
                or a == External("flax.nn.Model")
                for a in callee
            ):
                return False
    return seen


def _comes_from(atom: Atom, call: ast.Call) -> bool:
    module = getattr(atom, "module", atom)
    return isinstance(module, Module) and module.origin is call


def receiver_of(plan: Plan, call: ast.Call) -> str:
    """The receiver of the module method around `call`."""
    return reachable_receiver(plan, call) or "self"


def passed_on(plan: Plan, call: ast.Call, entry: Filled) -> list[str] | None:
    """The fields that stand for a `**kwargs` of the method around `call`."""
    code = plan.code(call)
    if entry.splat != "**" or code is None or not isinstance(entry.node, ast.Name):
        return None
    if not isinstance(code.node, ast.FunctionDef):
        return None
    for class_plan in plan.classes.values():
        names = class_plan.forwarded.get(code.node)
        kwarg = code.node.args.kwarg
        if names is not None and kwarg is not None and kwarg.arg == entry.node.id:
            return list(names)
    return None


def field_argument(plan: Plan, function: ast.FunctionDef, entry: Filled, field: str) -> Argument:
    """An argument that fills a field."""
    decision = plan.decisions[function][entry.name or ""]
    if decision.is_cache:
        value = plan.flow.values.get(entry.node, frozenset())
        handed = any(isinstance(a, Parameter) and a.function in plan.decisions.of for a in value)
        if handed or (isinstance(entry.node, ast.Constant) and entry.node.value is None):
            if isinstance(entry.node, ast.Constant):
                return Added(field, "False")
            return Given(entry.index, field)
        return Added(field, "True")
    return Given(entry.index, field)


def _keyword_only(plan: Plan, module: Module) -> bool:
    """Whether the fields of a class cannot be given by position."""
    definition = module.definition
    if not isinstance(definition, ast.ClassDef):
        return False
    return any(
        ancestor in plan.classes and needs_keywords(plan, ancestor)
        for ancestor in plan.flow.hierarchy.mro(definition)
    )


def _fills_fields(
    plan: Plan, filled: Sequence[Filled], entry: Filled, module: Module, order: Sequence[str]
) -> bool:
    """Whether all that `*more` could fill is fields, and in the order of the class."""
    function = plan.flow.function_of(module)
    assert function is not None
    assert not isinstance(module.definition, str)
    before = [f for f in filled if f.positional and f.index < entry.index]
    after = [f for f in filled if f.positional and f.index > entry.index]
    named = {f.name for f in filled if not f.positional} | module.bound
    if entry.splat != "*" or after or any(f.splat for f in before):
        return False
    if module.shared or module.method != "apply" or function.args.vararg is not None:
        return False
    names = plan.flow.positional_names(module)[len(before) :]
    left = list(takewhile(lambda n: n not in named, names))
    decisions = [plan.decisions[function][n] for n in left]
    fields = all(d.role is Role.FIELD and not d.is_cache for d in decisions)
    placed = [plan.field(module.definition, n) for n in left] if fields else []
    return bool(placed) and placed == list(order[: len(placed)])


def _user_splat(
    plan: Plan,
    function: ast.FunctionDef,
    filled: Sequence[Filled],
    entry: Filled,
    module: Module,
) -> Role:
    decisions = plan.decisions[function]
    given = {f.name for f in filled if f.name is not None} | module.bound
    if entry.splat == "*":
        left = [n for n in decisions if n not in given]
        length = splat_length(plan, entry.node)
        if length is not None and all(decisions[n].role is Role.INPUT for n in left[:length]):
            return Role.INPUT
        if all(decisions[n].role is Role.INPUT for n in left if decisions[n].default is None) and (
            function.args.vararg is not None or all(decisions[n].role is Role.INPUT for n in left)
        ):
            return Role.INPUT
        raise Unclear("LN390", f"`*{text(entry.node)}` may carry fields and inputs")
    keys = splat_keys(plan, entry.node)
    assert not isinstance(module.definition, str)
    extra = [n for ns in plan.classes[module.definition].forwarded.values() for n in ns]
    known = {**dict.fromkeys(extra, Role.FIELD), **{n: d.role for n, d in decisions.items()}}
    roles = {r for n, r in known.items() if n not in given and (keys is None or n in keys)}
    if keys is not None and not keys - {"name"}:
        roles = roles or {Role.FIELD}
    if keys is not None and any(k not in known and k != "name" for k in keys):
        raise Unclear("LN390", f"`**{text(entry.node)}` carries arguments that are not known")
    if len(roles) != 1:
        raise Unclear("LN390", f"`**{text(entry.node)}` may carry fields and inputs")
    if function.args.kwarg is not None and keys is None and not extra:
        raise Unclear("LN390", f"`**{text(entry.node)}` goes into an open-ended signature")
    role = roles.pop()
    if role is Role.FIELD and module.shared:
        raise Unclear("LN390", "fields are given per call to a shared module")
    return role


def extra_keyword(
    plan: Plan, function: ast.FunctionDef, order: Sequence[str], name: str
) -> Role | None:
    """A keyword that `apply` takes through `**kwargs`."""
    if function.args.kwarg is None:
        return None
    if name in order:
        return Role.FIELD
    owner = plan.flow.code[function].owner
    found = plan.flow.hierarchy.find_after(owner.node, "apply") if owner is not None else None
    if found is not None and keeps_kwargs(plan, function):
        return plan.role(found[1], name)
    return None


def own_method(plan: Plan, call: ast.Call, module: Module) -> ModuleCall:
    """`self.encode(x)`: legacy gave it a scope of its own, Linen shares the module's."""
    function = plan.flow.function_of(module)
    assert function is not None
    sites = {
        node
        for node in plan.flow.where
        if isinstance(node, ast.Call)
        and any(
            isinstance(a, Module) and a.receiver == "self" and plan.flow.function_of(a) is function
            for a in plan.flow.values.get(node.func, frozenset())
        )
    }
    if len(sites) != 1 or repeated(plan, call):
        raise Unclear("LN297", f"`{text(call.func)}` owned parameters of its own at every call")
    inputs: list[Argument] = []
    for entry in fill(plan, call, module):
        if entry.splat or entry.name is None:
            raise Unclear("LN390", f"`{text(call.func)}` is called with a splat")
        role = plan.role(function, entry.name)
        if role is Role.INPUT:
            inputs.append(Given(entry.index, None if entry.positional else entry.name))
        elif not same_field(plan, entry):
            raise Unclear(
                "LN297", f"`{text(call.func)}` gets `{entry.name}` different from the field"
            )
    return ModuleCall(None, tuple(inputs), rule="LN304")


def same_field(plan: Plan, entry: Filled) -> bool:
    """Whether an argument is the caller's own parameter of the same name, just as it was given."""
    return any(
        isinstance(a, Parameter)
        and (a.name, a.mixed, a.part) == (entry.name, False, "")
        and isinstance(a.function, ast.FunctionDef)
        and not mentions.is_local(plan, a.function, a.name)
        and any(node is entry.node for node, _ in mentions.own_names(plan, a.function, a.name))
        for a in plan.flow.values.get(entry.node, frozenset())
    )


def name_at(sequence: Sequence[str], position: int) -> str | None:
    """The name at a position, None past the end."""
    return sequence[position] if position < len(sequence) else None
