"""What calls of `nn.dot_product_attention` and of the functions that make masks become."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from linenify.facts.ask.arguments import text
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import repeated_or_unclear
from linenify.facts.legacy import catalogue
from linenify.facts.modules.attention import is_zero
from linenify.facts.modules.attentionmasks import is_off
from linenify.facts.modules.selfcalls import reachable_receiver
from linenify.facts.sites import Added, Argument, Given, Reordered, Reshaped, Unclear
from linenify.project.source import Source


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
            _check_function_axis(node, call)
            continue
        arguments.append(Given(index, None if positional and index < 3 else name))
    if "dtype" not in given:
        arguments.append(Added("dtype", "{jnp}.float32"))
    rate = given.get("dropout_rate")
    if rate is not None and not is_zero(rate) and "dropout_rng" not in given:
        arguments.append(Added("dropout_rng", _dropout_rng(plan, call, given)))
    plan.at(source, call, Reordered(tuple(arguments), "LN309"))


def _check_function_axis(node: ast.expr, call: ast.Call) -> None:
    match node:
        case ast.Constant(value=None | 1) | ast.Tuple(elts=[ast.Constant(value=1)]):
            return
    raise Unclear("LN396", f"`{text(call.func)}` attends over another axis")


def _dropout_rng(plan: Plan, call: ast.Call, given: Mapping[str, ast.expr]) -> str:
    receiver = reachable_receiver(plan, call)
    if receiver is None:
        raise Unclear("LN590", f"`{text(call.func)}` draws a key in a function without a module")
    source = plan.source(call)
    conditions = []
    if "deterministic" in given:
        node = given["deterministic"]
        if not (isinstance(node, ast.Constant) and node.value is False):
            conditions.append(repeated_or_unclear(plan, source, node, "LN396"))
    rate = given["dropout_rate"]
    if not isinstance(rate, ast.Constant):
        conditions.append(repeated_or_unclear(plan, source, rate, "LN396") + " == 0.")
    draw = f"{receiver}.make_rng('dropout')"
    return f"None if {' or '.join(conditions)} else {draw}" if conditions else draw


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
        if self_mask is not None and not is_off(self_mask):
            raise Unclear("LN396", "a causal mask without the diagonal")
        template = "{linen}.make_causal_mask({%d}[:1, :, 0, 0], dtype=bool)" % places["key"]
    else:
        segments = nodes.get("segmentation_mask")
        pairwise = ""
        if segments is not None and not is_off(segments):
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
