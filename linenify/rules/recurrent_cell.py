"""Recurrent cells are told their size, which legacy cells read off the carry."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import bind, split_call

RULE = Rule(
    code="LN306",
    name="recurrent-cell",
    doc=__doc__,
    forms=(split_call, bind),
    examples=(
        (
            "carry, y = nn.GRUCell(x, x)",
            "carry, y = nn.GRUCell(features=x.shape[-1])(x, x)",
        ),
    ),
)
