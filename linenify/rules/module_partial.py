"""`Module.partial(...)` becomes `functools.partial(Module, ...)`."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import bind, reorder
from linenify.rules.forms.names import wrap

RULE = Rule(
    code="LN302",
    name="module-partial",
    doc=__doc__,
    forms=(bind, wrap, reorder),
    examples=(
        (
            """\
conv = nn.Conv.partial(bias=False)
x = conv(x, 8, (3, 3))
""",
            """\
conv = functools.partial(nn.Conv, use_bias=False)
x = conv(8, (3, 3))(x)
""",
        ),
    ),
)
