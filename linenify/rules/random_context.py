"""`with nn.stochastic(key)` goes: the run inside takes the key as `rngs=`.

Runs that follow in the same context get a key of their own, folded from it.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.contexts import leave_context

RULE = Rule(
    code="LN511",
    name="random-context",
    doc=__doc__,
    forms=(leave_context,),
    examples=(
        (
            """\
from flax import nn


class Net(nn.Module):
  def apply(self, x):
    return nn.dropout(x, 0.5)


def run(params, key, x):
  with nn.stochastic(key):
    return Net.call(params, x)
""",
            """\
from flax import linen as nn


class Net(nn.Module):
  @nn.compact
  def __call__(self, x):
    return nn.Dropout(0.5)(x, deterministic=False)


def run(params, key, x):
  return Net().apply({'params': params}, x, rngs={'dropout': key})
""",
        ),
    ),
)
