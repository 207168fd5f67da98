"""An entry of the decoding cache that only counts positions becomes a variable.

Classes that embed positions store an entry under their own path and use nothing
of it but its index `i`.  That is `cache_index` in the `cache` collection.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape
from linenify.rules.forms.names import change_attribute

RULE = Rule(
    code="LN406",
    name="cache-counter",
    doc=__doc__,
    forms=(reshape, change_attribute),
    examples=(
        (
            """\
import numpy as np
import jax.numpy as jnp
from flax import nn


class Position(nn.Module):
  def apply(self, x, cache=None):
    start = 0
    if cache:
      if self.is_initializing():
        cache.store(np.array((4, 1, 1), dtype=np.int32))
      else:
        entry = cache.retrieve(None)
        start = entry.i
        cache.store(entry.replace(i=entry.i + 1))
    return start + jnp.arange(x.shape[1])
""",
            """\
import numpy as np
import jax.numpy as jnp
from flax import linen as nn


class Position(nn.Module):
  decode: bool = False

  @nn.compact
  def __call__(self, x):
    start = 0
    if self.decode:
      if self.is_initializing():
        self.variable('cache', 'cache_index', lambda: jnp.array(0, dtype=jnp.uint32))
      else:
        entry = self.variable(
            'cache', 'cache_index', lambda: jnp.array(0, dtype=jnp.uint32))
        start = entry.value
        entry.value = entry.value + 1
    return start + jnp.arange(x.shape[1])
""",
        ),
    ),
)
