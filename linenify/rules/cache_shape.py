"""An empty cache for other inputs keeps the heads and features of every entry.

`initialize_cache((batch, length))` gives zeros for the keys and values; the
index of an entry is a scalar, and zero, already.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN405",
    name="cache-shape",
    doc=__doc__,
    forms=(reshape,),
    examples=(
        (
            """\
import jax
import jax.numpy as jnp
from flax import nn


def empty(cache: nn.attention.Cache):
  return cache.initialize_cache((2, 8))
""",
            """\
from typing import Any

import jax
import jax.numpy as jnp


def empty(cache: Any):
  return jax.tree.map(
      lambda x: jnp.zeros((2, 8) + x.shape[-2:], jnp.float32) if x.ndim else x, cache)
""",
        ),
    ),
)
