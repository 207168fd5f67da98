"""`nn.make_rng()` becomes `self.make_rng('dropout')`."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reorder, reshape
from linenify.rules.forms.signatures import with_parameter

RULE = Rule(
    code="LN502",
    name="make-rng",
    doc=__doc__,
    forms=(reshape, with_parameter, reorder),
    examples=(
        (
            "key = nn.make_rng()",
            "key = self.make_rng('dropout')",
        ),
    ),
)
