"""`super().apply(...)` calls `super().__call__` with the inputs that are left.

The base reads its hyper-parameters from the fields of the same instance.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reorder, reshape

RULE = Rule(
    code="LN206",
    name="super-apply",
    doc=__doc__,
    forms=(reorder, reshape),
    examples=(
        (
            """\
class Base(nn.Module):

  def apply(self, x, features):
    return nn.Dense(x, features)


class Scaled(Base):

  def apply(self, x, features):
    return 2 * super().apply(x, features)
""",
            """\
class Base(nn.Module):

  features: int

  @nn.compact
  def __call__(self, x):
    return nn.Dense(self.features)(x)


class Scaled(Base):

  @nn.compact
  def __call__(self, x):
    return 2 * super().__call__(x)
""",
        ),
    ),
)
