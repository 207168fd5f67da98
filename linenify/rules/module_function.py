"""A function under `@nn.module` becomes a class of the same name."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.classes import function_to_class

RULE = Rule(
    code="LN205",
    name="module-function",
    doc=__doc__,
    forms=(function_to_class,),
    examples=(
        (
            '''\
@nn.module
def Head(x, features=10):
  """Scores every class."""
  return nn.Dense(nn.relu(x), features)
''',
            '''\
class Head(nn.Module):
  """Scores every class."""

  features: int = 10

  @nn.compact
  def __call__(self, x):
    return nn.Dense(self.features)(nn.relu(x))
''',
        ),
    ),
)
