"""A string that names a numbered submodule gets the number that Linen counts.

Legacy numbered all children of a module together, Linen numbers each class by
itself: the same name can mean another layer, so nothing would fail.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.names import change_text

RULE = Rule(
    code="LN615",
    name="params-key",
    doc=__doc__,
    forms=(change_text,),
    examples=(
        (
            """\
from flax import nn


class Net(nn.Module):
  def apply(self, x):
    x = nn.Conv(x, 3, (3,))
    return nn.Dense(x, 3)


def kernel(key, x):
  _, params = Net.init(key, x)
  return params['Dense_1']['kernel']
""",
            """\
from flax import linen as nn


class Net(nn.Module):
  @nn.compact
  def __call__(self, x):
    x = nn.Conv(3, (3,))(x)
    return nn.Dense(3)(x)


def kernel(key, x):
  params = Net().init(key, x)['params']
  return params['Dense_0']['kernel']
""",
        ),
    ),
)
