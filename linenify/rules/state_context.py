"""`with nn.stateful(state)` goes: the run inside takes the state and gives a new one.

The other collections of the variables dict stand for the legacy Collection:
they are passed beside the params, and `mutable=` names those that may change.
What `as` bound is what `apply` gives back.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.contexts import leave_context

RULE = Rule(
    code="LN510",
    name="state-context",
    doc=__doc__,
    forms=(leave_context,),
    examples=(
        (
            """\
from flax import nn


class Net(nn.Module):
  def apply(self, x):
    return nn.BatchNorm(x)


def run(params, state, x):
  with nn.stateful(state) as new_state:
    y = Net.call(params, x)
  return y, new_state
""",
            """\
from flax import linen as nn


class Net(nn.Module):
  @nn.compact
  def __call__(self, x):
    return nn.BatchNorm(use_running_average=False)(x)


def run(params, state, x):
  y, new_state = Net().apply({'params': params, **state}, x, mutable=['batch_stats'])
  return y, new_state
""",
        ),
    ),
)
