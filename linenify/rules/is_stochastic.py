"""`nn.is_stochastic()` asks whether there is a key for dropout."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN503",
    name="is-stochastic",
    doc=__doc__,
    forms=(reshape,),
    examples=(
        (
            "noisy = nn.is_stochastic()",
            "noisy = self.has_rng('dropout')",
        ),
    ),
)
