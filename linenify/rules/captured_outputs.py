"""`with nn.capture_module_outputs()` goes: the run inside captures its intermediates.

What `as` bound stays a dict by path.  The submodules must have names: Linen
numbers the others differently.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.contexts import leave_context

RULE = Rule(
    code="LN512",
    name="captured-outputs",
    doc=__doc__,
    forms=(leave_context,),
    examples=(
        (
            """\
import flax
from flax import nn


class Net(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 3, name='out')


def activations(params, x):
  with nn.capture_module_outputs() as outputs:
    Net.call(params, x)
  return outputs.as_dict()['/out'][0]
""",
            """\
import flax
from flax import linen as nn


def outputs_by_path(intermediates):
  \"\"\"What every module gave, one list for each path: `{'/block/dense': [y]}`.\"\"\"
  flat = flax.traverse_util.flatten_dict(intermediates)
  return {
      '/' + '/'.join(path[:-1]): list(outputs) for path, outputs in flat.items()
  }


class Net(nn.Module):
  @nn.compact
  def __call__(self, x):
    return nn.Dense(3, name='out')(x)


def activations(params, x):
  _, new_variables = Net().apply(
      {'params': params}, x, capture_intermediates=True, mutable=['intermediates'])
  outputs = outputs_by_path(new_variables['intermediates'])
  return outputs['/out'][0]
""",
        ),
    ),
)
