"""`apply` becomes `__call__`, and its hyper-parameters become dataclass fields.

In legacy Flax one signature held both what configures a module and what it is
applied to.  In Linen the first are fields of a dataclass, given when the module
is constructed, and the second are arguments of `__call__`.  Which is which is
inferred from how they are used, in the method and at the call sites.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.classes import module_class, module_method
from linenify.rules.forms.names import class_variable

RULE = Rule(
    code="LN201",
    name="apply-method",
    doc=__doc__,
    forms=(class_variable, module_class, module_method),
    examples=(
        (
            """\
class Block(nn.Module):

  def apply(self, x, features, act=nn.relu):
    return act(nn.Dense(x, features))
""",
            """\
class Block(nn.Module):

  features: int
  act: Callable = nn.relu

  @nn.compact
  def __call__(self, x):
    return self.act(nn.Dense(self.features)(x))
""",
        ),
    ),
)
