"""By hand: module classes."""

from __future__ import annotations

from linenify.rules.by_hand.page import ByHand

PAGES = {
    "LN290": ByHand(
        why="""\
A class that takes its own construction in hand (`__new__`, `__init__`, a metaclass, a base
that linenify cannot see, a hyper-parameter that it changes in place) may do anything there.
Linen constructs modules often, and hands them fields only: what has to happen once for each
module moves into `__post_init__` or `setup`, what concerns the class stays outside of it.""",
        before="""\
from flax import nn


class Scaled(nn.Module):

  def __new__(cls, x, factor):
    return super().__new__(cls, x, abs(factor))

  def apply(self, x, factor):
    return factor * nn.Dense(x, 4)
""",
        after="""\
from flax import linen as nn


class Scaled(nn.Module):

  factor: float

  @nn.compact
  def __call__(self, x):
    return abs(self.factor) * nn.Dense(4)(x)
""",
        check="Scaled(-2.0).init_with_output(key, x)[0].shape == (2, 4)",
    ),
    "LN291": ByHand(
        why="""\
A decorator sees the arguments of `apply`.  In Linen some of them are fields, which do not
pass through it, so what it does with them decides where it belongs: around `__call__` when
it works on inputs, on the class when it configures hyper-parameters.""",
        before="""\
from flax import nn

from project.checks import finite


class Head(nn.Module):

  @finite
  def apply(self, x, features):
    return nn.Dense(x, features)
""",
        after="""\
from flax import linen as nn

from project.checks import finite


class Head(nn.Module):

  features: int

  @nn.compact
  @finite
  def __call__(self, x):
    return nn.Dense(self.features)(x)
""",
    ),
    "LN292": ByHand(
        why="""\
A field has one default for the whole class.  Where two methods had different ones, linenify
leaves the argument with the methods; here a comment says that it is to be a field.  Take the
default that callers rely on, or keep two fields under two names.""",
        before="""\
from flax import nn


class Coder(nn.Module):

  def apply(self, x,
            width=4):  # linenify: field
    return nn.Dense(x, width, name='inner')

  @nn.module_method
  def decode(self, x,
             width=8):  # linenify: field
    return nn.Dense(x, width, name='outer')
""",
        after="""\
from flax import linen as nn


class Coder(nn.Module):

  width: int = 4
  decoded_width: int = 8

  @nn.compact
  def __call__(self, x):
    return nn.Dense(self.width, name='inner')(x)

  @nn.compact
  def decode(self, x):
    return nn.Dense(self.decoded_width, name='outer')(x)
""",
    ),
    "LN293": ByHand(
        why="""\
Fields are declared by name, and `**kwargs` has no names.  Write down what callers really
pass; a set that has to stay open becomes one field that holds a dict.""",
        before="""\
from flax import nn


class Base(nn.Module):

  def apply(self, x, *widths):
    for width in widths:
      x = nn.Dense(x, width)
    return x


class Tall(Base):

  def apply(self, x, *widths):
    return super().apply(x, *widths) + 1
""",
        after="""\
from typing import Sequence

from flax import linen as nn


class Base(nn.Module):

  widths: Sequence[int]

  @nn.compact
  def __call__(self, x):
    for width in self.widths:
      x = nn.Dense(width)(x)
    return x


class Tall(Base):

  @nn.compact
  def __call__(self, x):
    return super().__call__(x) + 1
""",
        check="Tall((5, 4)).init_with_output(key, x)[0].shape == (2, 4)",
    ),
    "LN294": ByHand(
        why="""\
A Linen module is frozen while it runs: the same instance may be run again, and under `jit`.
What has to leave a method is returned, or sown into a collection; what another method needs
is passed to it.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x, width):
    if width:
      self.hidden = nn.Dense(x, width)
    else:
      self.hidden = x
    return self.head()

  def head(self):
    return nn.relu(self.hidden)
""",
        after="""\
from flax import linen as nn


class Net(nn.Module):

  width: int

  @nn.compact
  def __call__(self, x):
    hidden = nn.Dense(self.width)(x) if self.width else x
    return self.head(hidden)

  def head(self, hidden):
    return nn.relu(hidden)
""",
        check="Net(4).init_with_output(key, x)[0].shape == (2, 4)",
    ),
    "LN295": ByHand(
        why="""\
In legacy each call of `super().apply` passed hyper-parameters anew.  In Linen base and
subclass are one instance with one set of fields, so the base cannot be given another value.
Move what both share into a method that takes the value as an argument.""",
        before="""\
import json

from flax import nn


class Block(nn.Module):

  def apply(self, x, width=2):
    return nn.Dense(x, width)


class Configured(Block):

  def apply(self, x, path):
    return super().apply(x, **json.load(open(path)))
""",
        after="""\
import json

from flax import linen as nn


class Block(nn.Module):

  width: int = 2

  @nn.compact
  def __call__(self, x):
    return self.block(x, self.width)

  def block(self, x, width):
    return nn.Dense(width)(x)


class Configured(Block):

  path: str = ''

  @nn.compact
  def __call__(self, x):
    return self.block(x, **json.load(open(self.path)))
""",
    ),
    "LN296": ByHand(
        why="""\
`locals()` gives the arguments of the method, and in Linen half of them are fields and no
longer among its locals.  Name what is meant.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x, width, depth=2):
    options = locals()
    for _ in range(depth):
      x = nn.Dense(x, options['width'])
    return x
""",
        after="""\
from flax import linen as nn


class Net(nn.Module):

  width: int
  depth: int = 2

  @nn.compact
  def __call__(self, x):
    options = {'width': self.width, 'depth': self.depth}
    for _ in range(self.depth):
      x = nn.Dense(options['width'])(x)
    return x
""",
        check="Net(4).init_with_output(key, x)[0].shape == (2, 4)",
    ),
    "LN297": ByHand(
        why="""\
A `module_method` that was called on `self` opened a submodule of its own at every call, with
its own parameters: `encode_0`, `encode_1`.  A method of a Linen module has no scope of its
own.  A class of its own has one; give it the old names where checkpoints have to load.""",
        before="""\
from flax import nn


class Siamese(nn.Module):

  def apply(self, x, y, width):
    return self.encode(x, width) - self.encode(y, width)

  @nn.module_method
  def encode(self, x, width):
    return nn.relu(nn.Dense(x, width))
""",
        after="""\
from flax import linen as nn


class Encode(nn.Module):

  width: int

  @nn.compact
  def __call__(self, x):
    return nn.relu(nn.Dense(self.width)(x))


class Siamese(nn.Module):

  width: int

  @nn.compact
  def __call__(self, x, y):
    left = Encode(self.width, name='encode_0')(x)
    return left - Encode(self.width, name='encode_1')(y)
""",
        check="set(Siamese(4).init(key, x, x)['params']) == {'encode_0', 'encode_1'}",
    ),
    "LN298": ByHand(
        why="""\
Legacy numbered all submodules of a module together, Linen those of each class.  A name that
was free in legacy may be one that Linen gives to a sibling by itself, and then Linen fails.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x):
    x = nn.LayerNorm(nn.Dense(x, 4, name='Dense_0'))
    return nn.Dense(x, 4)
""",
        after="""\
from flax import linen as nn


class Net(nn.Module):

  @nn.compact
  def __call__(self, x):
    x = nn.LayerNorm()(nn.Dense(4, name='first')(x))
    return nn.Dense(4, name='second')(x)
""",
        check="set(Net().init(key, x)['params']) == {'first', 'second', 'LayerNorm_0'}",
    ),
    "LN790": ByHand(
        why="""\
The number that legacy gave a submodule depends on how many were made before it.  Where that
is decided at run time, no text says it, and the class keeps Linen's names; `linenify remap`
traces the module and renames the leaves of a checkpoint instead.  Names of your own end the
question for good.""",
        before="""\
from flax import nn


class Stack(nn.Module):

  def apply(self, x, layers, width):
    for layer in layers:
      x = layer(x) if callable(layer) else nn.Dense(x, layer)
    return nn.Dense(x, width)
""",
        after="""\
from typing import Any, Sequence

from flax import linen as nn


class Stack(nn.Module):

  layers: Sequence[Any]
  width: int

  @nn.compact
  def __call__(self, x):
    for index, layer in enumerate(self.layers):
      x = layer(x) if callable(layer) else nn.Dense(layer, name=f'layer_{index}')(x)
    return nn.Dense(self.width, name='head')(x)
""",
        check="set(Stack((nn.relu, 3), 4).init(key, x)['params']) == {'layer_1', 'head'}",
        option="keep-names",
    ),
}
