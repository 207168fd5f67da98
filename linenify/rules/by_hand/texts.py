"""By hand: files that cannot be read or migrated, texts, and marks that are left."""

from __future__ import annotations

from linenify.rules.by_hand.page import ByHand

PAGES = {
    "LN823": ByHand(
        why="""\
A text may be anything: a heading, a key that old checkpoints have, or a name that the program
looks up when it runs.  Nothing in it is rewritten.  Only the last kind breaks.""",
        before="""\
import importlib


def layer(name='flax.nn.Dense'):
  module, _, member = name.rpartition('.')
  return getattr(importlib.import_module(module), member)
""",
        after="""\
import importlib


def layer(name='flax.linen.Dense'):
  module, _, member = name.rpartition('.')
  return getattr(importlib.import_module(module), member)
""",
        check="layer()(3).features == 3",
    ),
    "LN826": ByHand(
        why="""\
Somebody left a mark, or took the code out of one of linenify's.  It counts as long as it
stands, so that no gate is green over it.""",
        before="""\
# TODO(linenify): look at this once more
WIDTH = 3
""",
        after="""\
WIDTH = 3
""",
    ),
    "LN824": ByHand(
        why="""\
linenify rewrites Python files.  A configuration for gin may bind an argument that was one of
the class in legacy, and in Linen is one of the call: gin does not find it any more.  Bind it
where the call is made.  Notebooks are exported first, or their cells migrated by hand.""",
        file="settings.gin",
        before="""\
Net.width = 3
Net.train = False
""",
        after="""\
Net.width = 3
evaluate.train = False
""",
        beside={
            "net.py": """\
import gin
from flax import linen as nn


@gin.configurable
class Net(nn.Module):

  width: int

  @nn.compact
  def __call__(self, x, train=True):
    return nn.Dropout(0.5)(nn.Dense(self.width)(x), deterministic=not train)


@gin.configurable
def evaluate(params, x, train):
  return Net().apply({'params': params}, x, train=train)
"""
        },
    ),
    "LN000": ByHand(
        why="""\
linenify checks its own output: it has to parse, to keep every comment, to leave no legacy name
without a word, and to be stable under a second run.  Where a check fails, or a rule does, the
file stays as it was, the program ends with 3, and all other files are dealt with.  This is
our bug, whatever the file says.  Until it is mended, migrate the file by hand, or name it
in `exclude` of `[tool.linenify]`.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x, width):
    return nn.Dense(x, width)
""",
        after="""\
from flax import linen as nn


class Net(nn.Module):

  width: int

  @nn.compact
  def __call__(self, x):
    return nn.Dense(self.width)(x)
""",
        check="Net(4).init_with_output(key, x)[0].shape == (2, 4)",
        by_accident=True,
    ),
    "LN825": ByHand(
        why="""\
A file that is no Python 3, or not in the encoding that it names, cannot be understood, nor can
what other files take from it.  All others are dealt with, and the exit code is 2.""",
        before="""\
from flax import nn

print "layers:", nn.Dense
""",
        after="""\
from flax import linen as nn

print("layers:", nn.Dense)
""",
    ),
}
