"""A call of a function that JAX has dropped is written as it is today.

`jax.ops.index_update` and its kin became `x.at[...].set(...)`, on an array of
JAX: `jnp.asarray` stands around what may be another one. `lax.tie_in` has had
no effect since all operations are staged; reductions such as `jnp.mean` took
lists, and take arrays only.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reorder, reshape

RULE = Rule(
    code="LN104",
    name="gone-jax-call",
    doc=__doc__,
    forms=(reorder, reshape),
    examples=(
        (
            """\
import jax
import jax.numpy as jnp


def edges(x, n):
  x = jax.ops.index_update(x, jax.ops.index[:, 0], 0.)
  return x, jax.ops.index_add(jnp.zeros(n), -1, 1.)
""",
            """\
import jax
import jax.numpy as jnp


def edges(x, n):
  x = jnp.asarray(x).at[:, 0].set(0.)
  return x, jnp.zeros(n).at[-1].add(1.)
""",
        ),
        (
            """\
import jax.numpy as jnp


def mean_loss(batches, loss):
  return jnp.mean([loss(batch) for batch in batches])
""",
            """\
import jax.numpy as jnp


def mean_loss(batches, loss):
  return jnp.mean(jnp.array([loss(batch) for batch in batches]))
""",
        ),
    ),
)
