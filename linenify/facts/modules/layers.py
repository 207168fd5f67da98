"""Calls of the layers of `flax.nn`: which argument goes to the constructor, which to the call."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from linenify.facts.ask import spelt
from linenify.facts.ask.arguments import Filled, fill, splat_keys, text
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import repeated_or_unclear
from linenify.facts.flow.kinds import (
    Function,
    Module,
    Parameter,
    Static,
    Value,
)
from linenify.facts.legacy import catalogue
from linenify.facts.legacy.catalogue import Slot
from linenify.facts.modules import initializers, recurrent, splats
from linenify.facts.modules.members import name_at, passed_on, receiver_of
from linenify.facts.sites import (
    Added,
    Argument,
    Given,
    ModuleCall,
    ParameterSite,
    Unclear,
)
from linenify.project.scopes import defaults_by_name
from linenify.project.source import Source


def check_migrated(plan: Plan, call: ast.Call, module: Module) -> None:
    """Refuses a call of a module class that stays legacy.

    Raises:
        Unclear: if the class is refused.
    """
    if isinstance(module.definition, str):
        return
    class_plan = plan.classes.get(module.definition)
    if class_plan is None or class_plan.refused is not None:
        why = f"`{text(call.func)}` is a module class that was not migrated"
        raise Unclear("LN398", why, because=plan.waits_for(module.definition))


def layer_of(plan: Plan, module: Module) -> catalogue.Layer:
    """The catalogue entry of a layer, or of the one that a class derives from.

    Raises:
        Unclear: if the class derives from none, and has no `apply`.
    """
    name = module.definition
    if not isinstance(name, str):
        assert isinstance(name, ast.ClassDef)
        found = plan.flow.hierarchy.layer(name)
        if found is None:
            raise Unclear("LN390", f"`{name.name}` has no `apply`")
        name = found
    layer = catalogue.layer(name)
    assert layer is not None
    return layer


def slot_of(layer: catalogue.Layer, name: str, module: Module) -> Slot | None:
    """Where an argument of a layer goes, None if the layer has no such argument."""
    if module.method != "apply":
        method = next((m for m in layer.methods if m.name == module.method), None)
        known = {a.name: a for a in method.arguments} if method else {}
        return known[name].slot if name in known else None
    argument = layer.argument(name)
    return argument.slot if argument is not None else None


def layer_split(
    plan: Plan,
    call: ast.Call,
    module: Module,
    layer: catalogue.Layer,
    filled: Sequence[Filled],
    skip: frozenset[str] = frozenset(),
) -> ModuleCall:
    """Splits the call of a built-in layer."""
    construct: list[Argument] = []
    inputs: list[Argument] = []
    in_order = True
    position = 0
    given = {f.name for f in filled if f.name is not None}
    for entry in filled:
        if entry.splat:
            passed = passed_on(plan, call, entry)
            if passed is not None:
                names = [n for n in passed if n not in given | module.bound]
                given |= set(names)
                for name in names:
                    known = layer.argument(name)
                    if known is not None and known.linen is not None:
                        construct.append(Added(known.linen, f"{receiver_of(plan, call)}.{name}"))
                continue
            construct.append(_layer_splat(plan, call, module, layer, filled, entry))
            continue
        assert entry.name is not None
        if entry.name in skip:
            continue
        if entry.name == "name":
            construct.append(Given(entry.index, "name"))
            continue
        if module.method != "apply":
            inputs.append(Given(entry.index, None if entry.positional else entry.name))
            continue
        argument = layer.argument(entry.name)
        if argument is None or argument.linen is None:
            raise Unclear("LN390", f"`{entry.name}=` is not an argument of {layer.name}")
        at_call = argument.slot is Slot.INPUT or argument.linen not in layer.fields
        if module.shared and argument.linen in layer.inputs:
            at_call = True
        if at_call:
            keyword = None if entry.positional else argument.linen
            size = None
            if plan.exact and entry.name == "inputs":
                size = _table_size(plan, plan.source(call), module, filled)
            if size is not None:
                clipped = "{jnp}.clip({%d}, -(%s), %s - 1)" % (entry.index, size, size)
                inputs.append(Added(keyword, clipped))
                continue
            inputs.append(Given(entry.index, keyword))
        elif module.shared:
            raise Unclear("LN390", f"`{entry.name}=` is given per call to a shared layer")
        elif entry.positional and in_order and name_at(layer.fields, position) == argument.linen:
            construct.append(Given(entry.index))
            position += 1
        else:
            in_order = in_order and not entry.positional
            construct.append(Given(entry.index, argument.linen))
    if module.shared:
        return ModuleCall(None, tuple(inputs), rule="LN304")
    construct = initializers.converted(plan, layer, filled, construct)
    construct.extend(_required(plan, call, layer, given, module))
    construct.extend(_exact(plan, layer, filled, module))
    if layer.derived:
        construct = recurrent.with_features(plan, call, module, layer, filled, construct)
    rule = "LN306" if layer.derived else "LN301"
    return ModuleCall(tuple(construct), tuple(inputs), rule=rule)


def _table_size(plan: Plan, source: Source, module: Module, filled: Sequence[Filled]) -> str | None:
    """The number of embeddings of an Embed call, as a template."""
    if module.definition != "Embed":
        return None
    given = next((f for f in filled if f.name == "num_embeddings"), None)
    if given is not None:
        return "{%d}" % given.index
    bound = module.origin.keywords if module.origin is not None else []
    node = next((k.value for k in bound if k.arg == "num_embeddings"), None)
    if not isinstance(node, ast.Name | ast.Constant):
        return None
    return repeated_or_unclear(plan, source, node, "LN390")


def _layer_splat(
    plan: Plan,
    call: ast.Call,
    module: Module,
    layer: catalogue.Layer,
    filled: Sequence[Filled],
    entry: Filled,
) -> Argument:
    inputs = [a.name for a in layer.arguments if a.slot is Slot.INPUT]
    given = {f.name for f in filled}
    if entry.splat == "*" or not all(name in given or name in module.bound for name in inputs):
        raise Unclear("LN390", f"`{text(call.func)}` gets its inputs through a splat")
    keys = splat_keys(plan, entry.node)
    if keys is None:
        raise Unclear("LN390", "the keys of the splat are not known")
    return splats.layer_splat_keys(plan, layer, entry, keys)


def _required(
    plan: Plan, call: ast.Call, layer: catalogue.Layer, given: set[str], module: Module
) -> list[Argument]:
    added: list[Argument] = []
    if module.origin is None:
        for keyword, value in layer.required:
            if keyword in given or splats.given_by_splats(plan, call.keywords, keyword):
                continue
            if spelt.is_spelt(plan, call.func):
                added.append(Added(keyword, value))
            else:
                # The class came here as a value: it is bound where it is named.
                plan.wrapped.add(layer.name)
    for trigger, keyword, value in layer.required_with:
        asked = trigger in given or trigger in module.bound
        asked = asked or splats.given_by_splats(plan, call.keywords, trigger)
        if asked and splats.given_by_splats(plan, call.keywords, keyword):
            continue
        if asked and keyword not in given and keyword not in module.bound:
            added.append(Added(keyword, value))
    return added


def _exact(
    plan: Plan, layer: catalogue.Layer, filled: Sequence[Filled], module: Module
) -> list[Argument]:
    """What keeps a corner of the legacy numerics."""
    del plan
    given = {f.name: f.node for f in filled}
    if layer.linen in {"BatchNorm", "LayerNorm", "GroupNorm"} and "dtype" not in given:
        off = [
            isinstance(node, ast.Constant) and node.value is False
            for node in (given.get("bias"), given.get("scale"))
        ]
        if all(off) and "dtype" not in module.bound:
            # Without parameters Linen keeps half precision; legacy gave float32.
            return [Added("dtype", "{jnp}.float32")]
    return []


def is_absent(plan: Plan, node: ast.expr) -> bool:
    """Whether an argument is None, whoever calls: written so, or a parameter that nobody fills."""
    if isinstance(node, ast.Constant):
        return node.value is None
    value = plan.flow.values.get(node, frozenset())
    for atom in value | plan.flow.origins.of(value):
        match atom:
            case Static(type="None"):
                continue
            case Parameter(function=function, name=name, part="", mixed=False):
                default = defaults_by_name(function.args).get(name)
                given = plan.decisions.actuals.get((function, name), [])
                if not (isinstance(default, ast.Constant) and default.value is None):
                    return False
                if function not in plan.decisions.of or not all(a.value for a in given):
                    return False
            case _:
                return False
    return bool(value)


def check_initializers(plan: Plan, call: ast.Call, module: Module) -> None:
    """Widens every initializer of the project that a layer is given."""
    if not isinstance(module.definition, str):
        return
    layer = catalogue.layer(module.definition)
    assert layer is not None
    for entry in fill(plan, call, module):
        argument = layer.argument(entry.name) if entry.name else None
        if argument is not None and argument.role == "initializer":
            widen_initializers(plan, plan.flow.values.get(entry.node, frozenset()))


def check_carry(plan: Plan, call: ast.Call) -> None:
    """Widens the `init_fn` of `Cell.initialize_carry(rng, batch_dims, size, init_fn)`."""
    named = (keyword.value for keyword in call.keywords if keyword.arg == "init_fn")
    for node in (*call.args[3:4], *named):
        initializers.check_free(plan, node, "the cell")
        widen_initializers(plan, plan.flow.values.get(node, frozenset()))


def widen_initializers(plan: Plan, value: Value) -> None:
    """Layers of Linen call an initialiser with a dtype as well."""
    for atom in value:
        if not isinstance(atom, Function):
            continue
        arguments = atom.node.args
        if arguments.vararg is not None or arguments.kwarg is not None:
            continue
        if len(arguments.posonlyargs) + len(arguments.args) == 2:
            code = plan.flow.code[atom.node]
            plan.define(code.source, atom.node, ParameterSite("dtype=jnp.float32"))


def notices_of(plan: Plan, source: Source, call: ast.Call, module: Module) -> None:
    """What only a faulty program could tell from the original."""
    site = plan.site_at(source, call)
    imitated = isinstance(site, ModuleCall) and any(
        isinstance(a, Added) and ".clip(" in a.code for a in site.call
    )
    if module.definition == "Embed" and module.method == "apply" and not imitated:
        plan.notice(source, call, "LN801")
    if plan.keep_names:
        _notice_shape(plan, source, call, module)
    if module.definition == "DenseGeneral":
        given = {f.name: f.node for f in fill(plan, call, module)}
        bias = given.get("bias")
        off = (isinstance(bias, ast.Constant) and bias.value is False) or "bias" in module.bound
        if not off and not _trailing(given.get("axis")):
            plan.notice(source, call, "LN805")
        batch = given.get("batch_dims")
        if batch is not None and ast.unparse(batch) != "()":
            plan.notice(source, call, "LN806")


def _notice_shape(plan: Plan, source: Source, call: ast.Call, module: Module) -> None:
    """Parameters that differ between the worlds in more than their names."""
    if module.method != "apply" or module.shared:
        return
    definition = module.definition
    if isinstance(definition, ast.ClassDef) and plan.flow.function_of(module) is None:
        definition = plan.flow.hierarchy.layer(definition) or definition
    if definition == "GroupNorm":
        plan.notice(source, call, "LN810", "GroupNorm: legacy kept (1, ..., C), Linen keeps (C,)")
    if definition == "DenseGeneral":
        axis = {f.name: f.node for f in fill(plan, call, module)}.get("axis")
        if not _ascending(axis):
            why = "DenseGeneral: Linen sorts the axes that it contracts"
            plan.notice(source, call, "LN810", why)


def _ascending(axis: ast.expr | None) -> bool:
    """Whether the contracted axes stand in the order in which Linen sorts them."""
    if axis is None:
        return True
    try:
        value = ast.literal_eval(axis)
    except ValueError:
        return False
    axes = value if isinstance(value, tuple | list) else (value,)
    signs = {each < 0 for each in axes}
    return len(signs) <= 1 and sorted(axes) == [*axes]


def _trailing(axis: ast.expr | None) -> bool:
    """Whether the contracted axes are the last ones, in order."""
    match axis:
        case None:
            return True
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1)):
            return True
        case ast.Tuple(elts=elements):
            expected = [f"-{place}" for place in range(len(elements), 0, -1)]
            return [ast.unparse(e) for e in elements] == expected
    return False
