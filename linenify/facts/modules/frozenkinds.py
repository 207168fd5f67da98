"""One thing that an expression may hold, in legacy and in Linen."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from linenify.project.nodes import below
from linenify.project.scopes import FunctionNode, defaults_by_name

NUMBERS = frozenset({"int", "float", "bool"})
MADE_BY = {
    "builtins.list": "list",
    "builtins.sorted": "list",
    "builtins.tuple": "tuple",
    "builtins.dict": "dict",
    "collections.OrderedDict": "dict",
    "builtins.str": "str",
    "builtins.repr": "str",
    "builtins.len": "number",
    "builtins.int": "number",
    "builtins.float": "number",
    "builtins.bool": "number",
    "builtins.isinstance": "number",
}
# What they name is a function, a class or a number.
LIBRARIES = frozenset({"builtins", "jax", "numpy", "flax", "optax", *sys.stdlib_module_names})
# The argument that is given back, as far as its type goes.
KEEPS = {
    "copy.copy": 0,
    "copy.deepcopy": 0,
    "jax.tree_map": 1,
    "jax.tree_util.tree_map": 1,
    "jax.tree_multimap": 1,
    "jax.tree_util.tree_multimap": 1,
}
CONTAINERS = frozenset({"list", "tuple", "dict"})


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that an expression may hold.

    Attributes:
        type: what it is in legacy: "list", "tuple", "dict", "None", "str", "number",
            "array", "other", or "unknown".
        frozen: whether it came through a field, so that Linen holds its frozen form.
        node: the display that made it, if that is known.
    """

    type: str
    frozen: bool = False
    node: ast.expr | None = None

    @property
    def linen(self) -> str:
        """What it is in Linen."""
        if not self.frozen:
            return self.type
        return {"list": "tuple", "dict": "FrozenDict"}.get(self.type, self.type)

    @property
    def changes(self) -> bool:
        """Whether Linen holds another type than legacy did."""
        return self.linen != self.type


Holding = frozenset[Held]
UNKNOWN: Holding = frozenset({Held("unknown")})


def tells(first: Held, second: Held) -> bool:
    """Whether a comparison of two things may give another answer in Linen."""
    before = _comparable(first.type, second.type)
    after = _comparable(first.linen, second.linen)
    if "unknown" in {first.type, second.type}:
        known, other = (second, first) if first.type == "unknown" else (first, second)
        if known.type == "list" and known.frozen and not other.frozen:
            return not isinstance(other.node, ast.Constant)
        return known.type == "list" and not known.frozen and other.frozen
    if before == after:
        return before and first.frozen != second.frozen and (nested(first) or nested(second))
    mine, theirs = _literal(first), _literal(second)
    return mine is None or theirs is None or mine == theirs


def _comparable(first: str, second: str) -> bool:
    families = {"FrozenDict": "dict"}
    return families.get(first, first) == families.get(second, second)


def _literal(held: Held) -> tuple[object, ...] | None:
    """The elements of a list or tuple that is spelt out."""
    if not isinstance(held.node, ast.List | ast.Tuple):
        return None
    try:
        return tuple(ast.literal_eval(held.node))
    except (ValueError, TypeError):
        return None


def nested(held: Held) -> bool:
    """Whether there may be lists, dicts or tuples inside of something."""
    match held.node:
        case ast.List(elts=every) | ast.Tuple(elts=every) | ast.Dict(values=every):
            return any(isinstance(e, ast.List | ast.Dict | ast.ListComp | ast.Call) for e in every)
        case ast.Call(keywords=keywords):
            return any(isinstance(k.value, ast.List | ast.Dict | ast.Call) for k in keywords)
    return False


def displayed(made: ast.expr | None, index: ast.expr | None) -> list[ast.expr] | None:
    """The elements that a display spells out, or the one under a constant index."""
    match made, index:
        case ast.List(elts=every) | ast.Tuple(elts=every), ast.Constant(value=int(place)) if (
            place < len(every) and not any(isinstance(e, ast.Starred) for e in every)
        ):
            return [every[place]]
        case ast.List(elts=every) | ast.Tuple(elts=every), _:
            return None if any(isinstance(e, ast.Starred) for e in every) else every
        case ast.ListComp(elt=each) | ast.DictComp(value=each), _:
            return [each]
        case ast.Dict(keys=keys, values=values), ast.Constant(value=key) if None not in keys:
            return [
                v
                for k, v in zip(keys, values, strict=True)
                if not isinstance(k, ast.Constant) or k.value == key
            ]
        case ast.Dict(keys=keys, values=values), _ if None not in keys:
            return values
        case ast.Call(args=[], keywords=keywords), ast.Constant(value=str(key)):
            return [k.value for k in keywords if k.arg == key] or None
    return None


def argument_of(
    call: ast.Call, function: FunctionNode, name: str, skip: int
) -> list[ast.expr] | None:
    """What a call gives for a parameter: nothing where it leaves the default."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return [keyword.value]
    if skip < 0 or any(k.arg is None for k in call.keywords):
        return None
    names = [a.arg for a in [*function.args.posonlyargs, *function.args.args]][skip:]
    if name in names:
        place = names.index(name)
        if any(isinstance(a, ast.Starred) for a in call.args[: place + 1]):
            return None
        if place < len(call.args):
            return [call.args[place]]
    return [] if name in defaults_by_name(function.args) else None


def start(node: ast.expr) -> tuple[int, int]:
    """Where an expression begins."""
    return node.lineno, node.col_offset


def own_nodes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterable[ast.AST]:
    """The nodes of a function without those of functions inside."""
    queue: list[ast.AST] = [*function.body]
    while queue:
        node = queue.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            queue.extend(below(node))
