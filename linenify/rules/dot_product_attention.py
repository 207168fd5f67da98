"""`nn.dot_product_attention` has other arguments and other axes in Linen."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reorder, reshape

RULE = Rule(
    code="LN309",
    name="dot-product-attention",
    doc=__doc__,
    forms=(reshape, reorder),
    examples=(),
)
