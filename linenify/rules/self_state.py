"""`self.state` becomes `self.variable` in a named collection.

The initial value is computed by a function without arguments, as Linen wants it.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN401",
    name="self-state",
    doc=__doc__,
    forms=(reshape,),
    examples=(
        (
            "count = self.state('count', (), nn.initializers.zeros)",
            """\
count = self.variable(
    'state', 'count', lambda: nn.initializers.zeros(self.make_rng('params'), ()))
""",
        ),
    ),
)
