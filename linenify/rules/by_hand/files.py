"""By hand: files that can be imported, and files that belong together."""

from __future__ import annotations

from linenify.rules.by_hand.page import ByHand

PAGES = {
    "LN198": ByHand(
        why="""\
What a file reads while it is imported has to exist, or nothing in the file can be used.  So
a stand-in takes the place of the name, which can be named and does nothing.  Find what does
the work today; the stand-in goes with the last place that names it.""",
        before="""\
from flax import nn

NEW = nn.Conv.new


class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 3)
""",
        after="""\
from flax import linen as nn


def create(key, x, features):
  conv = nn.Conv(features, kernel_size=(3,))
  return conv, conv.init(key, x)['params']


class Net(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.Dense(3)(x)
""",
        check="create(key, jnp.ones((1, 4, 2)), 3)[1]['kernel'].shape == (3, 2, 3)",
    ),
    "LN699": ByHand(
        why="""\
`Net.init` gave outputs and params, and the class it was taken from decided about the rest;
Linen has such methods on instances, with variables in and out.  A function of two lines
hands on what the callers expect.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 3)


def started(key, x, init=Net.init):
  _, params = init(key, x)
  return params
""",
        after="""\
from flax import linen as nn


class Net(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.Dense(3)(x)


def started(key, x, net=Net()):
  return net.init(key, x)['params']
""",
        check="started(key, x)['Dense_0']['kernel'].shape == (4, 3)",
    ),
    "LN821": ByHand(
        why="""\
A file that is lost to a bug of linenify keeps its legacy code, and whatever works with it
has to stay in the same world.  Report the file named in the notice.  Until then migrate it
by hand, and run linenify again: it goes on from there.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 3)
""",
        after="""\
from flax import linen as nn


class Net(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.Dense(3)(x)
""",
        by_accident=True,
    ),
    "LN822": ByHand(
        why="""\
A definition changes together with its callers.  Files that were not given are read, and not
changed: until they follow, the program is half in one world.  `linenify PROJECT` takes them
all at once.""",
        before="""\
from flax import nn
from inner import Inner


class Outer(nn.Module):

  def apply(self, x):
    return Inner(x, 3)
""",
        after="""\
from flax import linen as nn


class Outer(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.Dense(3)(x)
""",
        by_accident=True,
    ),
}
