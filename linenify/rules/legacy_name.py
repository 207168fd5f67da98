"""A legacy name that is called differently in Linen takes its new name."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.names import rename, wrap

RULE = Rule(
    code="LN102",
    name="legacy-name",
    doc=__doc__,
    forms=(rename, wrap),
    examples=(
        (
            """\
import flax.nn

act = flax.nn.gelu
""",
            """\
import flax.linen

act = flax.linen.gelu
""",
        ),
    ),
)
