"""`self.param` takes the initializer before the shape.

Linen passes everything after the initializer on to it, so the shape follows.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reorder, reshape
from linenify.rules.forms.signatures import reorder_override

RULE = Rule(
    code="LN203",
    name="self-param",
    doc=__doc__,
    forms=(reorder, reshape, reorder_override),
    examples=(
        (
            "kernel = self.param('kernel', (x.shape[-1], 4), nn.initializers.ones)",
            "kernel = self.param('kernel', nn.initializers.ones, (x.shape[-1], 4))",
        ),
    ),
)
