"""The mask of an attention layer, put together from the masks that legacy took."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from linenify.facts.ask.arguments import text
from linenify.facts.ask.places import is_pure
from linenify.facts.deciding.placing import free_name, in_block
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import External, Model, Module, ModuleApi, Parameter, Static
from linenify.facts.sites import Unclear
from linenify.project.nodes import walk
from linenify.project.scopes import defaults_by_name

MASKS = frozenset(
    {"causal_mask", "padding_mask", "key_padding_mask", "segmentation", "key_segmentation"}
)


@dataclass(frozen=True, slots=True)
class Operand:
    """One array of an attention call: its template text, and whether it may be None."""

    code: str
    optional: bool = False
    atomic: bool = True


def mask_of(
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
    """The template of the one mask that Linen takes; None where there is none."""
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
    first = operands.get(name) if is_present(operands, name) else None
    second = operands.get(key_name) if is_present(operands, key_name) else None
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


def operand_of(plan: Plan, index: int, node: ast.expr) -> Operand:
    """The argument at `index` of a call, as an operand."""
    if isinstance(node, ast.Constant):
        return Operand(repr(node.value))
    atomic = isinstance(node, ast.Name | ast.Attribute)
    return Operand("{%d}" % index, may_be_none(plan, node), atomic)


def named(
    plan: Plan, call: ast.Call, operands: Mapping[str, Operand], nodes: Mapping[str, ast.expr]
) -> tuple[dict[str, Operand], tuple[str, ...]]:
    """Operands of which masks that are computed in the call have names, and the statements."""
    found, before = dict(operands), list[str]()
    for name, operand in operands.items():
        if operand.atomic or name == "causal_mask" or not _goes_before(plan, call, nodes[name]):
            continue
        variable = free_name(plan, call, [name])
        before.append(f"{variable} = {operand.code}")
        found[name] = Operand(variable, operand.optional)
    return found, tuple(before)


_BRANCHES = (
    *(ast.IfExp, ast.BoolOp, ast.Lambda, ast.NamedExpr),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)


def _goes_before(plan: Plan, call: ast.Call, node: ast.expr) -> bool:
    """Whether an argument can be computed in a statement before the one of the call."""
    for around in plan.ancestors(call):
        if isinstance(around, _BRANCHES):
            return False
        if isinstance(around, ast.stmt):
            simple = isinstance(around, ast.Assign | ast.AnnAssign | ast.Return | ast.Expr)
            return simple and in_block(plan, around) and _only_computes(plan, node)
    return False


def _only_computes(plan: Plan, node: ast.expr) -> bool:
    for part in walk(node):
        if isinstance(part, (*_BRANCHES[2:], ast.Await, ast.Yield, ast.YieldFrom)):
            return False
        if isinstance(part, ast.Call):
            callee = plan.flow.values.get(part.func, frozenset())
            if not is_pure(plan, part) or any(
                isinstance(atom, Model | Module | ModuleApi | Parameter)
                or (isinstance(atom, External) and atom.path.startswith("flax"))
                for atom in callee
            ):
                return False
    return True


def may_be_none(plan: Plan, node: ast.expr) -> bool:
    """Whether an expression may give None."""
    value = plan.flow.values.get(node, frozenset())
    for atom in value | plan.flow.origins.of(value):
        match atom:
            case Static(type="None"):
                return True
            case Parameter(function=function, name=name):
                default = defaults_by_name(function.args).get(name)
                if isinstance(default, ast.Constant) and default.value is None:
                    return True
    return False


def is_present(operands: Mapping[str, Operand], name: str) -> bool:
    """Whether a mask is given, and not switched off."""
    operand = operands.get(name)
    return operand is not None and operand.code not in {"None", "False"}


def is_off(node: ast.expr) -> bool:
    """Whether a mask is spelled out as none."""
    return isinstance(node, ast.Constant) and node.value in (None, False)
