"""By hand: calls of modules."""

from __future__ import annotations

from linenify.rules.by_hand.page import ByHand

PAGES = {
    "LN390": ByHand(
        why="""\
Linen takes hyper-parameters where the module is constructed and inputs where it is called,
so every argument has to go to one side or the other.  A dict whose keys are not in the code
may hold both.  Say which is which, and the call can be split.""",
        before="""\
import json

from flax import nn


class Net(nn.Module):

  def apply(self, x, width, mask=None):
    x = nn.Dense(x, width)
    return x if mask is None else x * mask


class Tower(nn.Module):

  def apply(self, x, path):
    return Net(x, **json.load(open(path)))


def masked(key, x, mask):
  return Net.init(key, x, width=3, mask=mask)
""",
        after="""\
import json

from flax import linen as nn


class Net(nn.Module):

  width: int

  @nn.compact
  def __call__(self, x, mask=None):
    x = nn.Dense(self.width)(x)
    return x if mask is None else x * mask


class Tower(nn.Module):

  path: str

  @nn.compact
  def __call__(self, x, mask=None):
    fields = json.load(open(self.path))  # holds hyper-parameters only
    return Net(**fields)(x, mask)


def masked(key, x, mask):
  return Net(width=3).init_with_output(key, x, mask=mask)
""",
        check="masked(key, x, x[:, :3])[0].shape == (2, 3)",
    ),
    "LN391": ByHand(
        why="""\
A callable that comes from outside is called with a `name`, as only modules are, and may be
one.  If so, construct it first; a plain function never took a name.  Let callers hand in
functions that make a layer, and the call is the same for all of them.""",
        before="""\
from flax import nn

from project.layers import layer_called


class Net(nn.Module):

  def apply(self, x, width, kind):
    layer = layer_called(kind)
    return layer(x, width, name='layer')
""",
        after="""\
from flax import linen as nn

from project.layers import layer_called


class Net(nn.Module):

  width: int
  kind: str

  @nn.compact
  def __call__(self, x):
    layer = layer_called(self.kind)  # a Linen module class
    return layer(self.width, name='layer')(x)
""",
    ),
    "LN392": ByHand(
        why="""\
A module class has to be constructed before it is called, a function has not.  Where one
variable may hold both, no single spelling is right.  Hand in what can be called at once:
functions as they are, modules as instances.""",
        before="""\
from flax import nn


class Chain(nn.Module):

  def apply(self, x, steps):
    for step in steps:
      x = step(x)
    return x


class Net(nn.Module):

  def apply(self, x):
    return Chain(x, [nn.Dense.partial(features=4), nn.relu, nn.LayerNorm])
""",
        after="""\
from typing import Callable, Sequence

from flax import linen as nn


class Chain(nn.Module):

  steps: Sequence[Callable]

  @nn.compact
  def __call__(self, x):
    for step in self.steps:
      x = step(x)
    return x


class Net(nn.Module):

  @nn.compact
  def __call__(self, x):
    return Chain([nn.Dense(features=4), nn.relu, nn.LayerNorm()])(x)
""",
        check="Net().init_with_output(key, x)[0].shape == (2, 4)",
    ),
    "LN393": ByHand(
        why="""\
`.partial` could bind anything, an array too.  A Linen instance holds hyper-parameters only;
an input is passed where the module is called.  A value that never changes may become a field
instead: `"Scaled.apply.factor" = "field"` in `[tool.linenify.roles]`.""",
        before="""\
import jax.numpy as jnp
from flax import nn


class Scaled(nn.Module):

  def apply(self, x, factor):
    return nn.Dense(x * factor, 4)


class Net(nn.Module):

  def apply(self, x):
    scaled = Scaled.partial(factor=jnp.mean(x))
    return scaled(x)
""",
        after="""\
import jax.numpy as jnp
from flax import linen as nn


class Scaled(nn.Module):

  @nn.compact
  def __call__(self, x, factor):
    return nn.Dense(4)(x * factor)


class Net(nn.Module):

  @nn.compact
  def __call__(self, x):
    return Scaled()(x, jnp.mean(x))
""",
        check="Net().init_with_output(key, x)[0].shape == (2, 4)",
    ),
    "LN394": ByHand(
        why="""\
A raw JAX transform runs its body with tracers of its own.  Parameters that a module makes
in there would be such tracers, and leak.  Linen's lifted transforms (`nn.scan`, `nn.vmap`,
`nn.remat`, `nn.jit`) take the variables through the transform; say for each collection
whether it is shared by all steps or has an axis.""",
        before="""\
import jax
from flax import nn


class Net(nn.Module):

  def apply(self, x, width, steps):
    def step(_, y):
      return nn.tanh(nn.Dense(y, width))

    return jax.lax.fori_loop(0, steps, step, x)
""",
        after="""\
from flax import linen as nn


class Net(nn.Module):

  width: int
  steps: int

  @nn.compact
  def __call__(self, x):
    def step(self, y, _):
      return nn.tanh(nn.Dense(self.width, name='Dense_0')(y)), None

    loop = nn.scan(
        step,
        variable_broadcast='params',
        split_rngs={'params': False},
        length=self.steps)
    return loop(self, x, None)[0]
""",
        check="Net(4, 3).init_with_output(key, x)[0].shape == (2, 4)",
    ),
    "LN395": ByHand(
        why="""\
Code that linenify cannot see was handed a module class.  Legacy code called it with inputs
and hyper-parameters together; in Linen it gets a class that it has to construct first.  Most
such code wants something that is called with inputs: hand it an instance.""",
        before="""\
from flax import nn

from library import residual


class Net(nn.Module):

  def apply(self, x):
    return residual(nn.Dense, x, 4)
""",
        after="""\
from flax import linen as nn

from library import residual


class Net(nn.Module):

  @nn.compact
  def __call__(self, x):
    return residual(nn.Dense(4), x)
""",
    ),
    "LN396": ByHand(
        why="""\
Legacy attention took separate masks (causal, padding, segments), added them up as a bias,
and could attend over any axes.  Linen takes one boolean mask, and attends over the axis
before the last.  An attention function of one's own gets the mask where it got a bias.""",
        before="""\
import jax
import jax.numpy as jnp
from flax import nn


def attend(query, key, value, bias=None, **options):
  weights = jnp.einsum('bqhd,bkhd->bhqk', query, key)
  weights = jax.nn.softmax(weights if bias is None else weights + bias)
  return jnp.einsum('bhqk,bkhd->bqhd', weights, value)


class Net(nn.Module):

  def apply(self, x, mask):
    return nn.SelfAttention(x, num_heads=2, attention_fn=attend, padding_mask=mask)
""",
        after="""\
import jax
import jax.numpy as jnp
from flax import linen as nn


def attend(query, key, value, mask=None, **options):
  weights = jnp.einsum('bqhd,bkhd->bhqk', query, key)
  weights = jax.nn.softmax(weights if mask is None else jnp.where(mask, weights, -1e10))
  return jnp.einsum('bhqk,bkhd->bqhd', weights, value)


class Net(nn.Module):

  @nn.compact
  def __call__(self, x, mask):
    mask = mask[..., 0] > 0  # (batch, length, 1) in legacy
    mask = nn.make_attention_mask(mask, mask)
    return nn.SelfAttention(num_heads=2, attention_fn=attend)(x, mask=mask)
""",
        check="Net().init_with_output(key, x[None], x[None, :, :1])[0].shape == (1, 2, 4)",
    ),
    "LN397": ByHand(
        why="""\
A legacy cell read its size off the carry; a Linen cell has a field `features`.  Where the
carry comes from outside, its size is nowhere in the text.""",
        before="""\
from flax import nn

from project.carries import saved_carry


class Run(nn.Module):

  def apply(self, xs, path):
    carry = saved_carry(path)
    cell = nn.LSTMCell.shared(name='cell')
    for x in xs:
      carry, y = cell(carry, x)
    return y
""",
        after="""\
from flax import linen as nn

from project.carries import saved_carry


class Run(nn.Module):

  path: str

  @nn.compact
  def __call__(self, xs):
    carry = saved_carry(self.path)
    cell = nn.LSTMCell(features=carry[0].shape[-1], name='cell')
    for x in xs:
      carry, y = cell(carry, x)
    return y
""",
    ),
    "LN398": ByHand(
        why="""\
The class that is called here was refused, see the mark at its definition.  Its calls wait:
until it is migrated nobody knows which arguments are fields.""",
        before="""\
from flax import nn


class Head(nn.Module):

  def __new__(cls, x, width):
    return super().__new__(cls, x, max(width, 1))

  def apply(self, x, width):
    return nn.Dense(x, width)


class Net(nn.Module):

  def apply(self, x, width):
    return Head(nn.relu(x), width)
""",
        after="""\
from flax import linen as nn


class Head(nn.Module):

  width: int

  @nn.compact
  def __call__(self, x):
    return nn.Dense(max(self.width, 1))(x)


class Net(nn.Module):

  width: int

  @nn.compact
  def __call__(self, x):
    return Head(self.width)(nn.relu(x))
""",
        check="Net(4).init_with_output(key, x)[0].shape == (2, 4)",
    ),
    "LN190": ByHand(
        why="""\
What the name did has no place in Linen or in today's JAX.  Most often the data that it went
through are plain dicts now, and the tools for those do it.""",
        before="""\
from flax import nn


def paths(collection):
  return [path for path, _ in nn.base.iterate_collection(collection)]
""",
        after="""\
from flax import traverse_util


def paths(variables):
  return ['/' + '/'.join(path) for path in traverse_util.flatten_dict(variables)]
""",
        check="paths({'Dense_0': {'bias': 1}}) == ['/Dense_0/bias']",
    ),
    "LN299": ByHand(
        why="""\
Here linenify failed, and not the code: a rule met something that it was not made for.  The
place stays as it was, with this mark.  Please report the lines; by hand they are migrated
like any other call.""",
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
}
