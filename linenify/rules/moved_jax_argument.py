"""An argument of a JAX or NumPy function goes by the name that it has today.

Some keywords were renamed, and some arguments can only be given by name now.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reorder

RULE = Rule(
    code="LN111",
    name="moved-jax-argument",
    doc=__doc__,
    forms=(reorder,),
    examples=(
        (
            """\
import jax.numpy as jnp


def padded(x):
  return jnp.pad(jnp.clip(x, a_min=0.), [(0, 1), (0, 1)], 'constant', -1.)
""",
            """\
import jax.numpy as jnp


def padded(x):
  return jnp.pad(jnp.clip(x, min=0.), [(0, 1), (0, 1)], 'constant', constant_values=-1.)
""",
        ),
    ),
)
