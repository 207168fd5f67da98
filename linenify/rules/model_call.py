"""A call of a Model applies the module to its params, where the module is in sight.

That is an instance such as `Net()`, or the `apply_fn` of the train state.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import split_call
from linenify.rules.forms.names import wrap

RULE = Rule(
    code="LN612",
    name="model-call",
    doc=__doc__,
    forms=(
        split_call,
        wrap,
    ),
    examples=(
        (
            """\
from flax import nn


class Net(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 3)


def create(key, x):
  _, params = Net.init(key, x)
  return nn.Model(Net, params)


def predict(model, x):
  return model(x)


def main(key, x):
  return predict(create(key, x), x)
""",
            """\
from flax import linen as nn


class Net(nn.Module):
  @nn.compact
  def __call__(self, x):
    return nn.Dense(3)(x)


def create(key, x):
  params = Net().init(key, x)['params']
  return params


def predict(params, x):
  return Net().apply({'params': params}, x)


def main(key, x):
  return predict(create(key, x), x)
""",
        ),
    ),
)
