"""A call that switches on what is the default today goes.

`config.enable_omnistaging()` and `config.update('jax_omnistaging', True)` had an
effect until spring 2021.  The import goes with it, where nothing else reads it.
"""

from __future__ import annotations

from linenify.rules.base import Rule

RULE = Rule(
    code="LN105",
    name="default-switch",
    doc=__doc__,
    forms=(),
    examples=(
        (
            """\
import jax
import jax.numpy as jnp
from jax.config import config

config.enable_omnistaging()


def halve(tree):
  return jax.tree_map(lambda x: x / jnp.float32(2), tree)
""",
            """\
import jax
import jax.numpy as jnp


def halve(tree):
  return jax.tree.map(lambda x: x / jnp.float32(2), tree)
""",
        ),
    ),
)
