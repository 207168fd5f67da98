"""Names: legacy ones that are spelt differently, and hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from linenify.facts.sites import (
    AsTuple,
    AttributeSite,
    ClassVariable,
    DictKeys,
    FieldRead,
    FieldsInText,
    Renamed,
    TextSite,
    Wrapped,
)
from linenify.rules.base import Context, Holes, Rewrite, Spelling
from linenify.syntax.build import (
    atomic,
    code,
    expression,
    from_template,
    tuple_of,
    with_parentheses_of,
)


def rename(node: cst.Name | cst.Attribute, site: Renamed, context: Context) -> Rewrite:
    """Replaces a name or a dotted chain."""
    spelling = _beside(node, site.target, context) or context.spell(site.target)
    made = with_parentheses_of(spelling.node, node)
    return Rewrite(made, spelling.imports)


def _beside(node: cst.Name | cst.Attribute, target: str, context: Context) -> Spelling | None:
    """`flax.nn` stays a name in `flax`, however else the file calls Linen."""
    root, dot, rest = code(node).partition(".")
    package = context.bound.get(root)
    if target.startswith("flax.training."):
        return None
    if dot and rest and package == "flax" and target.startswith(f"{package}."):
        return Spelling(expression(root + target.removeprefix(package)))
    return None


def list_as_tuple(node: cst.List, site: AsTuple, context: Context) -> Rewrite:
    """Writes a list as the tuple that a field holds.

    [4, 3]  ->  (4, 3)
    """
    del site, context
    return Rewrite(tuple_of(node))


def wrap(node: cst.BaseExpression, site: Wrapped, context: Context) -> Rewrite:
    """Puts something around a name that is used as a value.

    norm = nn.GroupNorm  ->  norm = functools.partial(nn.GroupNorm, num_groups=32)
    """
    template, imports = context.spelt(site.template)
    made = from_template(template, _holes_of(node, context))
    if not node.lpar and not context.alone:
        made = atomic(made)
    bare = isinstance(node, cst.BooleanOperation | cst.BinaryOperation | cst.IfExp)
    if not (bare and isinstance(made, cst.Call) and "\n" not in code(node)):
        made = with_parentheses_of(made, node)
    return Rewrite(made, frozenset(site.imports) | imports)


def _holes_of(node: cst.BaseExpression, context: Context) -> Holes:
    holes = context.holes({"node": node.with_changes(lpar=[], rpar=[])})
    if isinstance(node, cst.Attribute):
        holes["owner"] = node.value
    return holes


def change_attribute(
    node: cst.Attribute | cst.Subscript, site: AttributeSite, context: Context
) -> Rewrite:
    """Shortens a chain of attributes, or ends it with another one.

    optimizer.state.step  ->  state.step
    """
    del context
    made: cst.BaseExpression = node
    for _ in range(site.skip):
        assert isinstance(made, cst.Attribute | cst.Subscript)
        made = made.value
    if site.attribute is not None:
        assert isinstance(node, cst.Attribute)
        made = node.with_changes(value=made, attr=cst.Name(site.attribute), lpar=[], rpar=[])
    return Rewrite(with_parentheses_of(made, node))


def change_text(node: cst.SimpleString, site: TextSite, context: Context) -> Rewrite:
    """Writes another string between the same quotes.

    params['Dense_1']  ->  params['Dense_0']
    """
    del context
    return Rewrite(node.with_changes(value=f"{node.prefix}{node.quote}{site.text}{node.quote}"))


def rename_keys(node: cst.Dict, site: DictKeys, context: Context) -> Rewrite:
    """Renames keyword arguments that travel in a dict.

    {'bias': False}  ->  {'use_bias': False}
    """
    del context
    names = dict(site.renames)
    elements = [
        element.with_changes(key=_renamed_text(element.key, names))
        if isinstance(element, cst.DictElement)
        else element
        for element in node.elements
    ]
    return Rewrite(node.with_changes(elements=elements))


def class_variable(node: cst.AnnAssign, site: ClassVariable, context: Context) -> Rewrite:
    """Keeps an annotated class attribute from becoming a dataclass field.

    depth: int = 3  ->  depth: ClassVar[int] = 3
    """
    del site, context
    written = node.annotation.annotation
    made = cst.Subscript(cst.Name("ClassVar"), [cst.SubscriptElement(cst.Index(written))])
    annotation = node.annotation.with_changes(annotation=made)
    return Rewrite(node.with_changes(annotation=annotation), frozenset({"typing.ClassVar"}))


def read_field(node: cst.Name, site: FieldRead, context: Context) -> Rewrite:
    """Reads a hyper-parameter from the instance.

    features  ->  self.features
    """
    made: cst.BaseExpression = cst.Attribute(cst.Name(site.receiver), cst.Name(site.field))
    if site.wrap is None:
        return Rewrite(with_parentheses_of(made, node))
    template, imports = context.spelt(site.wrap)
    made = from_template(template, {"node": made})
    return Rewrite(with_parentheses_of(made, node), imports)


def read_fields_in_text(
    node: cst.FormattedString | cst.ConcatenatedString, site: FieldsInText, context: Context
) -> Rewrite:
    """Reads hyper-parameters inside of an f-string."""
    del context
    made = node.visit(_Names(dict(site.reads)))
    assert isinstance(made, cst.CSTNode)
    return Rewrite(made)


def _renamed_text(key: cst.BaseExpression, names: Mapping[str, str]) -> cst.BaseExpression:
    if isinstance(key, cst.SimpleString) and isinstance(key.evaluated_value, str):
        new = names.get(key.evaluated_value)
        if new is not None:
            return key.with_changes(value=f"{key.prefix}{key.quote}{new}{key.quote}")
    return key


class _Names(cst.CSTTransformer):
    def __init__(self, replacements: Mapping[str, str]) -> None:
        super().__init__()
        self._replacements = replacements

    def on_leave(  # type: ignore[override]
        self, original: cst.CSTNode, updated: cst.CSTNode
    ) -> cst.CSTNode:
        match original:
            case cst.Name(value=name) if name in self._replacements:
                assert isinstance(updated, cst.Name)
                return with_parentheses_of(expression(self._replacements[name]), updated)
            case cst.Attribute():  # the name behind a dot is no variable
                return updated.with_changes(attr=original.attr)
            case cst.Arg(keyword=cst.Name()):
                return updated.with_changes(keyword=original.keyword)
        return updated
