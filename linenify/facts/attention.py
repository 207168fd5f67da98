"""Attention: masks, axes and caches that Linen spells differently."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from linenify.facts import catalogue
from linenify.facts.arguments import Filled, Unclear, fill, splat_keys, text
from linenify.facts.catalogue import Slot
from linenify.facts.kinds import Model, Module, Parameter, Static
from linenify.facts.members import passed_on, receiver_of
from linenify.facts.plan import Plan
from linenify.facts.ranks import rank
from linenify.facts.recurrent import migrated_text
from linenify.facts.selfcalls import reachable_receiver
from linenify.facts.sites import Added, Argument, Given, ModuleCall, Reordered, Reshaped
from linenify.facts.splats import layer_splat_keys
from linenify.project.scopes import defaults_by_name
from linenify.project.source import Source

LAYERS = frozenset({"SelfAttention", "MultiHeadDotProductAttention"})
_MASKS = frozenset(
    {"causal_mask", "padding_mask", "key_padding_mask", "segmentation", "key_segmentation"}
)


@dataclass(frozen=True, slots=True)
class Operand:
    """One array of an attention call: its template text, and whether it may be None."""

    code: str
    optional: bool = False
    atomic: bool = True


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
    bound = _bound_specials(plan, module)
    query = given.get("inputs_q")
    if query is None:
        raise Unclear("LN390", f"`{text(call.func)}` is called without inputs")
    if "attention_fn" in given or "attention_fn" in module.bound:
        _check_attention_function(plan, given, bound)
    q = "{%d}" % query.index
    key = given.get("inputs_kv")
    cross = key is not None and not _same(query.node, key.node) and not _is_none(key.node)
    k = "{%d}" % key.index if cross and key is not None else q
    alias = _alias(plan, query.node, key.node) if cross and key is not None else None
    if cross and key is not None and _maybe_none(plan, key.node):
        raise Unclear("LN396", "`inputs_kv` may be None")
    operands = {
        name: _operand(plan, f.index, f.node) for name, f in given.items() if name in _MASKS
    }
    operands.update(bound.masks)
    axis = given["attention_axis"].node if "attention_axis" in given else bound.axis
    masked = any(_present(operands, name) for name in _MASKS - {"causal_mask"})
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
    mask = _mask(
        plan, call, operands, q, k, query.node, key.node if key else None, cross, decode, alias
    )
    if any(_present(operands, name) for name in ("padding_mask", "key_padding_mask")):
        plan.notice(source, call, "LN803")
    construct = _construct(module, layer, filled, decode, splats)
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
        return ModuleCall(None, tuple(arguments), rule="LN305")
    site = ModuleCall(tuple(construct), tuple(arguments), rule="LN305")
    if swap is not None:
        return ModuleCall(
            site.construct, site.call, rule="LN305", after=_swap_back(swap).replace("{q}", q)
        )
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


def _bound_specials(plan: Plan, module: Module) -> _Bound:
    masks: dict[str, Operand] = {}
    axis: ast.expr | None = None
    for origin in plan.bindings(module):
        for keyword in origin.keywords:
            if keyword.arg in _MASKS and keyword.arg not in masks:
                masks[keyword.arg] = Operand(
                    _literal_code(plan, keyword.value), _maybe_none(plan, keyword.value)
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


def _literal_code(plan: Plan, node: ast.expr) -> str:
    return migrated_text(plan, node)


def _operand(plan: Plan, index: int, node: ast.expr) -> Operand:
    if isinstance(node, ast.Constant):
        return Operand(repr(node.value))
    atomic = isinstance(node, ast.Name | ast.Attribute)
    return Operand("{%d}" % index, _maybe_none(plan, node), atomic)


def _maybe_none(plan: Plan, node: ast.expr) -> bool:
    value = plan.flow.values.get(node, frozenset())
    for atom in value:
        match atom:
            case Static(type="None"):
                return True
            case Parameter(function=function, name=name):
                default = defaults_by_name(function.args).get(name)
                if isinstance(default, ast.Constant) and default.value is None:
                    return True
    return False


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _same(first: ast.expr, second: ast.expr) -> bool:
    return isinstance(first, ast.Name) and ast.dump(first) == ast.dump(second)


def _present(operands: Mapping[str, Operand], name: str) -> bool:
    operand = operands.get(name)
    return operand is not None and operand.code not in {"None", "False"}


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


def _check_attention_function(plan: Plan, given: Mapping[str, Filled], bound_: _Bound) -> None:
    del plan
    if any(name in given for name in _MASKS) or bound_.masks:
        masked = [n for n in _MASKS if n in given and not _off(given[n].node)]
        if masked or any(o.code not in {"None", "False"} for o in bound_.masks.values()):
            raise Unclear("LN396", "an own attention_fn takes a bias where Linen gives a mask")
    rate = given.get("dropout_rate")
    if rate is not None and not _zero(rate.node):
        raise Unclear("LN396", "an own attention_fn with dropout")


def _off(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in (None, False)


def _zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in (0, 0.0)


# --- the mask ----------------------------------------------------------------------------------


def _mask(
    plan: Plan,
    call: ast.Call,
    operands: Mapping[str, Operand],
    q: str,
    k: str,
    query: ast.expr,
    key: ast.expr | None,
    cross: bool,
    decode: str | None,
    alias: bool | None,
) -> str | None:
    pieces: list[str] = []
    causal = operands.get("causal_mask")
    if causal is not None and causal.code != "False":
        code = "{linen}.make_causal_mask(%s[..., 0])" % k
        pieces.append(code if causal.code == "True" else f"{code} if {causal.code} else None")
    padding = _pair(operands, "padding_mask", "key_padding_mask", q, k, cross, "", decode, alias)
    if padding is not None:
        pieces.append(padding)
    segments = _pair(
        operands, "segmentation", "key_segmentation", q, k, cross, ", {jnp}.equal", None, None
    )
    if segments is not None:
        pieces.append(segments)
    if not pieces:
        return None
    for node in (query, key if cross else None):
        if node is not None and not isinstance(node, ast.Name | ast.Attribute):
            raise Unclear("LN396", f"`{text(call.func)}` needs a mask; name its input first")
    if any(not o.atomic and o.code != "True" for n, o in operands.items() if n != "causal_mask"):
        raise Unclear("LN396", f"`{text(call.func)}` needs its masks as names")
    del plan
    if len(pieces) == 1:
        return pieces[0]
    return "{linen}.combine_masks(%s)" % ", ".join(pieces)


def _pair(
    operands: Mapping[str, Operand],
    name: str,
    key_name: str,
    q: str,
    k: str,
    cross: bool,
    pairwise: str,
    decode: str | None,
    alias: bool | None,
) -> str | None:
    """The mask that two one-dimensional masks span.

    Self attention copies a missing one from the other; across two inputs a
    missing one keeps every position.
    """
    first = operands.get(name) if _present(operands, name) else None
    second = operands.get(key_name) if _present(operands, key_name) else None
    if first is None and second is None:
        return None

    def flat(operand: Operand, of: str) -> str:
        return f"{operand.code}.reshape({of}.shape[:-1])"

    absent: list[str] = []
    if not cross:
        if first is not None and second is not None and (first.optional or second.optional):
            raise Unclear("LN396", f"`{name}` and `{key_name}` may both be None")
        one = first or second
        other = second or first
        assert one is not None
        assert other is not None
        if one.optional:
            absent.append(f"{one.code} is None")
        code = "{linen}.make_attention_mask(%s, %s%s)" % (flat(one, q), flat(other, k), pairwise)
    elif pairwise:
        if first is None or second is None:
            raise Unclear("LN396", f"`{name}` and `{key_name}` come together across two inputs")
        if first.optional:
            absent.append(f"{first.code} is None")
        code = "{linen}.make_attention_mask(%s, %s%s)" % (flat(first, q), flat(second, k), pairwise)
    else:
        if second is None:
            raise Unclear("LN396", f"`{name}` alone fails in legacy across two inputs")
        ones = "{jnp}.ones(%s.shape[:-1])" % q
        if first is None and alias:
            # The same array on both sides is self attention, which copies the mask.
            rows = f"({flat(second, q)} if {q} is {k} else {ones})"
        elif first is None:
            rows = ones
        elif first.optional:
            rows = f"({ones} if {first.code} is None else {flat(first, q)})"
        else:
            rows = flat(first, q)
        if second.optional:
            absent.append(f"{second.code} is None")
        code = "{linen}.make_attention_mask(%s, %s)" % (rows, flat(second, k))
    if decode is not None:
        absent.append(decode)
    return f"None if {' or '.join(absent)} else {code}" if absent else code


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


# --- functions ---------------------------------------------------------------------------------


def emit_function(plan: Plan, source: Source, call: ast.Call, entry: catalogue.Function) -> None:
    """`nn.dot_product_attention(...)`: other order, no axis, an explicit dtype and key."""
    names = [a.name for a in entry.arguments]
    arguments: list[Argument] = []
    given: dict[str, ast.expr] = {}
    pairs = [(i, names[i] if i < len(names) else None, a, True) for i, a in enumerate(call.args)]
    pairs += [(i, k.arg, k.value, False) for i, k in enumerate(call.keywords, start=len(call.args))]
    for index, name, node, positional in pairs:
        if name is None or isinstance(node, ast.Starred):
            raise Unclear("LN396", f"`{text(call.func)}` is called with a splat")
        given[name] = node
        if name == "axis":
            _check_function_axis(plan, node, call)
            continue
        arguments.append(Given(index, None if positional and index < 3 else name))
    if "dtype" not in given:
        query = plan.flow.values.get(call.args[0], frozenset()) if call.args else frozenset()
        del query
        arguments.append(Added("dtype", "{jnp}.float32"))
    rate = given.get("dropout_rate")
    if rate is not None and not _zero(rate) and "dropout_rng" not in given:
        arguments.append(Added("dropout_rng", _dropout_rng(plan, call, given)))
    plan.at(source, call, Reordered(tuple(arguments), "LN309"))


def _check_function_axis(plan: Plan, node: ast.expr, call: ast.Call) -> None:
    del plan
    match node:
        case ast.Constant(value=None | 1) | ast.Tuple(elts=[ast.Constant(value=1)]):
            return
    raise Unclear("LN396", f"`{text(call.func)}` attends over another axis")


def _dropout_rng(plan: Plan, call: ast.Call, given: Mapping[str, ast.expr]) -> str:
    receiver = reachable_receiver(plan, call)
    if receiver is None:
        raise Unclear("LN590", f"`{text(call.func)}` draws a key in a function without a module")
    conditions = []
    if "deterministic" in given:
        node = given["deterministic"]
        if not (isinstance(node, ast.Constant) and node.value is False):
            conditions.append(_code(plan, node))
    rate = given["dropout_rate"]
    if not isinstance(rate, ast.Constant):
        conditions.append(f"{_code(plan, rate)} == 0.")
    draw = f"{receiver}.make_rng('dropout')"
    return f"None if {' or '.join(conditions)} else {draw}" if conditions else draw


def _code(plan: Plan, node: ast.expr) -> str:
    return _literal_code(plan, node)


def emit_mask(plan: Plan, source: Source, call: ast.Call, entry: catalogue.Function) -> None:
    """`make_padding_mask` and `_make_causal_mask` over `(batch, length, ...)`."""
    names = [a.name for a in entry.arguments]
    places: dict[str, int] = {}
    nodes: dict[str, ast.expr] = {}
    for index, argument in enumerate(call.args):
        if isinstance(argument, ast.Starred) or index >= len(names):
            raise Unclear("LN396", f"`{text(call.func)}` is called with a splat")
        places[names[index]], nodes[names[index]] = index, argument
    for index, keyword in enumerate(call.keywords, len(call.args)):
        if keyword.arg is None:
            raise Unclear("LN396", f"`{text(call.func)}` is called with a splat")
        places[keyword.arg], nodes[keyword.arg] = index, keyword.value
    axis = nodes.get("attention_axis")
    match axis:
        case None | ast.Constant(value=None) | ast.Tuple(elts=[ast.Constant(value=1)]):
            pass
        case _:
            raise Unclear("LN396", f"`{text(call.func)}` over another axis")
    if entry.name == "_make_causal_mask":
        self_mask = nodes.get("self_mask")
        if self_mask is not None and not _off(self_mask):
            raise Unclear("LN396", "a causal mask without the diagonal")
        template = "{linen}.make_causal_mask({%d}[:1, :, 0, 0], dtype=bool)" % places["key"]
    else:
        segments = nodes.get("segmentation_mask")
        pairwise = ""
        if segments is not None and not _off(segments):
            if not isinstance(segments, ast.Constant):
                raise Unclear("LN396", "segmentation_mask is not a constant")
            pairwise = ", {jnp}.equal"
        template = (
            "{linen}.make_attention_mask({%d}.reshape({%d}[:-2]), {%d}.reshape({%d}[:-2])%s)"
            % (
                places["padding_mask_query"],
                places["query_shape"],
                places["padding_mask_key"],
                places["key_shape"],
                pairwise,
            )
        )
    plan.at(source, call, Reshaped(template, "LN309"))
