"""`self.x = x` in a module method goes: the hyper-parameter is a field already.

Linen modules are frozen once they run.  A value that other methods read becomes
a local variable and is passed on.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reorder
from linenify.rules.forms.names import rename
from linenify.rules.forms.signatures import with_parameter

RULE = Rule(
    code="LN208",
    name="self-attribute",
    doc=__doc__,
    forms=(rename, with_parameter, reorder),
    examples=(
        (
            """\
class Net(nn.Module):

  def apply(self, x, width=4):
    self.width = width
    return nn.Dense(x, width)
""",
            """\
class Net(nn.Module):

  width: int = 4

  @nn.compact
  def __call__(self, x):
    return nn.Dense(self.width)(x)
""",
        ),
    ),
)
