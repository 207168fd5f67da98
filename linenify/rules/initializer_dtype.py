"""An initialiser that says its dtype keeps it: Linen passes `param_dtype` to initialisers.

Where all params of a layer are to have one dtype, it becomes the `param_dtype` of the
layer; where not, a function stands around the initialiser that ignores what is passed.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN112",
    name="initializer-dtype",
    doc=__doc__,
    forms=(reshape,),
    examples=(
        (
            """\
from functools import partial

import jax.numpy as jnp
from flax import nn

half = nn.initializers.normal(dtype=jnp.float16)


class Net(nn.Module):

  def apply(self, x):
    x = nn.Dense(x, 3, kernel_init=partial(nn.initializers.ones, dtype=jnp.float16), bias=False)
    return nn.Dense(x, 3, kernel_init=half)
""",
            """\
from functools import partial

import jax.numpy as jnp
from flax import linen as nn

half = nn.initializers.normal(dtype=jnp.float16)


class Net(nn.Module):

  @nn.compact
  def __call__(self, x):
    x = nn.Dense(3, kernel_init=nn.initializers.ones, use_bias=False, param_dtype=jnp.float16)(x)
    return nn.Dense(3, kernel_init=lambda key, shape, _: half(key, shape))(x)
""",
        ),
    ),
)
