"""A Model that is one value becomes a `BoundModel`: a small pytree class in the project.

It carries the module and the params, and is called as a Model was.  It is used
where no module can be named at the place of a call, and the report says so.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN614",
    name="bound-model",
    doc=__doc__,
    forms=(reshape,),
    examples=(
        (
            """\
from flax import nn


class Net(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 3)


class Wide(Net):
  pass


def predict(model, x):
  return model(x)


def main(key, x):
  _, params = Net.init(key, x)
  return [predict(nn.Model(net, params), x) for net in (Net, Wide)]
""",
            '''\
from typing import Any

from flax import linen as nn
from flax import struct


@struct.dataclass
class BoundModel:
  """A Linen module together with its params: a pytree that can be called.

  It stands where a program passes both around as one value. The params are
  its leaves, so that gradients and optimizers see a pytree of params.
  """

  module: nn.Module = struct.field(pytree_node=False)
  params: Any

  def __call__(self, *args, **kwargs):
    return self.apply({}, *args, **kwargs)

  def apply(self, state, *args, **kwargs):
    """Runs the module with the other collections in `state`."""
    return self.module.apply({'params': self.params, **state}, *args, **kwargs)

  def __contains__(self, name):  # `TrainState.apply_gradients` asks its gradients
    return name in self.params


class Net(nn.Module):
  @nn.compact
  def __call__(self, x):
    return nn.Dense(3)(x)


class Wide(Net):
  pass


def predict(model, x):
  return model(x)


def main(key, x):
  params = Net().init(key, x)['params']
  return [predict(BoundModel(net(), params), x) for net in (Net, Wide)]
''',
        ),
    ),
)
