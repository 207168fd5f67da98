"""Dicts of keyword arguments: keys are renamed where the dict is made."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from weakref import WeakKeyDictionary

from linenify.facts.ask.arguments import Filled, splat_keys, text
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Container
from linenify.facts.legacy import catalogue
from linenify.facts.sites import Argument, DictKeys, Given, Reordered, Unclear
from linenify.project.nodes import walk
from linenify.project.source import Source

_REMOVERS = frozenset({"pop", "popitem", "clear", "remove", "__delitem__"})


def layer_splat_keys(plan: Plan, layer: catalogue.Layer, entry: Filled, keys: set[str]) -> Argument:
    """A splat of fields; keys that Linen renames are renamed where the dict is made."""
    renames: dict[str, str] = {}
    for key in keys:
        argument = layer.argument(key)
        if key == "name":
            continue
        if argument is None or argument.linen is None or argument.linen not in layer.fields:
            raise Unclear("LN390", f"the splat carries `{key}`, which Linen takes otherwise")
        if argument.linen != key:
            renames[key] = argument.linen
    if renames:
        rename_keys(plan, entry.node, renames)
    return Given(entry.index)


def given_by_splats(plan: Plan, keywords: Iterable[ast.keyword], asked: str) -> bool:
    """Whether a `**splat` gives a keyword.

    Raises:
        Unclear: it gives it at some times only.
    """
    for keyword in keywords:
        if keyword.arg is not None:
            continue
        keys = splat_keys(plan, keyword.value)
        if keys is not None and asked in keys:
            if _always(plan, keyword.value, asked):
                return True
            why = f"`**{text(keyword.value)}` may carry `{asked}` or not"
            raise Unclear("LN390", why, about=keyword.value)
    return False


def _always(plan: Plan, node: ast.expr, asked: str) -> bool:
    """Whether every dict that `node` may be has a key from the start, and keeps it."""
    value = plan.flow.values.get(node, frozenset())
    made = [a.node for a in value if isinstance(a, Container)]
    return bool(made) and all(
        _spells(plan, each, asked) and each not in shrinking(plan) for each in made
    )


def _spells(plan: Plan, made: ast.AST, asked: str) -> bool:
    match made:
        case ast.Dict(keys=keys, values=values):
            named = [k is not None and ast.unparse(k) == repr(asked) for k in keys]
            merged = [v for k, v in zip(keys, values, strict=True) if k is None]
        case ast.Call(args=arguments, keywords=keywords):
            named = [k.arg == asked for k in keywords]
            merged = [*arguments, *(k.value for k in keywords if k.arg is None)]
        case _:
            return False
    return any(named) or any(_always(plan, each, asked) for each in merged)


_SHRINKING: WeakKeyDictionary[Plan, frozenset[ast.AST]] = WeakKeyDictionary()


def shrinking(plan: Plan) -> frozenset[ast.AST]:
    """What makes the dicts and lists that something may be taken out of again."""
    if plan not in _SHRINKING:
        owners = [
            call.func.value
            for call in plan.flow.where
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in _REMOVERS
        ]
        for source in plan.project.sources:
            owners += [
                target.value
                for node in walk(source.tree)
                if isinstance(node, ast.Delete)
                for target in node.targets
                if isinstance(target, ast.Subscript)
            ]
        _SHRINKING[plan] = frozenset(
            atom.node
            for owner in owners
            for atom in plan.flow.values.get(owner, frozenset())
            if isinstance(atom, Container)
        )
    return _SHRINKING[plan]


def rename_keys(plan: Plan, node: ast.expr, renames: dict[str, str]) -> None:
    """Renames keys of every dict that `node` may be; refuses when others read them."""
    value = plan.flow.values.get(node, frozenset())
    for atom in sorted(
        (a for a in value if isinstance(a, Container)), key=lambda a: getattr(a.node, "lineno", 0)
    ):
        made = atom.node
        if not isinstance(made, ast.Dict | ast.Call):
            raise Unclear("LN390", f"`**{text(node)}` carries keys that Linen spells otherwise")
        _check_uses(plan, atom)
        source = _source_of(plan, made)
        if isinstance(made, ast.Dict):
            spelt = {k.value for k in made.keys if isinstance(k, ast.Constant)}
            if not spelt >= renames.keys():
                raise Unclear("LN390", f"`**{text(node)}` is put together from other dicts")
            plan.at(source, made, DictKeys(tuple(sorted(renames.items()))))
            continue
        if any(k.arg is None for k in made.keywords) or made.args:
            raise Unclear("LN390", f"`**{text(node)}` is put together from other dicts")
        arguments = tuple(
            Given(index, renames.get(k.arg or "", k.arg)) for index, k in enumerate(made.keywords)
        )
        plan.at(source, made, Reordered(arguments, "LN301"))


def _check_uses(plan: Plan, container: Container) -> None:
    for other, value in plan.flow.values.items():
        if container not in value or not isinstance(other, ast.Name):
            continue
        if not isinstance(other.ctx, ast.Load):
            continue
        parent = plan.parents.get(other)
        if not (isinstance(parent, ast.keyword) and parent.arg is None):
            raise Unclear("LN390", f"`{other.id}` carries renamed keys and is read elsewhere, too")


def _source_of(plan: Plan, node: ast.AST) -> Source:
    top: ast.AST = node
    for ancestor in plan.ancestors(node):
        top = ancestor
    return next(s for s in plan.project.sources if s.tree is top)
