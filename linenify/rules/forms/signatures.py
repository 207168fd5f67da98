"""Signatures: parameters that leave, and parameters that come."""

from __future__ import annotations

from dataclasses import dataclass, replace

import libcst as cst

from linenify.facts.sites import InitializerSite, MethodSite
from linenify.rules.base import Context, Rewrite, TakenParameter
from linenify.syntax.build import code
from linenify.syntax.listing import Gap, Listing, Parameter, of_parameters, to_parameters

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
        name: TakenParameter(slot.item, *_comments(slot.comments(), slot.comment is not None))
        for index, slot in enumerate(before.slots)
        if index in gone
        and isinstance(slot.item, cst.Param)
        and (name := slot.item.name.value) in site.removed
    }
    silent = frozenset(
        index
        for index, slot in enumerate(before.slots)
        if isinstance(slot.item, cst.Param) and slot.item.name.value in context.consumed
    )
    gone |= _pointless_marks(before, gone)
    listing = before.without(gone, silent)
    if gone and not listing.closing.broken:
        listing = replace(listing, comma=False)
    for name in site.extra:
        listing = _with_extra(listing, name)
    if receiver is not None:
        listing = listing.inserted(0, cst.Param(cst.Name(receiver)))
    old = function.name.value
    listing = _realigned(listing, len(site.name) - len(old), len(f"def {old}("))
    renamed = function.with_changes(name=function.name.with_changes(value=site.name))
    if gone and listing.broken and not listing.comments():
        flat = _with_parameters(renamed, listing.flat())
        if context.indent + len(_header(flat)) <= WIDTH:
            return Signature(flat, taken)
    return Signature(_with_parameters(renamed, listing), taken)


def extend_initializer(
    node: cst.FunctionDef | cst.Lambda, site: InitializerSite, context: Context
) -> Rewrite:
    """Lets an initialiser take the dtype that Linen layers pass."""
    template = cst.parse_expression(f"lambda {site.parameter}: 0")
    assert isinstance(template, cst.Lambda)
    (parameter,) = template.params.params
    imports: frozenset[str] = frozenset()
    default = parameter.default
    if isinstance(default, cst.Attribute) and code(default.value) == "jnp":
        spelling = context.spell(f"jax.numpy.{default.attr.value}")
        parameter = parameter.with_changes(default=spelling.node)
        imports = spelling.imports
    parameter = parameter.with_changes(
        equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    )
    if isinstance(node, cst.Lambda):
        listing = of_parameters(node.params, cst.SimpleWhitespace(""))
        params, _ = to_parameters(listing.inserted(_end_of_plain(listing), parameter))
        return Rewrite(node.with_changes(params=params), imports)
    listing = of_parameters(node.params, node.whitespace_before_params)
    return Rewrite(
        _with_parameters(node, listing.inserted(_end_of_plain(listing), parameter)), imports
    )


def _comments(found: tuple[cst.Comment, ...], last_is_behind: bool) -> tuple[tuple[str, ...], str | None]:  # noqa: E501, FBT001
    texts = tuple(comment.value for comment in found)
    return (texts[:-1], texts[-1]) if last_is_behind else (texts, None)


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


def _end_of_plain(listing: Listing[Parameter]) -> int:
    items = listing.items()
    return next(
        (
            index
            for index, item in enumerate(items)
            if isinstance(item, cst.ParamStar) or (isinstance(item, cst.Param) and item.star in {"*", "**"})
        ),
        len(items),
    )


def _realigned(listing: Listing[Parameter], shift: int, column: int) -> Listing[Parameter]:
    """Moves lines that were aligned with the opening parenthesis along with it."""

    def moved(gap: Gap) -> Gap:
        if gap.broken and gap.indented and gap.last == " " * column:
            return replace(gap, last=" " * (column + shift))
        return gap

    slots = tuple(replace(slot, gap=moved(slot.gap)) for slot in listing.slots)
    return replace(listing, slots=slots)


def _with_parameters(
    function: cst.FunctionDef, listing: Listing[Parameter]
) -> cst.FunctionDef:
    params, before = to_parameters(listing)
    return function.with_changes(params=params, whitespace_before_params=before)


def _header(function: cst.FunctionDef) -> str:
    bare = function.with_changes(
        body=cst.SimpleStatementSuite([cst.Pass()]), decorators=[], leading_lines=[],
        lines_after_decorators=[],
    )
    return code(bare).rstrip().removesuffix(" pass").rstrip()
