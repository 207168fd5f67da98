"""Methods under `@nn.module_method` become plain methods of the Linen module."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.classes import module_method

RULE = Rule(
    code="LN204",
    name="module-method",
    doc=__doc__,
    forms=(module_method,),
    examples=(
        (
            """\
class Coder(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 3, name='encode')

  @nn.module_method
  def decode(self, z):
    return nn.Dense(z, 5, name='decode')
""",
            """\
class Coder(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.Dense(3, name='encode')(x)

  @nn.compact
  def decode(self, z):
    return nn.Dense(5, name='decode')(z)
""",
        ),
    ),
)
