"""By hand: lists, dicts, classes and methods that travel as values."""

from __future__ import annotations

from linenify.rules.by_hand.page import ByHand

_NET = """\
from flax import linen as nn


class Net(nn.Module):

"""

PAGES = {
    "LN281": ByHand(
        why="""\
Linen freezes its fields: a list becomes a tuple.  Code that asks which of the two it has gets
another answer than before.  Decide what the question is for, and ask that.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x, widths):
    if type(widths) is list:
      x = nn.relu(x)
    for width in widths:
      x = nn.Dense(x, width)
    return x


def start(key, x, deep):
  return Net.init(key, x, widths=[4, 4] if deep else (4,))
""",
        after="""\
from typing import Sequence

from flax import linen as nn


class Net(nn.Module):

  widths: Sequence[int]
  activate: bool = False

  @nn.compact
  def __call__(self, x):
    if self.activate:
      x = nn.relu(x)
    for width in self.widths:
      x = nn.Dense(width)(x)
    return x


def start(key, x, deep):
  net = Net(widths=(4, 4), activate=True) if deep else Net(widths=(4,))
  output, variables = net.init_with_output(key, x)
  return output, variables['params']
""",
        check="start(key, x, True)[0].shape == (2, 4)",
    ),
    "LN282": ByHand(
        why="""\
Linen freezes its fields: a dict becomes a FrozenDict, which looks alike and is none.  Where
a plain dict is needed (`json`, a C function, a change of one's own), make one.""",
        before="""\
import json

from flax import nn


class Net(nn.Module):

  def apply(self, x, options):
    return nn.Dense(x, len(json.dumps(options)))


def start(key, x, wide):
  return Net.init(key, x, options={'width': 4} if wide else None)
""",
        after="""\
import json
from typing import Any

from flax import core
from flax import linen as nn


class Net(nn.Module):

  options: Any = None

  @nn.compact
  def __call__(self, x):
    options = None if self.options is None else core.unfreeze(self.options)
    return nn.Dense(len(json.dumps(options)))(x)


def start(key, x, wide):
  net = Net(options={'width': 4} if wide else None)
  output, variables = net.init_with_output(key, x)
  return output, variables['params']
""",
        check="start(key, x, True)[0].shape == (2, 12)",
    ),
    "LN815": ByHand(
        why="""\
A default that is a list is made once, so a method that adds to it adds to what all later
calls begin with.  A field begins anew for each module.  If the calls were meant to share it,
keep it where that can be seen.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x, seen=[]):
    seen.append(x.shape)
    return nn.Dense(x, len(seen))
""",
        after=_NET
        + """\
  @nn.compact
  def __call__(self, x, seen=()):
    seen = [*seen, x.shape]
    return nn.Dense(len(seen))(x)
""",
        check="Net().init_with_output(key, x)[0].shape == (2, 1)",
    ),
    "LN197": ByHand(
        why="""\
Linen layers pass the dtype of their params to every initialiser, legacy layers passed none, so
one with a dtype of its own gets another now.  Where it cannot be wrapped in place (it travels
in a dict), let the initialiser say what it makes, whatever it is asked for.""",
        before="""\
import jax.numpy as jnp
from flax import nn


def ones(key, shape, dtype=jnp.bfloat16):
  return jnp.ones(shape, dtype)


OPTIONS = {'kernel_init': ones}


class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 4, **OPTIONS)
""",
        after="""\
import jax.numpy as jnp
from flax import linen as nn


def ones(key, shape, dtype=None):
  del dtype  # what Linen asks for
  return jnp.ones(shape, jnp.bfloat16)


OPTIONS = {'kernel_init': ones}


class Net(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.Dense(4, **OPTIONS)(x)
""",
        check="Net().init(key, x)['params']['Dense_0']['kernel'].dtype == jnp.bfloat16",
    ),
    "LN381": ByHand(
        why="""\
`Cell.partial(...)` was a class with all its methods, and a class method saw what was bound.
`functools.partial(Cell, ...)` is none.  Call the class method on the class and bind
afterwards, or give it what it needs.""",
        before="""\
from flax import nn


class Cell(nn.Module):

  def apply(self, x, size, scale=1.0):
    return scale * nn.Dense(x, size)

  @classmethod
  def wider(cls, by):
    return cls.partial(scale=by)


class Net(nn.Module):

  def apply(self, x):
    part = Cell.partial(size=2)
    return part.wider(3.0)(x)
""",
        after="""\
import functools

from flax import linen as nn


class Cell(nn.Module):

  size: int
  scale: float = 1.0

  @nn.compact
  def __call__(self, x):
    return self.scale * nn.Dense(self.size)(x)

  @classmethod
  def wider(cls, by):
    return functools.partial(cls, scale=by)


class Net(nn.Module):

  @nn.compact
  def __call__(self, x):
    return Cell.wider(3.0)(size=2)(x)
""",
        check="Net().init_with_output(key, x)[0].shape == (2, 2)",
    ),
    "LN382": ByHand(
        why="""\
`is_stateful` was true inside of any `nn.stateful`, whether or not the module kept a state.
In Linen a collection is there when somebody passed it or makes it, and each is asked for by
name.  A plain argument says it best.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x):
    return x if self.is_stateful() else nn.Dense(x, 4)
""",
        after=_NET
        + """\
  @nn.compact
  def __call__(self, x, stateful=False):
    return x if stateful else nn.Dense(4)(x)
""",
        check="Net().init_with_output(key, x)[0].shape == (2, 4)",
    ),
    "LN383": ByHand(
        why="""\
In a run without a state BatchNorm makes its collection all the same, so that what is asked
behind it finds one.  Asked before, the answer is that of legacy.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x):
    x = nn.BatchNorm(x)
    return x if self.is_stateful() else 2 * x
""",
        after=_NET
        + """\
  @nn.compact
  def __call__(self, x):
    stateful = self.is_initializing() or 'batch_stats' in self.variables
    x = nn.BatchNorm(use_running_average=not stateful)(x)
    return x if stateful else 2 * x
""",
        check="Net().init_with_output(key, x)[0].shape == (2, 4)",
    ),
    "LN385": ByHand(
        why="""\
A project that is half migrated: the call is in Linen form, the class still in legacy form.
What the class becomes does not fit the call.  Bring one of them in line with the other.""",
        before="""\
from flax import linen
from flax import nn


class Inner(nn.Module):

  def apply(self, x, depth, width):
    for _ in range(depth):
      x = nn.Dense(x, width)
    return x


class Outer(linen.Module):

  options: dict

  @linen.compact
  def __call__(self, x):
    return Inner(4, **self.options)(x)
""",
        after="""\
from flax import linen


class Inner(linen.Module):

  depth: int
  width: int

  @linen.compact
  def __call__(self, x):
    for _ in range(self.depth):
      x = linen.Dense(self.width)(x)
    return x


class Outer(linen.Module):

  options: dict

  @linen.compact
  def __call__(self, x):
    return Inner(4, **self.options)(x)
""",
        check="Outer({'width': 3}).init_with_output(key, x)[0].shape == (2, 3)",
    ),
    "LN386": ByHand(
        why="""\
A project that is half migrated: the class is in Linen form, what uses it still in legacy
form.  linenify does not guess which arguments the class took before.""",
        before="""\
from flax import linen, nn


class Inner(linen.Module):

  width: int

  @linen.compact
  def __call__(self, x):
    return linen.Dense(self.width)(x)


class Outer(nn.Module):

  def apply(self, x, width):
    return Inner(x, width)
""",
        after="""\
from flax import linen


class Inner(linen.Module):

  width: int

  @linen.compact
  def __call__(self, x):
    return linen.Dense(self.width)(x)


class Outer(linen.Module):

  width: int

  @linen.compact
  def __call__(self, x):
    return Inner(self.width)(x)
""",
        check="Outer(3).init_with_output(key, x)[0].shape == (2, 3)",
    ),
    "LN695": ByHand(
        why="""\
The function is not seen, and was written for an optimizer with `target` and `state`.  A
TrainState has `params`, `opt_state` and `step`.  Hand it what it needs.""",
        before="""\
from flax import optim

from library import report


def train(params, grads):
  optimizer = optim.Adam(1e-3).create(params)
  report(optimizer)
  return optimizer.apply_gradient(grads)
""",
        after="""\
import optax
from flax.training import train_state

from library import report


def train(params, grads):
  state = train_state.TrainState.create(
      apply_fn=None, params=params, tx=optax.adam(1e-3))
  report(state.params, state.step)
  return state.apply_gradients(grads=grads)
""",
        check="train({'w': x}, {'w': x}).step == 1",
    ),
}
