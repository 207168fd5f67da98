"""By hand: what a notice asks to look at."""

from __future__ import annotations

from linenify.rules.by_hand.page import ByHand

PAGES = {
    "LN801": ByHand(
        why="""\
An id that the table does not have was taken to the nearest one that it has; Linen answers
NaN, so that such ids are noticed.  Only where they occur on purpose, say so.  `--exact`
writes the clamp everywhere.""",
        before="""\
from flax import nn


class Words(nn.Module):

  def apply(self, ids):
    return nn.Embed(ids, 9, 4)
""",
        after="""\
import jax.numpy as jnp
from flax import linen as nn


class Words(nn.Module):

  @nn.compact
  def __call__(self, ids):
    return nn.Embed(9, 4)(jnp.clip(ids, -9, 8))
""",
        check="Words().init_with_output(key, jnp.array([8, 99]))[0].shape == (2, 4)",
    ),
    "LN802": ByHand(
        why="""\
Legacy attention without `attention_axis` attended over all axes between batch and features
at once.  Linen attends over the one before the features.  For (batch, length, features), the
form of sequences, they are the same; an image is made a sequence first.""",
        before="""\
from flax import nn


class Mixer(nn.Module):

  def apply(self, x):
    return nn.SelfAttention(x, num_heads=2)
""",
        after="""\
from flax import linen as nn


class Mixer(nn.Module):

  @nn.compact
  def __call__(self, x):
    pixels = x.reshape(x.shape[0], -1, x.shape[-1])
    return nn.SelfAttention(num_heads=2)(pixels).reshape(x.shape)
""",
        check="Mixer().init_with_output(key, x.reshape(1, 2, 1, 4))[0].shape == (1, 2, 1, 4)",
    ),
    "LN803": ByHand(
        why="""\
A row of attention in which everything is masked has equal weights on both sides, but legacy
added a large negative bias, through which gradients flow, and Linen replaces the scores.  A
loss that leaves padded positions out gives such rows no gradient at all, and nothing differs.""",
        before="""\
from flax import nn


class Encoder(nn.Module):

  def apply(self, x, mask):
    return nn.SelfAttention(x, num_heads=2, padding_mask=mask)
""",
        after="""\
from flax import linen as nn


class Encoder(nn.Module):

  @nn.compact
  def __call__(self, x, mask):
    seen = mask[..., 0] > 0
    attended = nn.SelfAttention(num_heads=2)(x, mask=nn.make_attention_mask(seen, seen))
    return attended * mask  # padded positions give no gradient
""",
        check="Encoder().init_with_output(key, x[None], x[None, :, :1])[0].shape == (1, 2, 4)",
    ),
    "LN804": ByHand(
        why="""\
A callable that nobody in sight hands in is called with one array.  A function (an activation)
stays as it is, and that is what linenify takes it for; a module class would have to be
constructed first.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x, norm):
    return nn.Dense(norm(x), 4)
""",
        after="""\
from typing import Callable

from flax import linen as nn


class Net(nn.Module):

  norm: Callable = nn.LayerNorm

  @nn.compact
  def __call__(self, x):
    return nn.Dense(4)(self.norm()(x))
""",
        check="Net().init_with_output(key, x)[0].shape == (2, 4)",
    ),
    "LN805": ByHand(
        why="""\
Legacy DenseGeneral over an inner axis added its bias along the axis where the old features
stood, which fails or, where the sizes happen to agree, adds it to the wrong places.  Linen
adds it along the new features.  A program that worked without noticing drops the bias.""",
        before="""\
from flax import nn


class Mix(nn.Module):

  def apply(self, x):
    return nn.DenseGeneral(x, 4, axis=1)
""",
        after="""\
from flax import linen as nn


class Mix(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.DenseGeneral(4, axis=1, use_bias=False)(x)
""",
        check="Mix().init_with_output(key, x[None])[0].shape == (1, 4, 4)",
    ),
    "LN806": ByHand(
        why="""\
Along `batch_dims` legacy drew one slice of the kernel and used it for all, Linen draws each
by itself.  Trained or loaded params do not care.  Where equal first values are wanted, draw
one slice and repeat it.""",
        before="""\
from flax import nn


class Each(nn.Module):

  def apply(self, x):
    return nn.DenseGeneral(x, 4, batch_dims=(0,))
""",
        after="""\
import jax
import jax.numpy as jnp
from flax import linen as nn


def alike(key, shape, dtype=jnp.float32):
  scale = shape[-2] ** -0.5
  one = scale * jax.random.normal(key, shape[1:], dtype)
  return jnp.broadcast_to(one, shape)


class Each(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.DenseGeneral(4, batch_dims=(0,), kernel_init=alike)(x)
""",
        check="Each().init_with_output(key, x)[0].shape == (2, 4)",
    ),
    "LN807": ByHand(
        why="""\
The Model that arrives here may be of one class or another, so no module can be named at the
call.  linenify keeps it one object: a small pytree class with the module and its variables.
That works as it is.  Many prefer to pass the module beside its params.""",
        before="""\
from flax import nn


class Small(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 2)


class Large(nn.Module):

  def apply(self, x):
    return nn.Dense(nn.relu(nn.Dense(x, 8)), 2)


def load(key, x, large):
  net = Large if large else Small
  _, params = net.init(key, x)
  return nn.Model(net, params)


def run(model, x):
  return model(x)


def main(key, x, large):
  return run(load(key, x, large), x)
""",
        after="""\
from flax import linen as nn


class Small(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.Dense(2)(x)


class Large(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.Dense(2)(nn.relu(nn.Dense(8)(x)))


def load(key, x, large):
  net = Large() if large else Small()
  return net, net.init(key, x)['params']


def run(net, params, x):
  return net.apply({'params': params}, x)


def main(key, x, large):
  net, params = load(key, x, large)
  return run(net, params, x)
""",
        check="main(key, x, True).shape == (2, 2)",
    ),
    "LN808": ByHand(
        why="""\
The function is still in Flax and does something else, which its callers may or may not
notice.  Checkpoints are folders of Orbax today, below an absolute path; a flag of Flax brings
the single files of old back.""",
        before="""\
from flax.training import checkpoints


def save(folder, state, step):
  checkpoints.save_checkpoint(folder, state, step)
""",
        after="""\
from pathlib import Path

from flax import serialization


def save(folder, state, step):
  Path(folder).mkdir(parents=True, exist_ok=True)
  path = Path(folder) / f'checkpoint_{step}'
  path.write_bytes(serialization.to_bytes(state))
""",
    ),
    "LN809": ByHand(
        why="""\
A step of a legacy optimizer gave params whatever dtype the arithmetic had: `bfloat16` params
became `float32` at the first step.  optax casts every step back.  Keep params in `float32`
and compute in `bfloat16`, which is what Linen's `dtype` is for.""",
        before="""\
import jax.numpy as jnp
from flax import nn, optim


def ones(key, shape):
  return jnp.ones(shape, jnp.bfloat16)


class Scale(nn.Module):

  def apply(self, x):
    return x * self.param('scale', (4,), ones)


def start(key, x):
  _, params = Scale.init(key, x)
  return optim.Adam(1e-3).create(params)
""",
        after="""\
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax.training import train_state


class Scale(nn.Module):

  @nn.compact
  def __call__(self, x):
    scale = self.param('scale', nn.initializers.ones, (4,))
    return x * scale.astype(jnp.bfloat16)


def start(key, x):
  params = Scale().init(key, x)['params']
  return train_state.TrainState.create(
      apply_fn=Scale().apply, params=params, tx=optax.adam(1e-3))
""",
        check="start(key, x).params['scale'].dtype == jnp.float32",
    ),
    "LN810": ByHand(
        why="""\
With `--keep-names` the leaves of an old checkpoint find their names, but this one has another
shape in Linen.  `linenify remap` reshapes it; in a program of your own, do it where the
checkpoint is loaded.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x):
    return nn.GroupNorm(x, num_groups=2)
""",
        after="""\
import jax
from flax import linen as nn


class Net(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.GroupNorm(num_groups=2, name='GroupNorm_0')(x)


def loaded(legacy):  # (1, 1, features) -> (features,)
  return jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[-1]), legacy)
""",
        check="loaded({'scale': x[None, :1]})['scale'].shape == (4,)",
        option="keep-names",
    ),
    "LN817": ByHand(
        why="""\
While it initialises, a Linen module may always make collections; in legacy it had a state
only inside of `nn.stateful`.  Where both branches make the same params, nothing is lost; a
part of the result that is not wanted is dropped.""",
        before="""\
import jax
from flax import nn


class Ema(nn.Module):

  def apply(self, x):
    ema = self.state('ema', (x.shape[-1],), nn.initializers.zeros)
    if self.is_stateful():
      ema.value = 0.9 * ema.value + 0.1 * x.mean(0)
    return nn.Dense(x - ema.value, 2)


def start(key, x):
  _, params = Ema.init(key, x)
  return params
""",
        after="""\
import jax
import jax.numpy as jnp
from flax import linen as nn


class Ema(nn.Module):

  @nn.compact
  def __call__(self, x):
    ema = self.variable('state', 'ema', jnp.zeros, (x.shape[-1],))
    if self.is_mutable_collection('state'):
      ema.value = 0.9 * ema.value + 0.1 * x.mean(0)
    return nn.Dense(2)(x - ema.value)


def start(key, x):
  return Ema().init(key, x)['params']
""",
        check="list(start(key, x)) == ['Dense_0']",
    ),
    "LN818": ByHand(
        why="""\
In legacy the second run of a shared BatchNorm while initialising updated its running
statistics; Linen updates none then.  Training overwrites them in either world; an evaluation
of fresh variables gives other numbers.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x, train=True):
    norm = nn.BatchNorm.shared(use_running_average=not train)
    return norm(norm(x))
""",
        after="""\
from flax import linen as nn


class Net(nn.Module):

  train: bool = True

  @nn.compact
  def __call__(self, x):
    norm = nn.BatchNorm(use_running_average=not self.train)
    return norm(norm(x))
""",
        check="Net().init_with_output(key, x)[0].shape == (2, 4)",
    ),
    "LN819": ByHand(
        why="""\
A Model is handed to code that linenify does not see, so that it stays an object, and
whatever unknown thing is called there may be such an object.  A `BoundModel` is called as a
Model was, with inputs only.  Where all of the program is in sight, pass the params and name
the module.""",
        before="""\
import somelib
from flax import nn


class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 2)


def build(key, x):
  _, params = Net.init(key, x)
  return nn.Model(Net, params)


def loss(model, x):
  return model(x).sum()


somelib.train(build, loss)
""",
        after="""\
from flax import linen as nn


class Net(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.Dense(2)(x)


def build(key, x):
  return Net().init(key, x)['params']


def loss(params, x):
  return Net().apply({'params': params}, x).sum()
""",
        check="loss(build(key, x), x).shape == ()",
    ),
    "LN813": ByHand(
        why="""\
`jax.random.shuffle` shuffled along the first axis, each column on its own, which tears rows
apart; nearly always whole rows were meant, and `jax.random.permutation` moves those.  Where
columns are to be shuffled apart, say so with `independent`.""",
        before="""\
import jax


def mixed(key, table):
  return jax.random.shuffle(key, table)
""",
        after="""\
import jax


def mixed(key, table):
  return jax.random.permutation(key, table, independent=True)
""",
        check="mixed(key, x).shape == (2, 4)",
    ),
}
