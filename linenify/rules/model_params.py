"""A Model that can be split is its params; the module is named where it is called."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape
from linenify.rules.forms.names import change_attribute, rename

RULE = Rule(
    code="LN611",
    name="model-params",
    doc=__doc__,
    forms=(
        change_attribute,
        rename,
        reshape,
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
""",
        ),
    ),
)
