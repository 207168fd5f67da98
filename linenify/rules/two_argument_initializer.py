"""An initialiser of `(key, shape)` also takes the dtype that Linen layers pass."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.signatures import with_parameter

RULE = Rule(
    code="LN207",
    name="two-argument-initializer",
    doc=__doc__,
    forms=(with_parameter,),
    examples=(
        (
            """\
def tiny(key, shape):
  return 0.01 * jnp.ones(shape)


class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 3, kernel_init=tiny)
""",
            """\
def tiny(key, shape, dtype=jnp.float32):
  return 0.01 * jnp.ones(shape)


class Net(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.Dense(3, kernel_init=tiny)(x)
""",
        ),
    ),
)
