"""Calls: the arguments of one call become those of two, or change places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import libcst as cst

from linenify.facts.sites import Added, Argument, Bind, Given, ModuleCall, Reordered, Reshaped
from linenify.rules.base import Context, Holes, Rewrite
from linenify.syntax.build import (
    argument_value,
    atomic,
    code,
    expression,
    from_template,
    is_atomic,
    parenthesized,
    standing_alone,
    statement_from_template,
    with_parentheses_of,
)
from linenify.syntax.layout import Place, laid_out
from linenify.syntax.listing import SPACE, Listing, Slot, of_arguments, with_arguments, wrapped_call


def split_call(call: cst.Call, site: ModuleCall, context: Context) -> Rewrite:
    """Constructs a module, then calls it.

    nn.Dense(x, 10)  ->  nn.Dense(10)(x)
    """
    parts = _Parts(call, context)
    if site.construct is None:
        listing, imports = parts.arranged(site.call)
        func, more = parts.callee(call.func, site.callee)
        if site.wrap is not None:
            around, needed = context.spelt(site.wrap)
            func, more = from_template(around, context.holes({"func": func})), more | needed
        bare = call.with_changes(func=func, lpar=[], rpar=[])
        node = with_arguments(bare, parts.aligned(listing, func))
        if any(isinstance(each, Added) for each in site.call):
            node = _wrapped(node, context.place(context.original)[1] + site.shift, context)
        return _placed(node, call, site, context, imports | more)
    construct = _named(site.construct, site, parts)
    if site.child is not None:
        construct = tuple(a for a in construct if not parts.names_module(a))
    listing, imports = parts.arranged(construct)
    given, more = parts.inputs(site.call)
    written = call.func
    if site.method is not None:
        assert isinstance(written, cst.Attribute)
        written = written.value
    func, most = parts.callee(written, site.callee)
    imports = imports | more | most
    original = context.original
    head = original.func if isinstance(original, cst.Call) else original
    if site.method is not None and isinstance(head, cst.Attribute):
        head = head.value
    if _is_partial(head, context):
        func, listing = _unfolded(func, listing)
    bare = call.with_changes(func=func, lpar=[], rpar=[])
    instance: cst.BaseExpression = with_arguments(bare, parts.aligned(_closed(listing), func))
    children: tuple[tuple[str, cst.BaseExpression], ...] = ()
    if site.child is not None:
        children = ((site.child, instance),)
        instance = expression(f"{site.receiver}.{site.child}")
    if site.method is not None:
        assert isinstance(call.func, cst.Attribute)
        instance = call.func.with_changes(value=instance, attr=cst.Name(site.method))
    if site.wrap is not None:
        around, more = context.spelt(site.wrap)
        imports |= more
        instance = from_template(around, context.holes({"func": instance}))
    outer = cst.Call(func=instance)
    node = with_arguments(outer, given)
    if site.name is not None or any(isinstance(each, Added) for each in site.call):
        step = "" if listing.closing.broken else "    "
        broken = [slot.gap.last + step for slot in listing.slots if slot.gap.broken]
        node = _wrapped(node, context.place(original)[1], context, broken)
    return _placed(node, call, site, context, imports, children)


def _placed(
    node: cst.Call,
    call: cst.Call,
    site: ModuleCall,
    context: Context,
    imports: frozenset[str],
    children: tuple[tuple[str, cst.BaseExpression], ...] = (),
) -> Rewrite:
    """A finished call, with what goes around it and before it."""
    holes = _holes(call, context) | {"result": node}
    before, more = statements(site.before, holes, context)
    imports |= more
    if site.after is None:
        made = node.with_changes(lpar=call.lpar, rpar=call.rpar)
        return Rewrite(made, imports, children=children, before=before)
    template, more = context.spelt(site.after)
    around = from_template(template, holes)
    imports |= more | _needed([site.after], context)
    return Rewrite(with_parentheses_of(around, call), imports, children=children, before=before)


def statements(
    templates: Iterable[str], holes: Mapping[str, cst.BaseExpression], context: Context
) -> tuple[tuple[cst.SimpleStatementLine, ...], frozenset[str]]:
    """Statements from templates, and what they need to be imported."""
    imports: frozenset[str] = frozenset()
    made: list[cst.SimpleStatementLine] = []
    for template in templates:
        text, more = context.spelt(template)
        imports |= more
        made.append(statement_from_template(text, context.holes(holes)))
    return tuple(made), imports


def bind(call: cst.Call, site: Bind, context: Context) -> Rewrite:
    """Binds arguments to a module class, or makes an instance.

    nn.Dense.partial(bias=False)  ->  functools.partial(nn.Dense, use_bias=False)
    nn.Dense.shared(features=3)   ->  nn.Dense(features=3)
    """
    parts = _Parts(call, context)
    owner = call.func.value if isinstance(call.func, cst.Attribute) else call.func
    owner, imports = parts.callee(owner, site.callee)
    arguments = _named(site.arguments, site, parts)
    if site.child is not None:
        arguments = tuple(a for a in arguments if not parts.names_module(a))
    listing, more = parts.arranged(arguments)
    imports = imports | more
    if _is_partial(_owner(context.original), context):
        owner, listing = _unfolded(owner, listing)
    bare = call.with_changes(lpar=[], rpar=[])
    if site.instance:
        func = atomic(owner)
        node = with_arguments(bare.with_changes(func=func), parts.aligned(_closed(listing), func))
        if site.name is not None:
            node = _wrapped(node, context.place(context.original)[1], context)
    elif not listing.slots and isinstance(call.func, cst.Attribute) and not site.static:
        # Call arguments alone were bound, and they travel to the calls.
        return Rewrite(with_parentheses_of(_unwrapped(owner), call), imports)
    else:
        partial = context.spell("functools.partial")
        imports = imports | partial.imports
        listing = listing.inserted(0, cst.Arg(_unwrapped(owner)))
        listing = parts.aligned(listing, partial.node)
        node = with_arguments(bare.with_changes(func=partial.node), listing)
        if site.static:
            node = cst.Call(cst.Name("staticmethod"), [cst.Arg(node)])
    if site.child is not None:
        made = node
        child = with_parentheses_of(expression(f"self.{site.child}"), call)
        return Rewrite(child, imports, children=((site.child, made),))
    return Rewrite(with_parentheses_of(node, call), imports)


def reorder(call: cst.Call, site: Reordered, context: Context) -> Rewrite:
    """Moves values between the slots of one call.

    self.param('k', (3,), ones)  ->  self.param('k', ones, (3,))
    """
    listing, imports = _Parts(call, context).arranged(site.arguments)
    func = call.func
    if site.attribute is not None:
        name = cst.Name(site.attribute)
        if isinstance(func, cst.Attribute):
            func = func.with_changes(attr=name)
        else:
            func = with_parentheses_of(name, func)
    before, more = statements(site.before, _holes(call, context), context)
    made = with_arguments(call.with_changes(func=func), listing)
    return Rewrite(made, imports | more, before=before)


def reshape(call: cst.Call, site: Reshaped, context: Context) -> Rewrite:
    """Writes a call anew from its parts."""
    holes = _holes(call, context)
    template, spelt = context.spelt(site.template)
    whole = template.startswith("{") and holes.get(template[1:-1])  # `{0}` and nothing else
    made = whole or from_template(template, holes)
    imports = frozenset(site.imports) | _needed([site.template], context) | spelt
    before, more = statements(site.before, holes, context)
    imports |= more
    node: cst.BaseExpression = made
    if not context.nested:
        step = "\t" if context.step == "\t" else "    "
        column = context.place(context.original)[1]
        node = laid_out(made, Place(column, context.indent, step, context.hanging + step))
    if call.lpar:
        node = with_parentheses_of(node, call)
    elif is_atomic(node) or context.alone:
        node = standing_alone(node)
    else:
        node = parenthesized(node)
    return Rewrite(node, imports, before=before)


def _named(
    arguments: tuple[Argument, ...], site: ModuleCall | Bind, parts: _Parts
) -> tuple[Argument, ...]:
    """The arguments of a constructor, with the name that the module is to have."""
    if site.name is None:
        return arguments
    others = tuple(each for each in arguments if not parts.names_module(each))
    return (*others, Added("name", site.name))


# --- arguments -------------------------------------------------------------------------------


class _Parts:
    """The arguments of one call, as sites count them: positional ones first."""

    def __init__(self, call: cst.Call, context: Context) -> None:
        self._context = context
        self._listing = of_arguments(call)
        self._args = self._listing.items()
        self._places = argument_order(self._args)
        self._holes = _holes(call, context)

    def arranged(self, wanted: Sequence[Argument]) -> tuple[Listing[cst.Arg], frozenset[str]]:
        """The list with the wanted arguments only, in their order."""
        seen: set[int] = set()
        entries: list[tuple[bool, cst.Arg]] = []
        for each in wanted:
            moves = isinstance(each, Given) and each.index not in seen
            if isinstance(each, Given):
                seen.add(each.index)
            entries.append((moves, self._argument(each)))
        kept = {self._places[index] for index in seen}
        listing = self._listing.without(set(range(len(self._args))) - kept)
        listing = listing.with_items([arg for moves, arg in entries if moves])
        for place, (moves, arg) in enumerate(entries):
            if not moves:
                listing = listing.inserted(place, arg)
        return listing, self._imports(wanted)

    def inputs(self, wanted: Sequence[Argument]) -> tuple[Listing[cst.Arg], frozenset[str]]:
        """The wanted arguments on one line, or where they stood if they need lines.

        nn.Dense(            nn.Dense(8)(
            nn.relu(             nn.relu(
                x),    ->            x),
            8,               )
        )
        """
        args = [self._argument(each) for each in wanted]
        listing = Listing(tuple(Slot(arg) for arg in args)).flat()
        given = [each.index for each in wanted if isinstance(each, Given)]
        slots = [self._listing.slots[self._places[index]] for index in given]
        if len(args) == len(slots) and any(
            slot.gap.broken and "\n" in code(arg.value)
            for slot, arg in zip(slots, args, strict=True)
        ):
            gap = replace(next(s.gap for s in slots if s.gap.broken), lines=())
            closing = replace(self._listing.closing, lines=())
            listing = Listing(
                tuple(Slot(arg, gap) for arg in args),
                closing=closing,
                comma=self._listing.comma and closing.broken and len(args) > 1,
            )
        return listing, self._imports(wanted)

    def callee(
        self, written: cst.BaseExpression, path: str | None
    ) -> tuple[cst.BaseExpression, frozenset[str]]:
        """The callee as written, or the one that takes its place."""
        if path is None:
            return written, frozenset()
        if "{" in path or "(" in path:
            text, imports = self._context.spelt(path)
            return with_parentheses_of(from_template(text, self._holes), written), imports
        spelling = self._context.spell(path)
        return with_parentheses_of(spelling.node, written), spelling.imports

    def aligned(self, listing: Listing[cst.Arg], func: cst.BaseExpression) -> Listing[cst.Arg]:
        """Moves arguments that were aligned with the parenthesis along with it."""
        call = self._context.original
        assert isinstance(call, cst.Call)
        old, new = code(call.func), code(func)
        if "\n" in old + new:
            return listing
        column = self._context.place(call)[1] + len(old) + 1
        broken = {
            slot.gap.last
            for slot, arg in zip(self._listing.slots, call.args, strict=True)
            if slot.gap.broken and self._context.place(arg)[1] == column
        }
        return listing.shifted(len(new) - len(old), broken)

    def names_module(self, argument: Argument) -> bool:
        """Whether an argument is the `name=` of a module."""
        if isinstance(argument, Added) or argument.keyword is not None:
            return argument.keyword == "name"
        keyword = self._args[self._places[argument.index]].keyword
        return keyword is not None and keyword.value == "name"

    def _argument(self, wanted: Argument) -> cst.Arg:
        if isinstance(wanted, Added):
            value = from_template(self._context.spelt(wanted.code)[0], self._holes)
            return _with_keyword(cst.Arg(value), wanted.keyword)
        arg = self._args[self._places[wanted.index]]
        if arg.star:
            return arg
        bare = arg.with_changes(value=argument_value(arg))
        return _with_keyword(bare, wanted.keyword)

    def _imports(self, wanted: Iterable[Argument]) -> frozenset[str]:
        codes = [a.code for a in wanted if isinstance(a, Added)]
        spelt = frozenset(path for code in codes for path in self._context.spelt(code)[1])
        return _needed(codes, self._context) | spelt


def _needed(templates: Iterable[str], context: Context) -> frozenset[str]:
    """What the names in templates have to be imported as."""
    names = {"{linen}": "flax.linen", "{jnp}": "jax.numpy"}
    return frozenset(
        path
        for template in templates
        for mark, name in names.items()
        if mark in template
        for path in context.spell(name).imports
    )


def argument_order(args: Sequence[cst.Arg]) -> list[int]:
    """Places in the source by index in the facts.

    The stdlib tree keeps `*rest` with the positional arguments even where it
    is written behind a keyword.
    """
    return sorted(
        range(len(args)), key=lambda i: args[i].keyword is not None or args[i].star == "**"
    )


def _with_keyword(arg: cst.Arg, keyword: str | None) -> cst.Arg:
    if keyword is None:
        return arg.with_changes(keyword=None, equal=cst.MaybeSentinel.DEFAULT)
    if arg.keyword is not None:
        return arg.with_changes(keyword=cst.Name(keyword))
    return arg.with_changes(
        keyword=cst.Name(keyword),
        equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
    )


def _holes(call: cst.Call, context: Context) -> Holes:
    order = argument_order(call.args)
    holes = context.holes(
        {str(i): argument_value(call.args[place]) for i, place in enumerate(order)}
    )
    for place, value in list(holes.items()):
        if isinstance(value, cst.Subscript):  # what stands between its brackets
            holes[f"{place}_index"] = value
        if isinstance(value, cst.Tuple):
            holes.update({f"{place}_{i}": each.value for i, each in enumerate(value.elements)})
    holes["func"] = call.func
    holes["owner"] = call.func.value if isinstance(call.func, cst.Attribute) else call.func
    holes["linen"] = expression(context.linen)
    holes["jnp"] = context.spell("jax.numpy").node
    return holes


def _wrapped(call: cst.Call, column: int, context: Context, broken: Sequence[str] = ()) -> cst.Call:
    """Breaks the last arguments of generated code that is too long for one line."""
    step = "\t" if context.step == "\t" else "    "
    last = broken[-1] if broken else context.hanging + step
    func = call.func
    if isinstance(func, cst.Call) and "\n" not in code(func):
        func = wrapped_call(func, column, context.indent, last, step)
        last = last + step if "\n" in code(func) else last
    text = code(func)
    if "\n" not in text:
        return wrapped_call(call, column, context.indent, last, step)
    # The constructor has several lines; what counts is how long its last one gets.
    bare = call.with_changes(func=cst.Name("_" * len(text.rpartition("\n")[2])))
    made = wrapped_call(bare, context.indent, context.indent, last, step)
    return made.with_changes(func=func)


def _closed(listing: Listing[cst.Arg]) -> Listing[cst.Arg]:
    """Nothing between the parentheses where no argument and no comment is left."""
    return listing if listing.slots or listing.comments() else Listing(())


# --- partials of partials --------------------------------------------------------------------


def _owner(call: cst.CSTNode) -> cst.CSTNode:
    if isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute):
        return call.func.value
    return call


def _is_partial(node: cst.CSTNode, context: Context) -> bool:
    site = context.site(node)
    return isinstance(site, Bind) and not site.instance and site.child is None


def _unfolded(
    func: cst.BaseExpression, listing: Listing[cst.Arg]
) -> tuple[cst.BaseExpression, Listing[cst.Arg]]:
    """Joins the arguments of `functools.partial(M, ...)` with those that follow.

    functools.partial(M, a=1), (b=2)  ->  M, (a=1, b=2)
    """
    if not isinstance(func, cst.Call) or not func.args:
        return func, listing
    inner = of_arguments(func)
    first, *bound = inner.slots
    slots = [*bound, *listing.slots]
    names = [slot.item.keyword.value if slot.item.keyword else None for slot in slots]
    if None in names or len(set(names)) < len(names) or any(slot.item.star for slot in slots):
        return func, listing
    if first.comment is not None or inner.closing.lines:
        return func, listing
    gaps = [slot.gap if slot.gap.broken else SPACE for slot in slots]
    gaps[:1] = [first.gap]
    comments = [slot.comment for slot in slots]
    opening = inner.opening
    if listing.opening is not None and bound:  # partial(M, a=1)(  # why
        if comments[len(bound) - 1] is not None:
            return func, listing
        comments[len(bound) - 1] = listing.opening
    elif listing.opening is not None:
        if opening is not None:
            return func, listing
        opening = listing.opening
    joined = tuple(
        replace(slot, gap=gap, comment=comment)
        for slot, gap, comment in zip(slots, gaps, comments, strict=True)
    )
    return first.item.value, replace(listing, slots=joined, opening=opening)


def _unwrapped(node: cst.BaseExpression) -> cst.BaseExpression:
    return node.with_changes(lpar=[], rpar=[]) if len(node.lpar) == 1 else node
