"""A variable whose name would lie is renamed: a `model` that holds params, an `optimizer`.

All its uses change with it; where the new name is taken or a caller passes the
argument by name, the old one stays.  Params that have a variable already need
no second one.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.names import rename

RULE = Rule(
    code="LN613",
    name="renamed-variable",
    doc=__doc__,
    forms=(rename,),
    examples=(
        (
            """\
from flax import nn


class Net(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 3)


def main(key, x):
  _, model = Net.create(key, x)
  _, initial = Net.init(key, x)
  old_model = nn.Model(Net, initial)
  return [model, old_model]
""",
            """\
from flax import linen as nn


class Net(nn.Module):
  @nn.compact
  def __call__(self, x):
    return nn.Dense(3)(x)


def main(key, x):
  params = Net().init(key, x)['params']
  initial = Net().init(key, x)['params']
  return [params, initial]
""",
        ),
    ),
)
