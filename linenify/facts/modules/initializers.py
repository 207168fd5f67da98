"""Initialisers that say which dtype they make.

A legacy layer called `kernel_init(key, shape)`.  A layer of Linen adds its `param_dtype`,
which an initialiser with a dtype of its own would follow, or get twice.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from linenify.facts.ask.arguments import Filled, text
from linenify.facts.ask.spelt import certain
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.initkinds import dtype_of
from linenify.facts.flow.kinds import (
    Atom,
    Bound,
    Container,
    External,
    Function,
    Instance,
    Partial,
    Static,
    Value,
)
from linenify.facts.legacy import arrays
from linenify.facts.legacy.catalogue import Layer
from linenify.facts.sites import Added, Argument, Given, Reshaped, Unclear
from linenify.project.scopes import FunctionNode, defaults_by_name

_WRAPPED = "lambda key, shape, _: {%d}(key, shape)"
_KERNELS = frozenset({"Dense", "Conv", "ConvTranspose", "DenseGeneral"})


# --- at a layer -------------------------------------------------------------------------------


def converted(
    plan: Plan, layer: Layer, filled: Sequence[Filled], arguments: Sequence[Argument]
) -> list[Argument]:
    """The arguments of a layer with initialisers that take the dtype which Linen passes."""
    made_: list[Argument] = [*arguments]
    given = {f.name: f for f in filled if f.name is not None}
    entries = [f for f in filled if f.name is not None and _is_initializer(layer, f.name)]
    asking = {f.index: f for f in entries if own_dtype(plan, _values(plan, f.node))}
    _check_splats(plan, layer, filled)
    if not asking:
        return made_
    dtype = _common(plan, layer, given, entries)
    for place, argument in enumerate(made_):
        if isinstance(argument, Given) and argument.index in asking:
            node = asking[argument.index].node
            if dtype is None or not _unbound(plan, node, dtype):
                made_[place] = Added(argument.keyword, _WRAPPED % argument.index)
    if dtype:
        made_.append(Added("param_dtype", dtype))
    return made_


def shifted(argument: Added, by: int) -> Added:
    """An argument whose template counts from further left."""
    code = re.sub(r"\{(\d+)\}", lambda match: f"{{{int(match[1]) + by}}}", argument.code)
    return Added(argument.keyword, code)


def check_free(plan: Plan, node: ast.expr, where: str) -> None:
    """Refuses an initialiser with a dtype where none can be put around it.

    Raises:
        Unclear: it has one.
    """
    if own_dtype(plan, _values(plan, node)):
        raise Unclear("LN197", f"`{text(node)}` says its dtype, and {where} passes another")


def own_dtype(plan: Plan, value: Value) -> bool:
    """Whether an initialiser must not be called with the dtype that Linen passes."""
    return any(_asks(plan, atom) for atom in value)


def _asks(plan: Plan, atom: Atom) -> bool:
    match atom:
        case Static(type="initializer", literal=str()):
            return True
        case Partial(keywords=keywords) if "dtype" in keywords:
            return True
        case Partial(function=Function(node=node), keywords=keywords, positional=0):
            return _third(node, 0) in keywords or _narrow(plan, node, 0)
        case Function(node=node):
            return _narrow(plan, node, 0)
        case Bound(node=node, drops_first=drops):
            return _narrow(plan, node, int(drops)) or _takes_two(node, int(drops))
        case Instance(node=node):
            found = plan.flow.hierarchy.find(node, "__call__")
            return found is not None and (_narrow(plan, found[1], 1) or _takes_two(found[1], 1))
    return False


def _third(node: FunctionNode, skip: int) -> str | None:
    names = [a.arg for a in [*node.args.posonlyargs, *node.args.args]][skip:]
    return names[2] if len(names) > 2 else None


def _takes_two(node: FunctionNode, skip: int) -> bool:
    names = [*node.args.posonlyargs, *node.args.args][skip:]
    return len(names) == 2 and node.args.vararg is None


def _narrow(plan: Plan, node: FunctionNode, skip: int) -> bool:
    """Whether the third argument of a function is no dtype, or by default another one."""
    third = _third(node, skip)
    if third is None:
        return node.args.kwarg is not None and _takes_two(node, skip)
    default = defaults_by_name(node.args).get(third)
    if default is None:
        return False
    value = plan.flow.values.get(default, frozenset())
    if third not in {"dtype", "_", "_dtype", "param_dtype", "unused_dtype"}:
        paths = [a.path for a in value if isinstance(a, External)]
        if not paths or any(arrays.constant(path) != "dtype" for path in paths):
            return True
    return bool(dtype_of(value, default))


def _is_initializer(layer: Layer, name: str) -> bool:
    argument = layer.argument(name)
    return argument is not None and argument.role == "initializer"


def _values(plan: Plan, node: ast.expr) -> Value:
    return plan.flow.values.get(node, frozenset())


def _check_splats(plan: Plan, layer: Layer, filled: Sequence[Filled]) -> None:
    for entry in filled:
        if entry.splat != "**":
            continue
        for atom in _values(plan, entry.node):
            if not isinstance(atom, Container):
                continue
            for key in plan.flow.keys.get(atom.node, ()):
                held = plan.flow.items.get((atom.node, key), frozenset())
                if isinstance(key, str) and _is_initializer(layer, key) and own_dtype(plan, held):
                    why = f"`{key}` in `**{text(entry.node)}` says its dtype"
                    raise Unclear("LN197", f"{why}, and Linen passes another")


# --- one dtype for the whole layer ------------------------------------------------------------


def _common(
    plan: Plan, layer: Layer, given: dict[str, Filled], entries: Sequence[Filled]
) -> str | None:
    """The dtype that all params of a layer say; empty where that is Linen's own anyway."""
    said = {_said(plan, entry.node) for entry in entries}
    if len(said) != 1:
        return None
    (dtype,) = said
    if not dtype:
        return dtype
    bias = given.get("bias")
    off = bias is not None and isinstance(bias.node, ast.Constant) and bias.node.value is False
    complete = layer.name in _KERNELS and (off or "bias_init" in given) and "kernel_init" in given
    return dtype if complete else None


def _said(plan: Plan, node: ast.expr) -> str | None:
    """The dtype that an expression says where it stands; None where it is another's."""
    if not isinstance(node, ast.Call):
        return None
    dtype = next((k.value for k in node.keywords if k.arg == "dtype"), None)
    if dtype is None:
        return None
    path = certain(plan, dtype)
    if path is None or arrays.constant(path) != "dtype":
        return None
    return dtype_of(_values(plan, dtype), dtype)


def _unbound(plan: Plan, node: ast.expr, dtype: str) -> bool:
    """Takes the dtype out of `partial(zeros, dtype=d)`; a factory may keep its own."""
    del dtype
    match node:
        case ast.Call(func=func, args=[_], keywords=[ast.keyword(arg="dtype")]) if (
            certain(plan, func) == "functools.partial"
        ):
            plan.at(plan.source(node), node, Reshaped("{0}", "LN112"))
            return True
        case ast.Call(func=func):
            return certain(plan, func) != "functools.partial"
    return False
