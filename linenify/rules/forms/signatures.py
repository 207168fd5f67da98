"""Signatures: parameters that leave, and parameters that come."""

from __future__ import annotations

from dataclasses import dataclass, replace

import libcst as cst

from linenify.facts.sites import Curried, MethodSite, ParameterSite, ParamOverride
from linenify.rules.base import Context, Rewrite, TakenParameter
from linenify.syntax.build import code
from linenify.syntax.comments import comments_of
from linenify.syntax.listing import (
    Listing,
    Parameter,
    Slot,
    of_parameters,
    parameters,
    to_parameters,
)

WIDTH = 80


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature after the move, and the parameters that it lost."""

    function: cst.FunctionDef
    taken: dict[str, TakenParameter]


def shortened(
    function: cst.FunctionDef, site: MethodSite, context: Context, receiver: str | None = None
) -> Signature:
    """Takes the hyper-parameters out of a signature and gives it its new name.

    Args:
        function: the method, or the function that becomes one.
        site: what is to happen.
        context: where it stands.
        receiver: a first parameter to add.
    """
    before = of_parameters(function.params, function.whitespace_before_params)
    gone = _gone(before, site)
    taken = {
        slot.item.name.value: _taken(slot.item, slot)
        for slot in before.slots
        if isinstance(slot.item, cst.Param) and slot.item.name.value in site.removed
    }
    silent = frozenset(
        index
        for index, slot in enumerate(before.slots)
        if isinstance(slot.item, cst.Param) and slot.item.name.value in context.consumed
    )
    gone |= _pointless_marks(before, gone)
    slots = tuple(
        _turned_out(slot) if index in gone - silent and isinstance(slot.item, cst.Param) else slot
        for index, slot in enumerate(before.slots)
    )
    listing = replace(before, slots=slots).without(gone, silent)
    if gone and not listing.closing.broken:
        listing = replace(listing, comma=False)
    for name in site.extra:
        listing = _with_extra(listing, name)
    if receiver is not None:
        listing = listing.inserted(0, cst.Param(cst.Name(receiver)))
    old = function.name.value
    shift = len(site.name) - len(old)
    listing = listing.shifted(shift, {" " * len(f"def {old}(")})
    renamed = function.with_changes(name=function.name.with_changes(value=site.name))
    if gone and listing.broken and not listing.comments():
        flat = _with_parameters(renamed, listing.flat())
        if context.indent + len(_header(flat)) <= WIDTH:
            return Signature(flat, taken)
    return Signature(_with_parameters(renamed, listing), taken)


def with_parameter(
    node: cst.FunctionDef | cst.Lambda, site: ParameterSite, context: Context
) -> Rewrite:
    """Adds a parameter to a function or lambda, in front or behind the others.

    def init(key, shape):  ->  def init(key, shape, dtype=jnp.float32):
    """
    template = cst.parse_expression(f"lambda {site.parameter}: 0")
    assert isinstance(template, cst.Lambda)
    items = [_spelt(item, context) for item in parameters(template.params)]
    imports = frozenset(path for _, found in items for path in found)
    before = (
        cst.SimpleWhitespace("") if isinstance(node, cst.Lambda) else node.whitespace_before_params
    )
    listing = of_parameters(node.params, before)
    added = [item for item, _ in items]
    named = not site.first and _must_be_named(added[0], listing)
    if named and not any(isinstance(item, cst.ParamStar) for item in listing.items()):
        added = [cst.ParamStar(), *added]
    for offset, item in enumerate(added):
        after = offset > 0 or (named and len(added) == len(items))
        place = offset if site.first else _end_of_plain(listing, after=after)
        listing = listing.inserted(place, item)
    if isinstance(node, cst.FunctionDef):
        return Rewrite(_with_parameters(node, listing), imports)
    params, _ = to_parameters(listing)
    if isinstance(node.whitespace_after_lambda, cst.MaybeSentinel) or not node.params.params:
        node = node.with_changes(whitespace_after_lambda=cst.SimpleWhitespace(" "))
    return Rewrite(node.with_changes(params=params), imports)


def curry(node: cst.Lambda, site: Curried, context: Context) -> Rewrite:
    """Lets a lambda be constructed like the module classes beside it.

    lambda x, name=None: x  ->  lambda name=None: lambda x: x
    """
    del context
    listing = of_parameters(node.params, cst.SimpleWhitespace(""))
    inner = {
        index
        for index, item in enumerate(listing.items())
        if isinstance(item, cst.Param) and item.name.value in site.inputs
    }
    inputs = listing.without(set(range(len(listing.slots))) - inner, silent=frozenset()).flat()
    others = listing.without(inner).flat()
    returned = cst.Lambda(params=to_parameters(inputs)[0], body=node.body, colon=node.colon)
    space = cst.SimpleWhitespace(" " if others.slots else "")
    made = node.with_changes(
        params=to_parameters(others)[0], body=returned, whitespace_after_lambda=space
    )
    return Rewrite(made)


def reorder_override(function: cst.FunctionDef, site: ParamOverride, context: Context) -> Rewrite:
    """Gives an override of `param` the order of Linen.

    def param(self, name, shape, initializer):
    def param(self, name, initializer, shape, *args):
    """
    del site, context
    listing = of_parameters(function.params, function.whitespace_before_params)
    receiver, name, shape, initializer = listing.items()
    listing = listing.with_items([receiver, name, initializer, shape])
    listing = listing.inserted(len(listing.slots), cst.Param(cst.Name("args"), star="*"))
    return Rewrite(_with_parameters(function, listing))


def _spelt(item: Parameter, context: Context) -> tuple[Parameter, frozenset[str]]:
    """A parameter whose `jnp.` is written as this file writes it."""
    if not isinstance(item, cst.Param) or item.default is None:
        return item, frozenset()
    imports: frozenset[str] = frozenset()
    default = item.default
    if isinstance(default, cst.Attribute) and code(default.value) == "jnp":
        spelling = context.spell(f"jax.numpy.{default.attr.value}")
        default, imports = spelling.node, spelling.imports
    tight = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    return item.with_changes(default=default, equal=tight), imports


def _taken(parameter: cst.Param, slot: Slot[Parameter]) -> TakenParameter:
    above = tuple(line.comment.value for line in slot.gap.lines if line.comment is not None)
    behind = slot.comment.comment.value if slot.comment is not None else None
    return TakenParameter(parameter, above, behind)


def _turned_out(slot: Slot[Parameter]) -> Slot[Parameter]:
    """A slot whose inner comments stand before it, since its parameter goes."""
    inner = [slot.gap.line_of(cst.Comment(text)) for text in comments_of(slot.item)]
    return replace(slot, gap=replace(slot.gap, lines=(*slot.gap.lines, *inner)))


def _gone(listing: Listing[Parameter], site: MethodSite) -> set[int]:
    return {
        index
        for index, item in enumerate(listing.items())
        if isinstance(item, cst.Param)
        and (item.name.value in site.removed or (item.star == "**" and site.removed_kwargs))
    }


def _pointless_marks(listing: Listing[Parameter], gone: set[int]) -> set[int]:
    """`*` with nothing behind it, `/` with nothing before it."""
    left = [(i, item) for i, item in enumerate(listing.items()) if i not in gone]
    found: set[int] = set()
    for place, (index, item) in enumerate(left):
        following = left[place + 1][1] if place + 1 < len(left) else None
        ends = following is None or (isinstance(following, cst.Param) and following.star == "**")
        if (isinstance(item, cst.ParamStar) and ends) or (
            isinstance(item, cst.ParamSlash) and place == 0
        ):
            found.add(index)
    return found


def _with_extra(listing: Listing[Parameter], name: str) -> Listing[Parameter]:
    items = listing.items()
    parameter = cst.Param(cst.Name(name))
    starred = any(_is_star(item) for item in items)
    place = next(
        (i for i, item in enumerate(items) if isinstance(item, cst.Param) and item.star == "**"),
        len(items),
    )
    defaults = any(isinstance(i, cst.Param) and i.default is not None for i in items)
    if defaults and not starred:
        listing = listing.inserted(place, cst.ParamStar())
        place += 1
    return listing.inserted(place, parameter)


def _is_star(item: Parameter) -> bool:
    return isinstance(item, cst.ParamStar) or (isinstance(item, cst.Param) and item.star == "*")


def _must_be_named(item: Parameter, listing: Listing[Parameter]) -> bool:
    """Whether a parameter without a default would stand behind one that has one."""
    if not isinstance(item, cst.Param) or item.default is not None:
        return False
    plain: list[cst.Param] = []
    for each in listing.items():
        if not isinstance(each, cst.Param) or each.star in {"*", "**"}:
            break
        plain.append(each)
    return any(each.default is not None for each in plain)


def _end_of_plain(listing: Listing[Parameter], *, after: bool) -> int:
    """Where a parameter goes that comes last: behind `*args`, and before `**kwargs`."""
    items = listing.items()
    for index, item in enumerate(items):
        if isinstance(item, cst.ParamStar) and not after:
            return index
        if isinstance(item, cst.Param) and item.star == "*" and not after:
            return index + 1
        if isinstance(item, cst.Param) and item.star == "**":
            return index
    return len(items)


def _with_parameters(function: cst.FunctionDef, listing: Listing[Parameter]) -> cst.FunctionDef:
    params, before = to_parameters(listing)
    return function.with_changes(params=params, whitespace_before_params=before)


def _header(function: cst.FunctionDef) -> str:
    bare = function.with_changes(
        body=cst.SimpleStatementSuite([cst.Pass()]),
        decorators=[],
        leading_lines=[],
        lines_after_decorators=[],
    )
    return code(bare).rstrip().removesuffix(" pass").rstrip()
