"""Small pieces of syntax, and templates that they are put together from."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Mapping

import libcst as cst

_EMPTY = cst.Module(body=[])
_HOLE = re.compile(r"\{(\d+(?:_\d+|_index)?|func|owner|linen|jnp|node(?:_\d+){0,4}|result|value)\}")
_MARK = "linenify_hole_"

# What can be a callee or the owner of an attribute without parentheses.
_ATOMS = (
    cst.Name,
    cst.Attribute,
    cst.Call,
    cst.Subscript,
    cst.SimpleString,
    cst.FormattedString,
    cst.List,
    cst.Dict,
    cst.Set,
    cst.ListComp,
    cst.DictComp,
    cst.SetComp,
)


def code(node: cst.CSTNode) -> str:
    """The text of a node."""
    return _EMPTY.code_for_node(node)


@functools.cache
def expression(text: str) -> cst.BaseExpression:
    """Parses an expression; nodes never change, so that equal texts share one."""
    return cst.parse_expression(text)


def is_atomic(node: cst.BaseExpression) -> bool:
    """Whether `node` can stand anywhere without parentheses."""
    return bool(node.lpar) or isinstance(node, _ATOMS) or _is_number(node)


def parenthesized(node: cst.BaseExpression) -> cst.BaseExpression:
    """Wraps `node` in one more pair of parentheses."""
    return node.with_changes(
        lpar=[cst.LeftParen(), *node.lpar], rpar=[*node.rpar, cst.RightParen()]
    )


def atomic(node: cst.BaseExpression) -> cst.BaseExpression:
    """Wraps `node` in parentheses where it needs them."""
    return node if is_atomic(node) and stands_alone(node) else parenthesized(node)


def stands_alone(node: cst.BaseExpression) -> bool:
    """Whether `node` is complete where line breaks end a statement."""
    text = code(node)
    if "\n" not in text and "\r" not in text:
        return True
    try:
        ast.parse(f"_ = {text}")
    except SyntaxError:
        return False
    return True


def standing_alone(node: cst.BaseExpression) -> cst.BaseExpression:
    """Wraps `node` in parentheses if it was inside of some and relied on them."""
    return node if stands_alone(node) else parenthesized(node)


def with_parentheses_of(node: cst.BaseExpression, old: cst.BaseExpression) -> cst.BaseExpression:
    """Gives `node` the parentheses of the expression that it replaces."""
    if old.lpar:
        return node.with_changes(lpar=[*old.lpar, *node.lpar], rpar=[*node.rpar, *old.rpar])
    return node


def argument_value(arg: cst.Arg) -> cst.BaseExpression:
    """The value of an argument as it can stand beside others."""
    value = arg.value
    if isinstance(value, cst.GeneratorExp) and not value.lpar:
        return parenthesized(value)
    return value


def from_template(template: str, holes: Mapping[str, cst.BaseExpression]) -> cst.BaseExpression:
    """Fills a template: `{owner}.variable('state', {0})`.

    Values come in parentheses unless they stand alone: as an argument, as an
    element, or as what is assigned.
    """
    marked = _HOLE.sub(lambda match: _MARK + match[1], template)
    found = expression(marked).visit(_Filler(holes))
    assert isinstance(found, cst.BaseExpression)
    return found


def statement_from_template(
    template: str, holes: Mapping[str, cst.BaseExpression]
) -> cst.SimpleStatementLine:
    """Fills a template of one simple statement: `params = {value}['params']`."""
    marked = _HOLE.sub(lambda match: _MARK + match[1], template)
    found = cst.parse_statement(marked).visit(_Filler(holes))
    assert isinstance(found, cst.SimpleStatementLine)
    return found


class _Filler(cst.CSTTransformer):
    def __init__(self, holes: Mapping[str, cst.BaseExpression]) -> None:
        super().__init__()
        self._holes = holes

    def _hole(self, node: cst.CSTNode) -> cst.BaseExpression | None:
        if isinstance(node, cst.Name) and node.value.startswith(_MARK):
            return self._holes[node.value.removeprefix(_MARK)]
        return None

    def _index(self, element: cst.SubscriptElement) -> cst.Subscript | None:
        """What `{1_index}` stands for: the brackets of argument 1 around what is in them."""
        match element.slice:
            case cst.Index(value=cst.Name(value=mark)) if mark.endswith("_index"):
                held = self._holes.get(mark.removeprefix(_MARK))
                return held if isinstance(held, cst.Subscript) else None
        return None

    def on_leave(  # type: ignore[override]
        self, original: cst.CSTNode, updated: cst.CSTNode
    ) -> cst.CSTNode:
        # Arguments and elements see the mark before it is filled with parentheses.
        match updated:
            case cst.Tuple():
                return _spliced(updated)
        match original:
            case cst.Arg(value=value) | cst.Element(value=value) if (
                filled := self._hole(value)
            ) is not None:
                return updated.with_changes(value=filled)
            case cst.Index(value=value) if (filled := self._hole(value)) is not None:
                return updated.with_changes(value=filled)
            case cst.Subscript(slice=[element]) if (index := self._index(element)) is not None:
                return updated.with_changes(slice=index.slice)
            case cst.Assign(value=value) | cst.Return(value=value) if (
                value is not None and (filled := self._hole(value)) is not None
            ):
                return updated.with_changes(value=standing_alone(filled))
            case cst.DictElement(value=value) if (filled := self._hole(value)) is not None:
                return updated.with_changes(value=filled)
        hole = self._hole(original)
        return updated if hole is None else atomic(hole)


def _spliced(node: cst.Tuple) -> cst.Tuple:
    """Opens tuples inside of a tuple: `(*(2, 3), n)` is `(2, 3, n)`."""
    elements: list[cst.BaseElement] = []
    for element in node.elements:
        match element:
            case cst.StarredElement(value=cst.Tuple(elements=inner)) if "#" not in code(element):
                elements += inner
            case _:
                elements.append(element)
    if len(elements) == len(node.elements) and all(
        one is other for one, other in zip(elements, node.elements, strict=True)
    ):
        return node
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    plain = [each.with_changes(comma=comma) for each in elements[:-1]]
    last = cst.Comma() if len(elements) == 1 else cst.MaybeSentinel.DEFAULT
    ended = [each.with_changes(comma=last) for each in elements[-1:]]
    return node.with_changes(elements=[*plain, *ended])


def _is_number(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Imaginary) or (
        isinstance(node, cst.Float) and not code(node).endswith(".")
    )


def tuple_of(written: cst.List) -> cst.Tuple:
    """A list display as a tuple, in its place."""
    every = list(written.elements)
    if len(every) == 1 and not isinstance(every[0].comma, cst.Comma):
        every[0] = every[0].with_changes(comma=cst.Comma())
    return cst.Tuple(
        every,
        lpar=[*written.lpar, cst.LeftParen(written.lbracket.whitespace_after)],
        rpar=[cst.RightParen(written.rbracket.whitespace_before), *written.rpar],
    )
