"""A definition of `flax.optim` becomes the optax transformation with the same numbers.

Where optax has no alias that computes the same, the transformation is put
together from parts, and a comment says why.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN601",
    name="optimizer-definition",
    doc=__doc__,
    forms=(reshape,),
    examples=(
        (
            """\
from flax import optim

optimizer_def = optim.Adam(learning_rate=1e-3)
""",
            """\
import optax

optimizer_def = optax.adam(learning_rate=1e-3)
""",
        ),
    ),
)
