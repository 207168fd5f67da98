"""Lists in parentheses: arguments and parameters with their commas and comments.

The comma belongs to the slot, not to the value:

    Dense(x,  # wide
          4)

so a list is taken apart into slots, values move between them, and it is put
together again.  A comment stays with its slot; the comment of a slot that goes
stays at its place, on a line of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import libcst as cst

from linenify.syntax.build import code

WIDTH = 88

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Gap:
    """What stands before an item, after the comment that ends the line before.

    Attributes:
        lines: lines of their own: comments and empty lines.
        broken: whether the item starts a line.
        indented: whether the indentation of the block comes before `last`.
        last: the whitespace directly before the item.
    """

    lines: tuple[cst.EmptyLine, ...] = ()
    broken: bool = False
    indented: bool = True
    last: str = ""

    def comment_lines(self) -> tuple[cst.EmptyLine, ...]:
        """Its lines without the empty ones."""
        return tuple(line for line in self.lines if line.comment is not None)

    def line_of(self, comment: cst.Comment) -> cst.EmptyLine:
        """A line of its own for a comment, where the item of this gap stands."""
        return cst.EmptyLine(
            indent=self.indented, whitespace=cst.SimpleWhitespace(self.last), comment=comment
        )


NARROW = Gap()
SPACE = Gap(last=" ")


@dataclass(frozen=True, slots=True)
class EndComment:
    """A comment behind an item, on its line."""

    space: str
    comment: cst.Comment


@dataclass(frozen=True, slots=True)
class Slot(Generic[Item]):
    """One item, the gap before it and the comment behind it."""

    item: Item
    gap: Gap = NARROW
    comment: EndComment | None = None

    def comments(self) -> tuple[cst.Comment, ...]:
        """The comments before and behind the item, in order."""
        before = tuple(line.comment for line in self.gap.lines if line.comment is not None)
        return before if self.comment is None else (*before, self.comment.comment)


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """Slots between an opening and a closing parenthesis.

    Attributes:
        opening: the comment behind the opening parenthesis.
        slots: the items, without their commas.
        closing: what stands before the closing parenthesis.
        comma: whether a comma follows the last item.
    """

    slots: tuple[Slot[Item], ...]
    opening: EndComment | None = None
    closing: Gap = NARROW
    comma: bool = False

    @property
    def broken(self) -> bool:
        """Whether it takes more than one line, values aside."""
        return self.closing.broken or any(slot.gap.broken for slot in self.slots)

    def comments(self) -> tuple[cst.Comment, ...]:
        """All comments between the items."""
        found = () if self.opening is None else (self.opening.comment,)
        inner = tuple(c for slot in self.slots for c in slot.comments())
        return (*found, *inner, *(e.comment for e in self.closing.lines if e.comment is not None))

    def items(self) -> tuple[Item, ...]:
        """The items alone."""
        return tuple(slot.item for slot in self.slots)

    def without(self, gone: set[int], silent: frozenset[int] = frozenset()) -> Listing[Item]:
        """Removes slots; comments stay, unless the slot is in `silent`.

        f(x,  # input          f(  # input
          4)                     4)
        """
        slots: list[Slot[Item]] = []
        opening, pending = self.opening, _Pending()
        for index, slot in enumerate(self.slots):
            if index in gone:
                pending.drop(slot, keep=index not in silent)
                continue
            gap = slot.gap
            if pending.dropped:
                if not slots and opening is None:
                    opening = pending.behind_opening()
                gap = pending.merged(gap, first=not slots)
            slots.append(replace(slot, gap=gap))
            pending = _Pending()
        closing = self.closing
        if pending.dropped and pending.comments:
            closing = pending.at_close(closing)
        elif not slots and not self.closing.lines and opening is None:
            closing = NARROW
        return replace(
            self,
            slots=tuple(slots),
            opening=opening,
            closing=closing,
            comma=self.comma and bool(slots),
        )

    def with_items(self, items: Sequence[Item]) -> Listing[Item]:
        """Puts other items into the same slots."""
        filled = tuple(replace(s, item=i) for s, i in zip(self.slots, items, strict=True))
        return replace(self, slots=filled)

    def inserted(self, place: int, item: Item) -> Listing[Item]:
        """Adds a slot; it starts a line of its own where its neighbours do."""
        slots = list(self.slots)
        if not slots:
            gap = self.closing if self.closing.broken and self.closing.lines else NARROW
            return replace(self, slots=(Slot(item, replace(gap, lines=())),))
        if place == 0:
            first = slots[0]
            slots[0] = replace(first, gap=first.gap if first.gap.broken else SPACE)
            slots.insert(0, Slot(item, replace(first.gap, lines=())))
        else:
            before = slots[place - 1]
            gap = replace(before.gap, lines=()) if before.gap.broken else SPACE
            # A comment behind the item before ends its line.
            if before.comment is not None and not gap.broken:
                gap = self._line_start(place)
            slots.insert(place, Slot(item, gap))
        return replace(self, slots=tuple(slots))

    def _line_start(self, place: int) -> Gap:
        for slot in (*self.slots[place:], *reversed(self.slots[:place])):
            if slot.gap.broken:
                return replace(slot.gap, lines=())
        return Gap(broken=True, last="    ")

    def shifted(self, by: int, indents: Collection[str]) -> Listing[Item]:
        """Moves the lines that start with one of `indents`."""

        def moved(gap: Gap) -> Gap:
            if not gap.broken or gap.last not in indents:
                return gap
            last = gap.last + " " * by if by >= 0 else gap.last[: max(len(gap.last) + by, 0)]
            space = cst.SimpleWhitespace(last)
            lines = tuple(
                line.with_changes(whitespace=space) if line.comment is not None else line
                for line in gap.lines
            )
            return replace(gap, last=last, lines=lines)

        if not by or not indents:
            return self
        slots = tuple(replace(slot, gap=moved(slot.gap)) for slot in self.slots)
        return replace(self, slots=slots, closing=moved(self.closing))

    def flat(self) -> Listing[Item]:
        """Everything on one line."""
        slots = tuple(
            Slot(slot.item, SPACE if index else NARROW) for index, slot in enumerate(self.slots)
        )
        return Listing(slots)


@dataclass(slots=True)
class _Pending:
    """Slots that went, whose comments and line break the next one inherits."""

    gaps: list[Gap] = field(default_factory=list)
    comments: list[cst.EmptyLine] = field(default_factory=list)
    dropped: bool = False
    behind_first: EndComment | None = None

    def drop(self, slot: Slot[Item], *, keep: bool) -> None:
        if keep and not self.dropped and not slot.gap.lines:
            self.behind_first = slot.comment
        self.dropped = True
        self.gaps.append(slot.gap)
        if keep:
            self.comments.extend(slot.gap.comment_lines())
            if slot.comment is not None:
                self.comments.append(slot.gap.line_of(slot.comment.comment))

    def behind_opening(self) -> EndComment | None:
        """The comment behind the first item, which now follows the parenthesis."""
        if self.behind_first is not None:
            self.comments = self.comments[1:]
        return self.behind_first

    def merged(self, gap: Gap, *, first: bool) -> Gap:
        """The gap of the next slot that stays.

        The first item goes where the first item stood; further on, it starts
        a line if anything did that has gone since the last item that stays.
        """
        broken = [each for each in self.gaps if each.broken]
        lines = (*self.comments, *gap.lines)
        if first:
            base = self.gaps[0]
            if not base.broken and (lines or self.behind_first is not None):
                base = gap if gap.broken else Gap(broken=True, last="    ")
        elif gap.broken:
            base = gap
        elif broken:
            base = broken[0]
        else:
            base = gap if not lines else Gap(broken=True, last="    ")
        return replace(base, lines=_aligned(lines, base))

    def at_close(self, closing: Gap) -> Gap:
        broken = [each for each in self.gaps if each.broken]
        base = broken[-1] if broken else Gap(broken=True, last="    ")
        lines = (*_aligned(tuple(self.comments), base), *closing.lines)
        if closing.broken:
            return replace(closing, lines=lines)
        return replace(base, lines=lines)


def _aligned(lines: tuple[cst.EmptyLine, ...], gap: Gap) -> tuple[cst.EmptyLine, ...]:
    space = cst.SimpleWhitespace(gap.last)
    return tuple(
        line.with_changes(indent=gap.indented, whitespace=space) if line.comment else line
        for line in lines
    )


# --- from and to libcst ----------------------------------------------------------------------


def of_arguments(call: cst.Call) -> Listing[cst.Arg]:
    """Takes the arguments of a call apart."""
    return _taken(
        call.whitespace_before_args,
        [(arg.with_changes(comma=cst.MaybeSentinel.DEFAULT), arg.comma) for arg in call.args],
        call.args[-1].whitespace_after_arg if call.args else None,
    )


def wrapped_call(call: cst.Call, column: int, indent: int, last: str, step: str) -> cst.Call:
    """Breaks the arguments of a call that would make its line too long.

    Args:
        call: a call whose arguments stand on one line.
        column: where the line stands before the call.
        indent: column of the block that the call is in.
        last: what comes between the block and the arguments if they get lines.
        step: one level of indentation.
    """
    listing = of_arguments(call)
    text = code(call)
    if column + len(text) <= WIDTH or "\n" in text or not listing.slots:
        return call
    gap = Gap(broken=True, last=last)
    start = indent + len(last.expandtabs(4))
    together = ", ".join(code(item) for item in listing.items()) + ")"
    if start + len(together) <= WIDTH:
        first, *rest = listing.slots
        slots = (replace(first, gap=gap), *rest)
        return with_arguments(call, replace(listing, slots=slots))
    slots = tuple(
        replace(slot, gap=gap, item=_wrapped_argument(slot.item, start, indent, last + step, step))
        for slot in listing.slots
    )
    return with_arguments(call, replace(listing, slots=slots))


def _wrapped_argument(arg: cst.Arg, start: int, indent: int, last: str, step: str) -> cst.Arg:
    column = start + len(code(arg)) - len(code(arg.value)) + 1  # the comma, too
    match arg.value:
        case cst.Call() as call:
            return arg.with_changes(value=wrapped_call(call, column, indent, last, step))
        case cst.IfExp(orelse=cst.Call() as call) as choice:
            column += len(code(choice)) - len(code(call))
            made = wrapped_call(call, column, indent, last, step)
            return arg.with_changes(value=choice.with_changes(orelse=made))
    return arg


def with_arguments(call: cst.Call, listing: Listing[cst.Arg]) -> cst.Call:
    """Puts arguments into a call."""
    before, parts, after = _printed(listing)
    args = [
        slot.item.with_changes(
            comma=comma if comma is not None else cst.MaybeSentinel.DEFAULT,
            whitespace_after_arg=cst.SimpleWhitespace(""),
        )
        for slot, comma in parts
    ]
    if args and after is not None:
        args[-1] = args[-1].with_changes(whitespace_after_arg=after)
    return call.with_changes(args=args, whitespace_before_args=before)


Parameter = cst.Param | cst.ParamStar | cst.ParamSlash


def parameters(params: cst.Parameters) -> tuple[Parameter, ...]:
    """All parameters and marks, in the order they stand in."""
    found: list[Parameter] = [*params.posonly_params]
    if isinstance(params.posonly_ind, cst.ParamSlash):
        found.append(params.posonly_ind)
    found.extend(params.params)
    if isinstance(params.star_arg, cst.Param | cst.ParamStar):
        found.append(params.star_arg)
    found.extend(params.kwonly_params)
    if params.star_kwarg is not None:
        found.append(params.star_kwarg)
    return tuple(found)


def of_parameters(
    params: cst.Parameters, before: cst.BaseParenthesizableWhitespace
) -> Listing[Parameter]:
    """Takes the parameters of a function apart."""
    items = parameters(params)
    last = items[-1] if items else None
    after = last.whitespace_after_param if isinstance(last, cst.Param) else None
    return _taken(
        before,
        [(item.with_changes(comma=cst.MaybeSentinel.DEFAULT), item.comma) for item in items],
        after,
    )


def to_parameters(
    listing: Listing[Parameter],
) -> tuple[cst.Parameters, cst.BaseParenthesizableWhitespace]:
    """Puts parameters together: the node, and the whitespace that comes before it."""
    before, parts, after = _printed(listing)
    items: list[Parameter] = []
    for index, (slot, comma) in enumerate(parts):
        item = slot.item.with_changes(
            comma=comma if comma is not None else cst.MaybeSentinel.DEFAULT
        )
        if isinstance(item, cst.Param):
            ending = after if index == len(parts) - 1 else None
            item = item.with_changes(whitespace_after_param=ending or cst.SimpleWhitespace(""))
        items.append(item)
    return _sorted(items), before


def _sorted(items: Sequence[Parameter]) -> cst.Parameters:
    slashes = [index for index, item in enumerate(items) if isinstance(item, cst.ParamSlash)]
    positional: list[cst.Param] = []
    plain: list[cst.Param] = []
    keyword: list[cst.Param] = []
    star: cst.Param | cst.ParamStar | cst.MaybeSentinel = cst.MaybeSentinel.DEFAULT
    rest: cst.Param | None = None
    slash: cst.ParamSlash | cst.MaybeSentinel = cst.MaybeSentinel.DEFAULT
    for index, item in enumerate(items):
        match item:
            case cst.ParamSlash():
                slash = item
            case cst.ParamStar():
                star = item
            case cst.Param(star="*"):
                star = item
            case cst.Param(star="**"):
                rest = item
            case cst.Param() if slashes and index < slashes[0]:
                positional.append(item)
            case cst.Param() if star is not cst.MaybeSentinel.DEFAULT:
                keyword.append(item)
            case cst.Param():
                plain.append(item)
    return cst.Parameters(
        params=plain,
        star_arg=star,
        kwonly_params=keyword,
        star_kwarg=rest,
        posonly_params=positional,
        posonly_ind=slash,
    )


def _taken(
    before: cst.BaseParenthesizableWhitespace,
    pairs: Sequence[tuple[Item, cst.Comma | cst.MaybeSentinel]],
    after: cst.BaseParenthesizableWhitespace | None,
) -> Listing[Item]:
    opening, gap = _split(before)
    slots: list[Slot[Item]] = []
    if not pairs:
        return Listing((), opening, gap)
    comma = False
    for item, separator in pairs:
        if isinstance(separator, cst.Comma):
            comma = True
            early, stray = _split(separator.whitespace_before)
            comment, following = _split(separator.whitespace_after)
            lines = (*stray.comment_lines(), *following.lines)
            # f(a  # the comment comes before the comma
            #   , b)
            if early is not None and comment is None:
                comment = early
                if not following.broken:
                    following = replace(stray, lines=())
            elif early is not None:
                lines = (stray.line_of(early.comment), *lines)
            slots.append(Slot(item, gap, comment))
            gap = replace(following, lines=lines)
        else:
            comma = False
            slots.append(Slot(item, gap))
            gap = NARROW
    if not comma and after is not None:
        comment, gap = _split(after)
        slots[-1] = replace(slots[-1], comment=comment)
    return Listing(tuple(slots), opening, gap, comma)


def _printed(
    listing: Listing[Item],
) -> tuple[
    cst.BaseParenthesizableWhitespace,
    list[tuple[Slot[Item], cst.Comma | None]],
    cst.BaseParenthesizableWhitespace | None,
]:
    if not listing.slots:
        return _joined(listing.opening, listing.closing), [], None
    before = _joined(listing.opening, listing.slots[0].gap)
    parts: list[tuple[Slot[Item], cst.Comma | None]] = []
    for index, slot in enumerate(listing.slots[:-1]):
        gap = _joined(slot.comment, listing.slots[index + 1].gap)
        parts.append((slot, cst.Comma(whitespace_after=gap)))
    last = listing.slots[-1]
    ending = _joined(last.comment, listing.closing)
    if listing.comma:
        parts.append((last, cst.Comma(whitespace_after=ending)))
        return before, parts, None
    parts.append((last, None))
    return before, parts, ending


def _split(space: cst.BaseParenthesizableWhitespace) -> tuple[EndComment | None, Gap]:
    if isinstance(space, cst.ParenthesizedWhitespace):
        first = space.first_line
        comment = None
        if first.comment is not None:
            comment = EndComment(first.whitespace.value, first.comment)
        gap = Gap(tuple(space.empty_lines), True, space.indent, space.last_line.value)
        return comment, gap
    assert isinstance(space, cst.SimpleWhitespace)
    return None, Gap(last=space.value)


def _joined(comment: EndComment | None, gap: Gap) -> cst.BaseParenthesizableWhitespace:
    if comment is None and not gap.broken and not gap.lines:
        return cst.SimpleWhitespace(gap.last)
    if not gap.broken:  # a comment ends its line
        gap = Gap(gap.lines, True, True, gap.last or "    ")
    first = cst.TrailingWhitespace()
    if comment is not None:
        space = cst.SimpleWhitespace(comment.space)
        first = cst.TrailingWhitespace(whitespace=space, comment=comment.comment)
    return cst.ParenthesizedWhitespace(
        first_line=first,
        empty_lines=gap.lines,
        indent=gap.indented,
        last_line=cst.SimpleWhitespace(gap.last),
    )
