"""A list that became a field is a tuple, a dict a FrozenDict: where code can tell, it is told.

Flax freezes what a module is constructed with.  Where a list or dict is needed,
one is made; where the code asks for a type, the frozen one counts, too.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape
from linenify.rules.forms.names import list_as_tuple, wrap

RULE = Rule(
    code="LN209",
    name="frozen-field",
    doc=__doc__,
    forms=(wrap, reshape, list_as_tuple),
    examples=(
        (
            """\
class Net(nn.Module):

  def apply(self, x, widths=[4, 3]):
    for width in widths[:-1] + [8]:
      x = nn.Dense(x, width)
    return x
""",
            """\
class Net(nn.Module):

  widths: Sequence[int] = (4, 3)

  @nn.compact
  def __call__(self, x):
    for width in list(self.widths[:-1]) + [8]:
      x = nn.Dense(width)(x)
    return x
""",
        ),
        (
            """\
class Head(nn.Module):

  def apply(self, x, sizes=[3]):
    if isinstance(sizes, list):
      x = nn.Dense(x, sizes[0])
    return x
""",
            """\
class Head(nn.Module):

  sizes: Sequence[int] = (3,)

  @nn.compact
  def __call__(self, x):
    if isinstance(self.sizes, (list, tuple)):
      x = nn.Dense(self.sizes[0])(x)
    return x
""",
        ),
    ),
)
