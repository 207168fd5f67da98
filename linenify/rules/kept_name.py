"""With `--keep-names`, submodules are called what legacy called them.

Legacy counted all submodules of a module together, in the order of their calls;
Linen counts those of each class, in the order of construction.  With the names
of old, checkpoints load as they are.  Names that a program gave itself stay.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import bind, split_call
from linenify.rules.forms.loops import enumerate_loop

RULE = Rule(
    code="LN701",
    name="kept-name",
    doc=__doc__,
    forms=(split_call, bind, enumerate_loop),
    option="keep-names",
    examples=(
        (
            "x = nn.LayerNorm(nn.Dense(x, 3))",
            "x = nn.LayerNorm(name='LayerNorm_1')(nn.Dense(3, name='Dense_0')(x))",
        ),
        (
            "embed = nn.Embed.shared(num_embeddings=9, features=3)",
            "embed = nn.Embed(num_embeddings=9, features=3, name='0')",
        ),
        (
            """\
class Tower(nn.Module):
  def apply(self, x, widths):
    for width in widths:
      x = nn.Dense(nn.LayerNorm(x), width)
    return x
""",
            """\
class Tower(nn.Module):
  widths: Sequence[int]

  @nn.compact
  def __call__(self, x):
    for i, width in enumerate(self.widths):
      x = nn.Dense(width, name=f'Dense_{2 * i + 1}')(
          nn.LayerNorm(name=f'LayerNorm_{2 * i}')(x))
    return x
""",
        ),
        (
            """\
class Head(nn.Module):
  def apply(self, x, deep):
    if deep:
      x = nn.Dense(x, 8)
    return nn.Dense(x, 2)
""",
            """\
class Head(nn.Module):
  deep: Any

  @nn.compact
  def __call__(self, x):
    numbers = itertools.count()
    if self.deep:
      x = nn.Dense(8, name=f'Dense_{next(numbers)}')(x)
    return nn.Dense(2, name=f'Dense_{next(numbers)}')(x)
""",
        ),
    ),
)
