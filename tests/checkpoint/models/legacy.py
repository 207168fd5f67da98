"""Small models as they were written for flax.nn: what `linenify` migrated is in `linen.py`."""

from flax import nn
import jax
import jax.numpy as jnp


class MLP(nn.Module):

  def apply(self, x, sizes=(8, 5)):
    for size in sizes:
      x = nn.relu(nn.Dense(x, size))
    return nn.Dense(x, 3, name='head')


class ConvNet(nn.Module):

  def apply(self, x, train=True):
    x = nn.Conv(x, 4, (3, 3), bias=False)
    x = nn.BatchNorm(x, use_running_average=not train)
    x = nn.relu(x)
    x = nn.Conv(x, 6, (3, 3), strides=(2, 2))
    x = nn.relu(nn.GroupNorm(x, num_groups=2))
    return nn.Dense(jnp.mean(x, (1, 2)), 3)


class Block(nn.Module):

  def apply(self, x, train):
    y = nn.BatchNorm(nn.Conv(x, 4, (3, 3), bias=False), use_running_average=not train)
    y = nn.BatchNorm(nn.Conv(nn.relu(y), 4, (3, 3), bias=False), use_running_average=not train)
    return nn.relu(x + y)


class ResNet(nn.Module):

  def apply(self, x, train=True):
    x = nn.Conv(x, 4, (3, 3), name='stem')
    x = Block(x, train)
    x = Block(x, train)
    return nn.Dense(jnp.mean(x, (1, 2)), 3)


class Nested(nn.Module):
  """Equal shapes in nested calls: legacy numbers them inside out."""

  def apply(self, x):
    x = nn.Dense(nn.relu(nn.Dense(x, 6)), 6)
    x = nn.Dense(x + nn.Dense(nn.tanh(x), 6), 6)
    return nn.Dense(x, 3)


class Named(nn.Module):
  """Names that end in numbers, and numbered layers between them."""

  def apply(self, x):
    x = nn.relu(nn.Dense(x, 6, name='layer_1'))
    x = nn.relu(nn.Dense(x, 6))
    x = nn.relu(nn.Dense(x, 6, name='layer_2'))
    w = self.param('w_1', (6, 6), nn.initializers.normal(1.0))
    v = self.param('w_3', (6, 6), nn.initializers.normal(1.0))
    return nn.Dense(jnp.tanh(x @ w) @ v, 3)


class Deep(nn.Module):
  """More than ten children."""

  def apply(self, x):
    for _ in range(12):
      x = x + 0.5 * nn.tanh(nn.Dense(nn.LayerNorm(x), 6))
    return nn.Dense(x, 3)


class Tied(nn.Module):
  """An unnamed shared embedding, called `0` by legacy."""

  def apply(self, x):
    embed = nn.Embed.shared(num_embeddings=7, features=6)
    y = embed(x)
    y = nn.LayerNorm(y + nn.Dense(y, 6))
    return jnp.mean(embed.attend(y), 1)[:, :3]


class Transformer(nn.Module):

  def apply(self, x):
    x = nn.Embed(x, 7, 8)
    for _ in range(2):
      y = nn.LayerNorm(x)
      y = nn.SelfAttention(y, num_heads=2, causal_mask=True)
      x = x + y
      y = nn.Dense(nn.gelu(nn.Dense(nn.LayerNorm(x), 16)), 8)
      x = x + y
    return nn.Dense(jnp.mean(nn.LayerNorm(x), 1), 3)


class Recurrent(nn.Module):

  def apply(self, x):
    carry = nn.LSTMCell.initialize_carry(jax.random.PRNGKey(0), (x.shape[0],), 5)
    cell = nn.LSTMCell.shared(name='cell')
    for step in range(x.shape[1]):
      carry, y = cell(carry, x[:, step])
    return nn.Dense(y, 3)


class Axes(nn.Module):
  """A kernel that contracts its axes in another order than they come."""

  def apply(self, x):
    x = nn.DenseGeneral(x, 6, axis=(2, 1), bias=False)
    return nn.Dense(nn.relu(x), 3)


class Functions(nn.Module):

  def apply(self, x):
    x = gated(x, 6)
    x = gated(x, 6)
    return nn.Dense(x, 3)


@nn.module
def gated(x, size):
  return nn.Dense(x, size) * nn.sigmoid(nn.Dense(x, size))


class Counter(nn.Module):
  """State of its own, beside that of a layer."""

  def apply(self, x):
    calls = self.state('calls', (), nn.initializers.zeros)
    calls.value = calls.value + 1.
    x = nn.Dense(x, 6)
    mean = self.state('mean', (6,), nn.initializers.zeros)
    mean.value = 0.9 * mean.value + 0.1 * jnp.mean(x, 0)
    return nn.Dense(nn.BatchNorm(x) - 0.1 * mean.value, 3)


class Methods(nn.Module):
  """Two methods that share a child."""

  def _decoder(self):
    return nn.Dense.shared(features=3, name='decoder')

  def apply(self, x):
    return self._decoder()(nn.relu(nn.Dense(x, 5, name='encoder')))

  @nn.module_method
  def decode(self, z):
    return self._decoder()(z)


class Values(nn.Module):
  """Module classes, shared instances and partials passed around as values."""

  def apply(self, x):
    shared = nn.Dense.partial(features=6).shared()
    first = nn.Dense.partial(bias=False)
    x = Wrapper(x, first, shared)
    x = Wrapper(x, nn.Dense, shared, act=nn.relu)
    make = lambda n: nn.Dense.partial(features=n)
    x = make(6)(x)
    return make(3)(x + make(6)(x), name='last')


class Wrapper(nn.Module):

  def apply(self, x, layer, shared, act=nn.tanh):
    x = layer(x, 6)
    x = act(shared(x))
    return layer(x, 6, name='out')


class Lent(nn.Module):
  """Layers made here are called by a child and by a function."""

  def apply(self, x):
    layer = nn.Dense.shared(features=6)
    named = nn.Dense.shared(features=6, name='named_one')
    y = User(x, layer, named)
    y = y + layer(jnp.tanh(y))
    return nn.Dense(helper(y, named), 3)


class User(nn.Module):

  def apply(self, x, layer, other):
    x = nn.Dense(x, 6)
    return other(layer(layer(x))) + nn.Dense(x, 6)


def helper(x, layer):
  return layer(nn.LayerNorm(x)) + nn.Dense(x, 6)


class Listed(nn.Module):
  """Shared layers, numbered where they are made, called in another order."""

  def apply(self, x):
    layers = [nn.Dense.shared(features=6) for _ in range(3)]
    heads = {'a': nn.Dense.shared(features=3, name='head'), 'b': nn.Dense.shared(features=3)}
    for layer in reversed(layers):
      x = nn.tanh(layer(x))
    return heads['b'](x) - heads['a'](x)


class Tree(nn.Module):

  def apply(self, x, depth=3):
    if depth == 0:
      return nn.Dense(x, 6)
    y = Tree(nn.tanh(nn.Dense(x, 6)), depth=depth - 1)
    return x + y + Tree(x, depth=0)


class Recursive(nn.Module):
  """A class that calls itself."""

  def apply(self, x):
    return nn.Dense(Tree(x), 3)


class Attending(nn.Module):

  def apply(self, x):
    memory = nn.Dense(x[:, ::-1], 8)
    x = nn.Dense(x, 8)
    y = nn.MultiHeadDotProductAttention(nn.LayerNorm(x), nn.LayerNorm(memory), num_heads=2)
    x = x + y
    y = nn.SelfAttention(nn.LayerNorm(x), num_heads=2, qkv_features=4, bias=False)
    pos = self.param('pos', (1, x.shape[1], 8), nn.initializers.normal(0.1))
    return nn.Dense((x + y + pos).mean(1), 3)


class Pyramid(nn.Module):
  """Children of nested functions and comprehensions."""

  def apply(self, x, levels=3):
    def up(y, i):
      return nn.Dense(y, 6, name=f'up_{i}') if i else nn.Dense(y, 6)
    parts = [up(x, i) for i in range(levels)]
    table = {i: nn.Dense(p, 6) for i, p in enumerate(parts)}
    x = sum(table.values())
    x, y = nn.Dense(x, 6), nn.Dense(x + 1., 6)
    return nn.Dense(jnp.concatenate([y, x], -1), 3)
