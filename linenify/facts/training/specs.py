"""The specs of `init_by_shape`: arrays of ones in their place."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import replace

from linenify.facts.ask.arguments import text
from linenify.facts.deciding.plan import Plan
from linenify.facts.deciding.rendering import repeated_or_unclear
from linenify.facts.deciding.support import require
from linenify.facts.flow.kinds import (
    Atom,
    Container,
    External,
    Module,
    Parameter,
    Static,
    Value,
    known,
)
from linenify.facts.legacy import arrays
from linenify.facts.legacy.snippets import ONES
from linenify.facts.modules.modulecalls import split
from linenify.facts.sites import Added, Argument, Given, ModuleCall, Unclear, one_of
from linenify.project.source import Source

_HOLE = re.compile(r"\{(\d+)\}")


def reduced(
    plan: Plan, call: ast.Call, args: list[ast.expr], keywords: list[ast.keyword]
) -> ast.Call:
    """The call of the module that `init` and `call` make, in the place of `call`."""
    made = ast.copy_location(ast.Call(call.func, args, keywords), call)
    plan.parents[made] = plan.parents[call]
    return made


def shifted(argument: Argument, by: int) -> Argument:
    """An argument of the reduced call, as one of the whole call."""
    if isinstance(argument, Given):
        return replace(argument, index=argument.index + by)
    moved = _HOLE.sub(lambda match: "{%d}" % (int(match[1]) + by), argument.code)
    return replace(argument, code=moved)


def by_shape_of(
    plan: Plan, source: Source, call: ast.Call, found: Sequence[Module]
) -> tuple[tuple[Argument, ...], tuple[Argument, ...]]:
    """Which arguments make the instance, and which run it.

    Raises:
        Unclear: LN690 where the specs are not known; LN390 where classes disagree.
    """
    given = {k.arg: k for k in call.keywords}
    named = given.get("input_specs")
    if (len(call.args) < 2) is (named is None):
        raise Unclear("LN690", f"`{text(call.func)}` gets its specs in another way")
    specs = named.value if named is not None else call.args[1]
    more = call.args[2:]  # arguments behind those that the specs stand for
    rest = [k for k in call.keywords if k is not named]
    if named is not None and call.keywords[0] is not named:
        raise Unclear("LN690", f"`{text(call.func)}` gets its specs in another way")
    if isinstance(specs, ast.List | ast.Tuple):
        ones = [_ones(plan, source, spec) for spec in specs.elts]
        if more:
            return _with_specs(plan, source, call, found, specs.elts, ones)
    else:
        ones = [_ones_of_all(plan, source, specs)]
        if more:
            raise Unclear("LN690", f"`{text(call.func)}` gets its specs in another way")
    site = agreed(plan, source, reduced(plan, call, [], rest), found)
    construct = tuple(shifted(a, 2) for a in site.construct or ())
    inputs = tuple(shifted(a, 2) for a in site.call)
    return construct, (*(Added(None, each) for each in ones), *inputs)


def _with_specs(
    plan: Plan,
    source: Source,
    call: ast.Call,
    found: Sequence[Module],
    specs: Sequence[ast.expr],
    ones: Sequence[str],
) -> tuple[tuple[Argument, ...], tuple[Argument, ...]]:
    """What is given by position behind the specs fills the parameters behind theirs."""
    whole = [*specs, *call.args[2:]]
    if any(isinstance(a, ast.Starred) for a in whole):
        raise Unclear("LN690", f"`{text(call.func)}` gets its specs in another way")
    site = agreed(plan, source, reduced(plan, call, whole, call.keywords), found)

    def placed(argument: Argument) -> Argument:
        if isinstance(argument, Given) and argument.index < len(specs):
            return Added(argument.keyword, ones[argument.index])
        return shifted(argument, 2 - len(specs))

    fields = site.construct or ()
    if any(isinstance(a, Given) and a.index < len(specs) for a in fields):
        raise Unclear("LN690", f"a spec of `{text(call.func)}` is a hyper-parameter")
    return tuple(map(placed, fields)), tuple(map(placed, site.call))


def agreed(plan: Plan, source: Source, call: ast.Call, found: Sequence[Module]) -> ModuleCall:
    """What a call becomes, when all module classes that it may be of agree."""
    site = one_of(split(plan, source, call, module) for module in found)
    if site is None:
        why = f"`{text(call.func)}` may be classes with different arguments"
        raise Unclear("LN390", why, about=call.func)
    return site


def _ones(plan: Plan, source: Source, spec: ast.expr) -> str:
    """An array for one spec: `(shape, dtype)`, or a bare shape."""
    match spec:
        case ast.Tuple(elts=[shape, dtype]) if isinstance(shape, ast.Tuple) or _is_dtype(
            plan, dtype
        ):
            written = _repeated(plan, source, shape), _repeated(plan, source, dtype)
            return "{jnp}.ones(%s, %s)" % written
        case ast.Tuple(elts=elements) if len(elements) != 2 or any(
            _is_size(plan, e) for e in elements
        ):
            return "{jnp}.ones(%s)" % _repeated(plan, source, spec)
    value = known(plan.flow.values.get(spec, frozenset()))
    shaped = isinstance(spec, ast.Attribute) and spec.attr == "shape"
    if shaped or _is_shape(plan, value):
        return "{jnp}.ones(%s)" % _repeated(plan, source, spec)
    if _is_pair(plan, value):
        return "{jnp}.ones(*%s)" % _repeated(plan, source, spec)
    if _is_opaque(value):
        require(plan, source, [ONES], "LN690")
        return "%s(%s)" % (ONES, _repeated(plan, source, spec))
    raise Unclear("LN690", "a spec of `init_by_shape` is not spelled out")


def _ones_of_all(plan: Plan, source: Source, specs: ast.expr) -> str:
    value = plan.flow.values.get(specs, frozenset())
    items = known(plan.flow.iterate(frozenset(a for a in value if isinstance(a, Container))))
    if _is_pair(plan, items):
        return "*({jnp}.ones(*spec) for spec in %s)" % _repeated(plan, source, specs)
    if _is_shape(plan, items):
        return "*({jnp}.ones(shape) for shape in %s)" % _repeated(plan, source, specs)
    if _is_opaque(items) and _is_opaque(value):
        require(plan, source, [ONES], "LN690")
        return "*map(%s, %s)" % (ONES, _repeated(plan, source, specs))
    raise Unclear("LN690", f"the specs `{text(specs)}` are not spelled out")


def _is_opaque(value: Value) -> bool:
    """Whether nothing says what a spec is, but that no legacy object is among it."""
    plain = (Container, Parameter, Static, External)
    return all(isinstance(atom, plain) for atom in value)


def _repeated(plan: Plan, source: Source, node: ast.expr) -> str:
    return repeated_or_unclear(plan, source, node, "LN690")


def _is_shape(plan: Plan, value: Value) -> bool:
    """Whether a value can only be the lengths of the axes."""

    def holds_lengths(atom: Atom) -> bool:
        if isinstance(atom, Static):
            return atom.type == "shape"
        if not isinstance(atom, Container):
            return False
        if isinstance(atom.node, ast.Tuple) and _is_no_pair(atom.node):
            return True
        items = known(plan.flow.iterate(frozenset({atom})))
        return bool(items) and all(isinstance(i, Static) and i.type == "int" for i in items)

    return bool(value) and all(map(holds_lengths, value))


def _is_no_pair(display: ast.Tuple) -> bool:
    """Whether a tuple has another length than one of shape and dtype has."""
    splat = any(isinstance(each, ast.Starred) for each in display.elts)
    return not splat and len(display.elts) != 2


def _is_pair(plan: Plan, value: Value) -> bool:
    """Whether a value can only be a pair of shape and dtype."""
    held = [a for a in value if isinstance(a, Container)]
    if not held or len(held) < len(value):
        return False
    return all(_dtypes(plan.flow.item(frozenset({each}), 1)) for each in held)


def _is_size(plan: Plan, node: ast.expr) -> bool:
    """Whether an element of a spec is the length of an axis."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int)
    value = plan.flow.values.get(node, frozenset())
    return bool(value) and all(isinstance(a, Static) and a.type == "int" for a in value)


def _is_dtype(plan: Plan, node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute) and node.attr == "dtype":
        return True
    return _dtypes(plan.flow.values.get(node, frozenset()))


def _dtypes(value: Value) -> bool:
    return any(
        (isinstance(a, External) and arrays.constant(a.path) == "dtype")
        or (isinstance(a, Static) and a.type == "dtype")
        for a in value
    )
