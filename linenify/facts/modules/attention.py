"""Attention layers: masks, axes and caches that Linen spells differently."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from linenify.facts.ask.arguments import Filled, fill, splat_keys, text
from linenify.facts.ask.ranks import rank
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import repeated_or_unclear
from linenify.facts.flow.kinds import Model, Module, Parameter
from linenify.facts.legacy import catalogue
from linenify.facts.legacy.catalogue import Slot
from linenify.facts.modules import initializers
from linenify.facts.modules.attentionmasks import (
    MASKS,
    Operand,
    is_off,
    is_present,
    mask_of,
    may_be_none,
    named,
    operand_of,
)
from linenify.facts.modules.members import passed_on, receiver_of
from linenify.facts.modules.splats import layer_splat_keys
from linenify.facts.sites import Added, Argument, Given, ModuleCall, Unclear
from linenify.project.source import Source

LAYERS = frozenset({"SelfAttention", "MultiHeadDotProductAttention"})


def split(
    plan: Plan,
    source: Source,
    call: ast.Call,
    module: Module,
    layer: catalogue.Layer,
    filled: Sequence[Filled],
) -> ModuleCall:
    """Splits a call of an attention layer, building the mask from its pieces."""
    given = {f.name: f for f in filled if f.name is not None}
    splats = _splats(plan, call, module, layer, filled)
    filled = [f for f in filled if not f.splat]
    bound = _bound_specials(plan, source, module)
    query = given.get("inputs_q")
    if query is None:
        raise Unclear("LN390", f"`{text(call.func)}` is called without inputs")
    if "attention_fn" in given or "attention_fn" in module.bound:
        _check_attention_function(given, bound)
    q = "{%d}" % query.index
    key = given.get("inputs_kv")
    cross = key is not None and not _same(query.node, key.node) and not _is_none(key.node)
    k = "{%d}" % key.index if cross and key is not None else q
    alias = _alias(plan, query.node, key.node) if cross and key is not None else None
    if cross and key is not None and may_be_none(plan, key.node):
        raise Unclear("LN396", "`inputs_kv` may be None")
    operands = {
        name: operand_of(plan, f.index, f.node) for name, f in given.items() if name in MASKS
    }
    operands.update(bound.masks)
    masks = {name: f.node for name, f in given.items() if name in MASKS}
    operands, before = named(plan, call, operands, masks)
    axis = given["attention_axis"].node if "attention_axis" in given else bound.axis
    masked = any(is_present(operands, name) for name in MASKS - {"causal_mask"})
    swap = _axis(
        plan, source, call, query.node, axis, masked=masked, outputs="out_features" in given
    )
    if swap is not None and cross:
        raise Unclear("LN396", "attention to another input over an inner axis")
    if swap is not None and not isinstance(query.node, ast.Name | ast.Attribute):
        raise Unclear("LN396", f"`{text(call.func)}` needs its input as a name")
    decode = _decode(plan, given)
    if swap is not None and decode is not None:
        raise Unclear("LN396", "decoding over several axes, or over an inner one")
    k = k if swap is None else swap.replace("{q}", q)
    mask = mask_of(
        call, operands, q, k, query.node, key.node if key else None, cross, decode, alias
    )
    if any(is_present(operands, name) for name in ("padding_mask", "key_padding_mask")):
        plan.notice(source, call, "LN803")
    construct = _construct(module, layer, filled, decode, splats)
    construct = initializers.converted(plan, layer, filled, construct)
    arguments: list[Argument] = []
    for entry in filled:
        if entry.name == "inputs_q":
            if swap is not None:
                arguments.append(Added(None, swap.replace("{q}", q)))
            else:
                arguments.append(Given(entry.index, None if entry.positional else "inputs_q"))
        elif entry.name == "inputs_kv" and cross:
            keyword = None if entry.positional or query.positional else "inputs_k"
            arguments.append(Added(keyword, "{%d}" % entry.index))
        elif entry.name == "dropout_rng":
            arguments.append(Given(entry.index, "dropout_rng"))
    if mask is not None:
        arguments.append(Added("mask", mask))
    if module.shared:
        return ModuleCall(None, tuple(arguments), rule="LN305", before=before)
    site = ModuleCall(tuple(construct), tuple(arguments), rule="LN305", before=before)
    if swap is not None:
        return replace(site, after=_swap_back(swap).replace("{q}", q))
    return site


def bound(
    plan: Plan, call: ast.Call, layer: catalogue.Layer, name: str, index: int, node: ast.expr
) -> list[Argument]:
    """A special argument in `.partial(...)`: it moves to the calls."""
    del plan, index
    if layer.name not in LAYERS:
        raise Unclear("LN491", f"`{name}=` has no counterpart in Linen")
    if isinstance(node, ast.Name | ast.Constant) or name == "attention_axis":
        return []
    raise Unclear("LN396", f"`{text(call.func)}` binds `{name}`")


@dataclass(frozen=True, slots=True)
class _Bound:
    masks: Mapping[str, Operand]
    axis: ast.expr | None


def _bound_specials(plan: Plan, source: Source, module: Module) -> _Bound:
    masks: dict[str, Operand] = {}
    axis: ast.expr | None = None
    for origin in plan.bindings(module):
        for keyword in origin.keywords:
            if keyword.arg in MASKS and keyword.arg not in masks:
                masks[keyword.arg] = Operand(
                    repeated_or_unclear(plan, source, keyword.value, "LN396"),
                    may_be_none(plan, keyword.value),
                )
            elif keyword.arg == "attention_axis" and axis is None:
                axis = keyword.value
    return _Bound(masks, axis)


def _alias(plan: Plan, query: ast.expr, key: ast.expr) -> bool:
    """Whether some caller passes one array for both inputs of a cross attention."""
    code = plan.code(query)
    both = (query, key)
    if code is None or not all(isinstance(n, ast.Name) for n in both):
        return False
    names = [n.id for n in both if isinstance(n, ast.Name)]
    passed: dict[ast.Call, dict[str, str]] = {}
    for actual in plan.flow.actuals.values():
        module = actual.callee.module if isinstance(actual.callee, Model) else actual.callee
        if plan.flow.function_of(module) is code.node and actual.parameter in names:
            node = _passed(plan, actual.node, module, actual.parameter)
            if isinstance(node, ast.Name):
                passed.setdefault(actual.node, {})[actual.parameter] = node.id
    return any(len(p) == len(names) and len(set(p.values())) == 1 for p in passed.values())


def _passed(plan: Plan, call: ast.Call, module: Module, parameter: str) -> ast.expr | None:
    try:
        return next((f.node for f in fill(plan, call, module) if f.name == parameter), None)
    except Unclear:
        return None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _same(first: ast.expr, second: ast.expr) -> bool:
    return isinstance(first, ast.Name) and ast.dump(first) == ast.dump(second)


# --- the constructor ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Splats:
    """What `**kwargs` gives the constructor: the arguments, and their legacy names."""

    arguments: tuple[Argument, ...]
    names: frozenset[str]


def _splats(
    plan: Plan,
    call: ast.Call,
    module: Module,
    layer: catalogue.Layer,
    filled: Sequence[Filled],
) -> _Splats:
    """Fields in the stead of `**kwargs`, or a dict that holds nothing but fields."""
    given = {f.name for f in filled if f.name is not None} | module.bound
    arguments: list[Argument] = []
    names: set[str] = set()
    for entry in (f for f in filled if f.splat):
        passed = passed_on(plan, call, entry)
        if passed is not None:
            for name in (n for n in passed if n not in given):
                known = layer.argument(name)
                if known is not None and known.linen is not None:
                    arguments.append(Added(known.linen, f"{receiver_of(plan, call)}.{name}"))
                    names.add(name)
            continue
        keys = splat_keys(plan, entry.node) if entry.splat == "**" else None
        if keys is None or module.shared:
            raise Unclear("LN396", f"`{text(call.func)}` is called with a splat")
        if any(k != "name" and _slot(layer, k) is not Slot.FIELD for k in keys):
            raise Unclear("LN396", f"`{text(call.func)}` gets masks or inputs through a splat")
        arguments.append(layer_splat_keys(plan, layer, entry, keys))
        names |= keys
    return _Splats(tuple(arguments), frozenset(names))


def _slot(layer: catalogue.Layer, name: str) -> Slot | None:
    argument = layer.argument(name)
    return argument.slot if argument is not None else None


def _construct(
    module: Module,
    layer: catalogue.Layer,
    filled: Sequence[Filled],
    decode: str | None,
    splats: _Splats,
) -> list[Argument]:
    construct: list[Argument] = []
    position = 0
    in_order = True
    for entry in filled:
        assert entry.name is not None
        if entry.name == "name":
            construct.append(Given(entry.index, "name"))
            continue
        if entry.name == "cache":
            if decode is not None:
                construct.append(Added("decode", decode))
            continue
        argument = layer.argument(entry.name)
        if argument is None:
            raise Unclear("LN390", f"`{entry.name}=` is not an argument of {layer.name}")
        if argument.slot in {Slot.INPUT, Slot.SPECIAL} or argument.name == "dropout_rng":
            continue
        assert argument.linen is not None
        if module.shared:
            raise Unclear("LN390", f"`{entry.name}=` is given per call to a shared layer")
        at = layer.fields[position] if position < len(layer.fields) else None
        if entry.positional and in_order and at == argument.linen:
            construct.append(Given(entry.index))
            position += 1
        else:
            in_order = in_order and not entry.positional
            construct.append(Given(entry.index, argument.linen))
    given = {f.name for f in filled} | module.bound | splats.names
    if "dropout_rate" in given and "deterministic" not in given:
        construct.append(Added("deterministic", "False"))
    # A splat stays where it was written: behind everything but other keywords.
    return [*construct, *splats.arguments]


def _decode(plan: Plan, given: Mapping[str, Filled]) -> str | None:
    """The flag that stands for a cache handle, as a template."""
    entry = given.get("cache")
    if entry is None or _is_none(entry.node):
        return None
    value = plan.flow.values.get(entry.node, frozenset())
    if isinstance(entry.node, ast.Name) and any(isinstance(a, Parameter) for a in value):
        return "{%d}" % entry.index
    raise Unclear("LN490", "the cache handle does not come in as an argument")


def _check_attention_function(given: Mapping[str, Filled], bound_: _Bound) -> None:
    if any(name in given for name in MASKS) or bound_.masks:
        masked = [n for n in MASKS if n in given and not is_off(given[n].node)]
        if masked or any(o.code not in {"None", "False"} for o in bound_.masks.values()):
            raise Unclear("LN396", "an own attention_fn takes a bias where Linen gives a mask")
    rate = given.get("dropout_rate")
    if rate is not None and not is_zero(rate.node):
        raise Unclear("LN396", "an own attention_fn with dropout")


def is_zero(node: ast.expr) -> bool:
    """Whether a rate is spelled out as nothing."""
    return isinstance(node, ast.Constant) and node.value in (0, 0.0)


# --- axes --------------------------------------------------------------------------------------


def _axis(
    plan: Plan,
    source: Source,
    call: ast.Call,
    query: ast.expr,
    axis: ast.expr | None,
    *,
    masked: bool,
    outputs: bool,
) -> str | None:
    """A template that brings the attended axis to its place, or None when it is there."""
    known = rank(plan, query)
    if known == 3:
        return None
    if axis is None or _is_none(axis):
        if known is None:
            plan.notice(source, call, "LN802")
            return None
        if masked:
            raise Unclear("LN396", "masks over several axes at once")
        if outputs:
            raise Unclear("LN396", "joint attention that changes the number of features")
        return "{q}.reshape({q}.shape[0], -1, {q}.shape[-1])"
    match axis:
        case (
            ast.Tuple(elts=[ast.Constant(value=int(place))])
            | ast.List(elts=[ast.Constant(value=int(place))])
        ):
            pass
        case _:
            raise Unclear("LN396", "attention over several axes")
    if known is not None and place == known - 2:
        return None
    if masked:
        if known is None and place == 1:
            plan.notice(source, call, "LN802")
            return None
        raise Unclear("LN396", "masks over an inner attention axis")
    return "{jnp}.swapaxes({q}, %d, -2)" % place


def _swap_back(swap: str) -> str:
    if swap.startswith("{jnp}.swapaxes"):
        place = swap.split(",")[1].strip()
        return "{jnp}.swapaxes({result}, %s, -2)" % place
    return "{result}.reshape({q}.shape)"
