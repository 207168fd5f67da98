"""Calling a module class constructs it first, then calls the instance.

Inputs move to the second pair of parentheses; arguments that Linen names
differently are renamed.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import split_call
from linenify.rules.forms.names import rename_keys
from linenify.rules.forms.signatures import curry

RULE = Rule(
    code="LN301",
    name="module-call",
    doc=__doc__,
    forms=(split_call, rename_keys, curry),
    examples=(
        (
            "x = nn.Dense(x, features)",
            "x = nn.Dense(self.features)(x)",
        ),
        (
            "x = nn.Conv(x, 8, (3, 3), bias=False, name='conv')",
            "x = nn.Conv(8, (3, 3), use_bias=False, name='conv')(x)",
        ),
        (
            "x = nn.relu(x)",
            None,
        ),
    ),
)
