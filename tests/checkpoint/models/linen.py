"""Small models as they were written for flax.nn: what `linenify` migrated is in `linen.py`."""

import functools
from typing import Any, Callable, Sequence

from flax import linen as nn
import jax
import jax.numpy as jnp


class MLP(nn.Module):

  sizes: Sequence[int] = (8, 5)

  @nn.compact
  def __call__(self, x):
    for size in self.sizes:
      x = nn.relu(nn.Dense(size)(x))
    return nn.Dense(3, name='head')(x)


class ConvNet(nn.Module):

  train: bool = True

  @nn.compact
  def __call__(self, x):
    x = nn.Conv(4, (3, 3), use_bias=False)(x)
    x = nn.BatchNorm(use_running_average=not self.train)(x)
    x = nn.relu(x)
    x = nn.Conv(6, (3, 3), strides=(2, 2))(x)
    x = nn.relu(nn.GroupNorm(num_groups=2)(x))
    return nn.Dense(3)(jnp.mean(x, (1, 2)))


class Block(nn.Module):

  train: bool

  @nn.compact
  def __call__(self, x):
    y = nn.BatchNorm(use_running_average=not self.train)(nn.Conv(4, (3, 3), use_bias=False)(x))
    y = nn.BatchNorm(use_running_average=not self.train)(nn.Conv(4, (3, 3), use_bias=False)(nn.relu(y)))
    return nn.relu(x + y)


class ResNet(nn.Module):

  train: bool = True

  @nn.compact
  def __call__(self, x):
    x = nn.Conv(4, (3, 3), name='stem')(x)
    x = Block(self.train)(x)
    x = Block(self.train)(x)
    return nn.Dense(3)(jnp.mean(x, (1, 2)))


class Nested(nn.Module):
  """Equal shapes in nested calls: legacy numbers them inside out."""

  @nn.compact
  def __call__(self, x):
    x = nn.Dense(6)(nn.relu(nn.Dense(6)(x)))
    x = nn.Dense(6)(x + nn.Dense(6)(nn.tanh(x)))
    return nn.Dense(3)(x)


class Named(nn.Module):
  """Names that end in numbers, and numbered layers between them."""

  @nn.compact
  def __call__(self, x):
    x = nn.relu(nn.Dense(6, name='layer_1')(x))
    x = nn.relu(nn.Dense(6)(x))
    x = nn.relu(nn.Dense(6, name='layer_2')(x))
    w = self.param('w_1', nn.initializers.normal(1.0), (6, 6))
    v = self.param('w_3', nn.initializers.normal(1.0), (6, 6))
    return nn.Dense(3)(jnp.tanh(x @ w) @ v)


class Deep(nn.Module):
  """More than ten children."""

  @nn.compact
  def __call__(self, x):
    for _ in range(12):
      x = x + 0.5 * nn.tanh(nn.Dense(6)(nn.LayerNorm()(x)))
    return nn.Dense(3)(x)


class Tied(nn.Module):
  """An unnamed shared embedding, called `0` by legacy."""

  @nn.compact
  def __call__(self, x):
    embed = nn.Embed(num_embeddings=7, features=6)
    y = embed(x)
    y = nn.LayerNorm()(y + nn.Dense(6)(y))
    return jnp.mean(embed.attend(y), 1)[:, :3]


class Transformer(nn.Module):

  @nn.compact
  def __call__(self, x):
    x = nn.Embed(7, 8)(x)
    for _ in range(2):
      y = nn.LayerNorm()(x)
      y = nn.MultiHeadDotProductAttention(num_heads=2)(
          y, mask=nn.make_causal_mask(y[..., 0]))
      x = x + y
      y = nn.Dense(8)(nn.gelu(nn.Dense(16)(nn.LayerNorm()(x))))
      x = x + y
    return nn.Dense(3)(jnp.mean(nn.LayerNorm()(x), 1))


class Recurrent(nn.Module):

  @nn.compact
  def __call__(self, x):
    carry = nn.LSTMCell(5, parent=None).initialize_carry(
        jax.random.PRNGKey(0), (x.shape[0], 5))
    cell = nn.LSTMCell(features=5, name='cell')
    for step in range(x.shape[1]):
      carry, y = cell(carry, x[:, step])
    return nn.Dense(3)(y)


class Axes(nn.Module):
  """A kernel that contracts its axes in another order than they come."""

  @nn.compact
  def __call__(self, x):
    x = nn.DenseGeneral(6, axis=(2, 1), use_bias=False)(x)
    return nn.Dense(3)(nn.relu(x))


class Functions(nn.Module):

  @nn.compact
  def __call__(self, x):
    x = gated(6)(x)
    x = gated(6)(x)
    return nn.Dense(3)(x)


class gated(nn.Module):
  size: int

  @nn.compact
  def __call__(self, x):
    return nn.Dense(self.size)(x) * nn.sigmoid(nn.Dense(self.size)(x))


class Counter(nn.Module):
  """State of its own, beside that of a layer."""

  @nn.compact
  def __call__(self, x):
    calls = self.variable(
        'state', 'calls', lambda: nn.initializers.zeros(self.make_rng('params'), ()))
    calls.value = calls.value + 1.
    x = nn.Dense(6)(x)
    mean = self.variable(
        'batch_stats',
        'mean',
        lambda: nn.initializers.zeros(self.make_rng('params'), (6,)))
    mean.value = 0.9 * mean.value + 0.1 * jnp.mean(x, 0)
    return nn.Dense(3)(nn.BatchNorm(use_running_average=False)(x) - 0.1 * mean.value)


class Methods(nn.Module):
  """Two methods that share a child."""

  def setup(self):
    self.decoder = nn.Dense(features=3)
    self.encoder = nn.Dense(5)

  def __call__(self, x):
    return self.decoder(nn.relu(self.encoder(x)))

  def decode(self, z):
    return self.decoder(z)


class Values(nn.Module):
  """Module classes, shared instances and partials passed around as values."""

  @nn.compact
  def __call__(self, x):
    shared = nn.Dense(features=6)
    first = functools.partial(nn.Dense, use_bias=False)
    x = Wrapper(first, shared)(x)
    x = Wrapper(nn.Dense, shared, act=nn.relu)(x)
    make = lambda n: functools.partial(nn.Dense, features=n)
    x = make(6)()(x)
    return make(3)(name='last')(x + make(6)()(x))


class Wrapper(nn.Module):

  layer: Callable
  shared: Any
  act: Callable = nn.tanh

  @nn.compact
  def __call__(self, x):
    x = self.layer(6)(x)
    x = self.act(self.shared(x))
    return self.layer(6, name='out')(x)


class Lent(nn.Module):
  """Layers made here are called by a child and by a function."""

  @nn.compact
  def __call__(self, x):
    layer = nn.Dense(features=6)
    named = nn.Dense(features=6, name='named_one')
    y = User(layer, named)(x)
    y = y + layer(jnp.tanh(y))
    return nn.Dense(3)(helper(y, named))


class User(nn.Module):

  layer: Any
  other: Any

  @nn.compact
  def __call__(self, x):
    x = nn.Dense(6)(x)
    return self.other(self.layer(self.layer(x))) + nn.Dense(6)(x)


def helper(x, layer):
  return layer(nn.LayerNorm()(x)) + nn.Dense(6)(x)


class Listed(nn.Module):
  """Shared layers, numbered where they are made, called in another order."""

  @nn.compact
  def __call__(self, x):
    layers = [nn.Dense(features=6) for _ in range(3)]
    heads = {'a': nn.Dense(features=3, name='head'), 'b': nn.Dense(features=3)}
    for layer in reversed(layers):
      x = nn.tanh(layer(x))
    return heads['b'](x) - heads['a'](x)


class Tree(nn.Module):

  depth: int = 3

  @nn.compact
  def __call__(self, x):
    if self.depth == 0:
      return nn.Dense(6)(x)
    y = Tree(depth=self.depth - 1)(nn.tanh(nn.Dense(6)(x)))
    return x + y + Tree(depth=0)(x)


class Recursive(nn.Module):
  """A class that calls itself."""

  @nn.compact
  def __call__(self, x):
    return nn.Dense(3)(Tree()(x))


class Attending(nn.Module):

  @nn.compact
  def __call__(self, x):
    memory = nn.Dense(8)(x[:, ::-1])
    x = nn.Dense(8)(x)
    y = nn.MultiHeadDotProductAttention(num_heads=2)(
        nn.LayerNorm()(x), nn.LayerNorm()(memory))
    x = x + y
    y = nn.MultiHeadDotProductAttention(num_heads=2, qkv_features=4, use_bias=False)(nn.LayerNorm()(x))
    pos = self.param('pos', nn.initializers.normal(0.1), (1, x.shape[1], 8))
    return nn.Dense(3)((x + y + pos).mean(1))


class Pyramid(nn.Module):
  """Children of nested functions and comprehensions."""

  levels: int = 3

  @nn.compact
  def __call__(self, x):
    def up(y, i):
      return nn.Dense(6, name=f'up_{i}')(y) if i else nn.Dense(6)(y)
    parts = [up(x, i) for i in range(self.levels)]
    table = {i: nn.Dense(6)(p) for i, p in enumerate(parts)}
    x = sum(table.values())
    x, y = nn.Dense(6)(x), nn.Dense(6)(x + 1.)
    return nn.Dense(3)(jnp.concatenate([y, x], -1))
