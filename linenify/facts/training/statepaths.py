"""States put together by hand as legacy laid them out: `{'/norm': {'mean': ...}}`.

Linen nests collections by name, and names numbered modules differently: what is
written or read under such a path is flagged at its key, not only where the dict
becomes a Collection.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from linenify.facts.ask.arguments import text
from linenify.facts.deciding.plan import Plan
from linenify.facts.flow.kinds import Container, External, Legacy, Value, known
from linenify.project.nodes import walk

_COLLECTION = Legacy("Collection")
_READERS = frozenset({"setdefault", "get", "pop"})


def check(plan: Plan) -> None:
    """Flags every path that is a key of what becomes a Collection."""
    states = _states(plan)
    for key, owner in _keys(plan) if states else ():
        held = {a.node for a in owner if isinstance(a, Container)}
        if held & states and _is_path(key):
            why = f"`{text(key)}` names a module by its legacy path"
            plan.refuse(plan.source(key), key, "LN696", why)
    if not any(_COLLECTION in value for value in plan.flow.values.values()):
        return
    for node in (n for source in plan.project.sources for n in walk(source.tree)):
        for asked in _asked(node):
            owner = known(plan.flow.values.get(asked, frozenset()))
            if owner and all(isinstance(a, Legacy) and a.type == "Collection" for a in owner):
                why = f"`{text(asked)}` is gone through by its legacy paths"
                plan.refuse(plan.source(asked), asked, "LN696", why)


def _states(plan: Plan) -> set[ast.AST]:
    """The dicts that become Collections."""
    found: set[ast.AST] = set()
    for call in plan.flow.where:
        assert isinstance(call, ast.Call)
        if External("flax.nn.Collection") not in plan.flow.values.get(call.func, frozenset()):
            continue
        for argument in [*call.args, *(k.value for k in call.keywords)]:
            value = plan.flow.values.get(argument, frozenset())
            found |= {a.node for a in value if isinstance(a, Container) and a.type == "dict"}
    fresh = found
    merged = [*_merged(plan)] if found else []
    while fresh:
        fresh = {a for into, parts in merged if into & found for a in parts} - found
        found |= fresh
    return found


def _merged(plan: Plan) -> Iterator[tuple[set[ast.AST], set[ast.AST]]]:
    """Dicts, with those whose entries they take over."""
    values = plan.flow.values

    def dicts(*nodes: ast.expr) -> set[ast.AST]:
        every = (atom for node in nodes for atom in values.get(node, frozenset()))
        return {a.node for a in every if isinstance(a, Container) and a.type == "dict"}

    for node in values:
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="update"), args=[other, *_]):
                yield dicts(owner), dicts(other)
            case ast.Dict(keys=keys, values=parts) if None in keys:
                spread = [part for key, part in zip(keys, parts, strict=True) if key is None]
                yield dicts(node), dicts(*spread)
            case ast.Call(func=ast.Name(), args=[other, *_]):  # dict(other)
                yield dicts(node), dicts(other)


def _keys(plan: Plan) -> Iterator[tuple[ast.expr, Value]]:
    """The keys of dicts, with what the dict may be."""
    values = plan.flow.values
    for node, value in list(values.items()):
        match node:
            case ast.Dict(keys=keys):
                yield from ((key, value) for key in keys if key is not None)
            case ast.DictComp(key=key):
                yield key, value
            case ast.Call(func=ast.Name(), args=[made, *_]) if value and _is_pairs(made):
                yield _pair(made).elts[0], value
            case ast.Call(func=ast.Attribute(value=owner, attr=name), args=[key, *_]) if (
                name in _READERS
            ):
                yield key, values.get(owner, frozenset())
    for source in plan.project.sources:
        for node in walk(source.tree):
            if isinstance(node, ast.Subscript):
                yield node.slice, values.get(node.value, frozenset())


def _is_pairs(node: ast.expr) -> bool:
    """`dict((key, value) for ...)`."""
    return (
        isinstance(node, ast.GeneratorExp | ast.ListComp)
        and isinstance(node.elt, ast.Tuple)
        and len(node.elt.elts) == 2
    )


def _pair(node: ast.expr) -> ast.Tuple:
    assert isinstance(node, ast.GeneratorExp | ast.ListComp)
    assert isinstance(node.elt, ast.Tuple)
    return node.elt


def _asked(node: ast.AST) -> Iterator[ast.expr]:
    """What is iterated over, or asked whether it has a key, around an expression."""
    match node:
        case ast.For(iter=each):
            yield each
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield from (each.iter for each in node.generators)
        case ast.Compare(ops=ops, comparators=others):
            for op, other in zip(ops, others, strict=True):
                if isinstance(op, ast.In | ast.NotIn):
                    yield other


def _is_path(key: ast.expr) -> bool:
    """Whether a key is spelt like a path: it starts with a slash, as far as that can be seen."""
    match key:
        case ast.Constant(value=str(path)):
            return path.startswith("/")
        case ast.JoinedStr(values=[ast.Constant(value=str(path)), *_]):
            return path.startswith("/")
        case ast.BinOp(left=left):
            return _is_path(left)
        case ast.Call(func=ast.Attribute(value=ast.Constant() as made)):  # '/{}'.format(name)
            return _is_path(made)
    return True  # a path that is spelt elsewhere
