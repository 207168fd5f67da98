"""Generated expressions, broken into lines where one would be too long."""

from __future__ import annotations

from dataclasses import dataclass, replace

import libcst as cst

from linenify.syntax.build import code
from linenify.syntax.listing import WIDTH, Gap, of_arguments, with_arguments

# What a program wrote over several lines stays as it is; only what stands on
# one line is broken: the arguments of a call, the items of a dict, or what is
# called, from the outside in.


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands.

    Attributes:
        column: of its first character.
        indent: column of the block around it.
        step: one level of indentation.
        last: what comes between the block and the parts of it that get lines.
        tail: how many characters follow its last one.
    """

    column: int
    indent: int
    step: str
    last: str
    tail: int = 0

    @property
    def start(self) -> int:
        """The column of the parts that get lines."""
        return self.indent + len(self.last.expandtabs(4))

    def deeper(self, column: int, tail: int) -> Place:
        """The place of a part that starts a line."""
        return replace(self, column=column, last=self.last + self.step, tail=tail)

    def fits(self, node: cst.CSTNode, column: int | None = None) -> bool:
        """Whether a node ends before the line does."""
        start = self.column if column is None else column
        return start + len(code(node)) + self.tail <= WIDTH


def laid_out(node: cst.BaseExpression, place: Place) -> cst.BaseExpression:
    """Breaks an expression that is too long for its line."""
    if "\n" in code(node) or place.fits(node):
        return node
    match node:
        case cst.Call():
            return _call(node, place)
        case cst.Dict():
            return _dict(node, place)
        case cst.Attribute(value=value) | cst.Subscript(value=value):
            tail = place.tail + len(code(node)) - len(code(value))
            return node.with_changes(value=laid_out(value, replace(place, tail=tail)))
        case cst.Lambda(body=body):
            column = place.column + len(code(node)) - len(code(body))
            return node.with_changes(body=laid_out(body, replace(place, column=column)))
        case cst.IfExp(orelse=value):
            column = place.column + len(code(node)) - len(code(value))
            return node.with_changes(orelse=laid_out(value, replace(place, column=column)))
    return node


def _call(call: cst.Call, place: Place) -> cst.Call:
    bare = code(call)[len(code(call.func)) :]
    func = call.func
    if place.column + len(code(func)) > WIDTH:
        func = laid_out(func, replace(place, tail=len("(")))
        call = call.with_changes(func=func)
        lines = code(func).split("\n")
        column = place.indent + len(lines[-1].expandtabs(4))
        if len(lines) > 1 and column + len(bare) + place.tail <= WIDTH:
            return call
        if len(lines) > 1:
            place = replace(place, last=place.last + place.step)
    listing = of_arguments(call)
    if not listing.slots:
        return call
    gap = Gap(broken=True, last=place.last)
    end = len(")") + place.tail
    first, *rest = listing.slots
    if place.start + len(bare) - len("(") + place.tail <= WIDTH:
        return with_arguments(call, replace(listing, slots=(replace(first, gap=gap), *rest)))
    slots = []
    for slot in listing.slots:
        value = slot.item.value
        column = place.start + len(code(slot.item)) - len(code(value))
        tail = end if slot is listing.slots[-1] else len(",")
        made = laid_out(value, place.deeper(column, tail))
        slots.append(replace(slot, gap=gap, item=slot.item.with_changes(value=made)))
    return with_arguments(call, replace(listing, slots=tuple(slots)))


def _dict(node: cst.Dict, place: Place) -> cst.Dict:
    elements = []
    for element in node.elements:
        value = element.value
        bare = element.with_changes(comma=cst.MaybeSentinel.DEFAULT)
        column = place.start + len(code(bare)) - len(code(value))
        made = laid_out(value, place.deeper(column, len(",")))
        comma = cst.Comma(whitespace_after=_break(place.last))
        elements.append(element.with_changes(value=made, comma=comma))
    if not elements:
        return node
    outer = place.last.removesuffix(place.step)
    last = elements[-1]
    elements[-1] = last.with_changes(comma=cst.Comma(whitespace_after=_break(outer)))
    brace = node.lbrace.with_changes(whitespace_after=_break(place.last))
    return node.with_changes(elements=elements, lbrace=brace)


def _break(last: str) -> cst.ParenthesizedWhitespace:
    return cst.ParenthesizedWhitespace(indent=True, last_line=cst.SimpleWhitespace(last))
