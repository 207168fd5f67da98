"""`Module.shared(...)` becomes an instance: calling it twice shares parameters."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import bind

RULE = Rule(
    code="LN303",
    name="module-shared",
    doc=__doc__,
    forms=(bind,),
    examples=(
        (
            """\
dense = nn.Dense.shared(features=3)
x = dense(dense(x))
""",
            """\
dense = nn.Dense(features=3)
x = dense(dense(x))
""",
        ),
    ),
)
