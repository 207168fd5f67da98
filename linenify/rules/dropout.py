"""`nn.dropout(x, rate)` becomes the module `nn.Dropout(rate)(x)`.

Legacy dropout was off whenever no key was at hand; Linen wants to be told, so
`deterministic` is always given.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import split_call

RULE = Rule(
    code="LN501",
    name="dropout",
    doc=__doc__,
    forms=(split_call,),
    examples=(
        (
            "x = nn.dropout(x, 0.1, deterministic=not train)",
            "x = nn.Dropout(0.1)(x, deterministic=not self.train)",
        ),
    ),
)
