"""What a call of a module class, a layer or a base's `apply` becomes."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from linenify.facts.ask.arguments import fill, text
from linenify.facts.ask.parameters import Role
from linenify.facts.ask.supercalls import reached
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.binding import fits
from linenify.facts.flow.kinds import (
    Atom,
    Bound,
    Class,
    External,
    Function,
    Module,
    Partial,
    Value,
    modules,
)
from linenify.facts.legacy.catalogue import Slot
from linenify.facts.modules import attention, layerlists, selfcalls
from linenify.facts.modules.forwarding import keeps_kwargs
from linenify.facts.modules.layers import (
    check_initializers,
    check_migrated,
    is_absent,
    layer_of,
    layer_split,
    notices_of,
    slot_of,
)
from linenify.facts.modules.members import member_split, own_method, runnable, same_field
from linenify.facts.sites import Argument, Curried, Given, ModuleCall, Reordered, Unclear, one_of
from linenify.project.source import Source

# A call is split by asking, for every argument, which parameter of the legacy
# callee it fills and what became of that parameter.


def emit(
    plan: Plan, source: Source, call: ast.Call, callee: Value, found: Sequence[Module]
) -> None:
    """A call of module classes that may be any of `found`."""
    others = [
        a
        for a in callee
        if isinstance(a, Function | Bound | Partial | Class)
        or (isinstance(a, External) and not a.path.startswith("builtins.None"))
    ]
    found = _possible(plan, call, runnable(plan, found))
    site = one_of(split(plan, source, call, module) for module in found)
    if site is None:
        why = f"`{text(call.func)}` may be classes with different arguments"
        raise Unclear("LN390", why, about=call.func)
    if others:
        instances = layerlists.as_instances(plan, source, call, found, site)
        if instances is None:
            _curry(plan, call, others, site)
        site = instances or site
    plan.at(source, call, site)
    for module in found:
        check_initializers(plan, call, module)
        notices_of(plan, source, call, module)


def _possible(plan: Plan, call: ast.Call, found: Sequence[Module]) -> Sequence[Module]:
    """The candidates that could take these arguments: a correct program calls no other."""
    fitting = [m for m in found if fits(plan.flow, m, call)]
    return fitting or found


def _curry(plan: Plan, call: ast.Call, others: Sequence[Atom], site: ModuleCall) -> None:
    """Lambdas beside module classes take the same two steps: fields, then inputs."""
    if site.construct is None and _as_it_was(call, site):  # instances are called as functions are
        return
    for atom in others:
        if not isinstance(atom, Function) or not isinstance(atom.node, ast.Lambda):
            why = f"`{text(call.func)}` may be a module class or a plain function"
            raise Unclear("LN392", why, about=call.func)
        arguments = atom.node.args
        known_names = [a.arg for a in arguments.args]
        inputs = [
            known_names[a.index]
            if a.index < len(call.args) and a.index < len(known_names)
            else a.keyword
            for a in site.call
            if isinstance(a, Given)
        ]
        beside = all(
            modules(plan.flow.values.get(other.func, frozenset()))
            for other in plan.flow.where
            if isinstance(other, ast.Call) and atom in plan.flow.values.get(other.func, frozenset())
        )
        known = [n for n in inputs if n is not None and n in known_names]
        # `*args` takes what a constructor gets by position: inputs fill named parameters.
        starred = any(isinstance(a, ast.Starred) for a in call.args)
        plain = not (arguments.posonlyargs or starred)
        if not beside or not plain or len(known) != len(inputs) or site.construct is None:
            why = f"`{text(call.func)}` may be a module class or a plain function"
            raise Unclear("LN392", why, about=call.func)
        source = plan.flow.code[atom.node].source
        plan.define(source, atom.node, Curried(tuple(known)))


def _as_it_was(call: ast.Call, site: ModuleCall) -> bool:
    """Whether a call keeps all its arguments, in their order."""
    count = len(call.args) + len(call.keywords)
    kept = [a.index for a in site.call if isinstance(a, Given) and a.keyword is None]
    plain = not any(isinstance(a, ast.Starred) for a in call.args)
    return plain and not call.keywords and kept == [*range(count)] and len(site.call) == count


def split(plan: Plan, source: Source, call: ast.Call, module: Module) -> ModuleCall:
    """Divides the arguments of a call between the fields of a module and its inputs."""
    check_migrated(plan, call, module)
    if isinstance(module.definition, str) or plan.flow.function_of(module) is None:
        layer = layer_of(plan, module)
        filled = fill(plan, call, module)
        specials = [f for f in filled if f.name and slot_of(layer, f.name, module) is Slot.SPECIAL]
        special = {f.name for f in specials if f.name}
        if layer.name in attention.LAYERS and module.method == "apply":
            return attention.split(plan, source, call, module, layer, filled)
        for entry in specials:
            if not is_absent(plan, entry.node):
                raise Unclear("LN491", f"`{entry.name}=` has no counterpart in Linen")
        return layer_split(plan, call, module, layer, filled, frozenset(special))
    if module.receiver == "self":
        return own_method(plan, call, module)
    return member_split(plan, call, module)


def emit_super(plan: Plan, source: Source, call: ast.Call, owner: ast.ClassDef, name: str) -> None:
    """`super().apply(...)`, and other methods of a base."""
    if name != "apply":
        selfcalls.emit_super(plan, source, call, name)
        return
    if plan.flow.hierarchy.find_after(owner, "apply") is None:
        raise Unclear("LN295", "`super().apply` reaches a built-in layer")
    sites = {_to_base(plan, call, owner, base) for base in reached(plan.flow, owner, "apply")}
    if len(sites) != 1:
        raise Unclear("LN295", "`super().apply` may reach bases with different arguments")
    plan.at(source, call, Reordered(sites.pop(), "LN206", "__call__"))


def _to_base(
    plan: Plan, call: ast.Call, owner: ast.ClassDef, function: ast.FunctionDef
) -> tuple[Argument, ...]:
    """The arguments that are left of `super().apply(...)`, where it runs one method of a base."""
    info = plan.flow.code[function].owner
    assert info is not None
    base = info.node
    class_plan = plan.classes.get(base)
    if class_plan is None or class_plan.refused is not None:
        why = f"the base class `{base.name}` was not migrated"
        raise Unclear("LN398", why, because=plan.waits_for(base))
    arguments: list[Argument] = []
    filled = fill(plan, call, Module(base))
    code = plan.code(call)
    handed_on = False
    for entry in filled:
        own_kwargs = (
            entry.splat == "**"
            and code is not None
            and isinstance(code.node, ast.FunctionDef)
            and code.node.args.kwarg is not None
            and isinstance(entry.node, ast.Name)
            and entry.node.id == code.node.args.kwarg.arg
        )
        if own_kwargs:
            assert code is not None
            assert isinstance(code.node, ast.FunctionDef)
            if code.node in plan.classes[owner].open:
                raise Unclear("LN295", "`super().apply` is called with an open-ended splat")
            handed_on = True
            if keeps_kwargs(plan, code.node):
                arguments.append(Given(entry.index))
            continue
        if entry.splat or entry.name is None:
            raise Unclear("LN295", "`super().apply` is called with a splat")
        role = plan.role(function, entry.name)
        if role is Role.INPUT:
            arguments.append(Given(entry.index, None if entry.positional else entry.name))
        elif not same_field(plan, entry):
            raise Unclear("LN295", f"`super().apply` gets `{entry.name}` different from the field")
    given = {f.name for f in filled}
    below = [owner, *plan.flow.hierarchy.descendants(owner)]
    taken = {n for each in below if each in plan.classes for n in plan.classes[each].given}
    for name, decision in plan.decisions[function].items():
        if decision.role is Role.FIELD and name not in given and name in taken and not handed_on:
            raise Unclear("LN295", f"`super().apply` relies on the base's default of `{name}`")
    return tuple(arguments)
