"""By hand: functions of JAX that have gone or take other arguments."""

from __future__ import annotations

from linenify.rules.by_hand.page import ByHand

PAGES = {
    "LN191": ByHand(
        why="""\
What takes the place of the function needs its arguments apart; a tuple that is spread out
shows none.  `tie_in(x, y)` gave `y`, and nothing has to be tied any more.""",
        before="""\
from jax import lax


def tied(pair):
  return lax.tie_in(*pair)
""",
        after="""\
def tied(pair):
  _, y = pair
  return y
""",
        check="tied((1, 2)) == 2",
    ),
    "LN195": ByHand(
        why="""\
Where a function that has gone is a value (in a table, handed on), another function has to
stand there.  linenify defines one of the old name, unless the file means something else by it.""",
        before="""\
import jax


def index_update(table, row):
  return {**table, **row}


UPDATES = {'set': jax.ops.index_update}
""",
        after="""\
import jax.numpy as jnp


def index_update(table, row):
  return {**table, **row}


def set_at(x, index, y):
  return jnp.asarray(x).at[index].set(y)


UPDATES = {'set': set_at}
""",
        check="UPDATES['set'](x, 0, 5.0)[0, 0] == 5.0",
    ),
    "LN196": ByHand(
        why="""\
`jnp.clip` takes `min` and `max` where it took `a_min` and `a_max`.  A variable that may hold
it or another function cannot be called in one way; by position both understand it.""",
        before="""\
import jax.numpy as jnp

from project.limits import soft_clip


def limited(x, hard):
  limit = jnp.clip if hard else soft_clip
  return limit(x, a_min=0.0, a_max=1.0)
""",
        after="""\
import jax.numpy as jnp

from project.limits import soft_clip


def limited(x, hard):
  limit = jnp.clip if hard else soft_clip
  return limit(x, 0.0, 1.0)
""",
        check="limited(x, True).shape == (2, 4)",
    ),
    "LN192": ByHand(
        why="""\
Nothing is called like this today.  What it did is done in another way: here a function with a
derivative of its own.""",
        before="""\
import jax


@jax.custom_transforms
def square(x):
  return x * x
""",
        after="""\
import jax


@jax.custom_jvp
def square(x):
  return x * x


square.defjvps(lambda tangent, result, x: 2 * x * tangent)
""",
        check="jax.grad(square)(3.0) == 6.0",
    ),
    "LN193": ByHand(
        why="""\
The name is a string, which linenify does not rewrite: the same string may be used for more.""",
        before="""\
import jax

NAME = 'tree_multimap'


def added(x, y):
  return getattr(jax, NAME)(lambda a, b: a + b, x, y)
""",
        after="""\
import jax


def added(x, y):
  return jax.tree.map(lambda a, b: a + b, x, y)
""",
        check="added([1], [2]) == [3]",
    ),
    "LN812": ByHand(
        why="""\
`isinstance(x, jnp.DeviceArray)` was false under `jit`, where `x` is a tracer, and `jax.Array`
is both.  Ask for a tracer, if that was the question.""",
        before="""\
import jax.numpy as jnp


def is_there(x):
  return isinstance(x, jnp.DeviceArray)
""",
        after="""\
import jax


def is_there(x):
  return isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer)
""",
        check="is_there(x)",
    ),
    "LN197": ByHand(
        why="""\
A layer of Linen calls its initialisers with `param_dtype`, legacy called them with a key and a
shape alone.  In a dict of arguments no function can be put around the initialiser; the dtype
of the params is an argument of the layer today.""",
        before="""\
import jax.numpy as jnp
from flax import nn

options = dict(kernel_init=nn.initializers.normal(dtype=jnp.float16), bias=False)


class Half(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 3, **options)
""",
        after="""\
import jax.numpy as jnp
from flax import linen as nn

options = dict(kernel_init=nn.initializers.normal(), param_dtype=jnp.float16, use_bias=False)


class Half(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.Dense(3, **options)(x)
""",
        check="Half().init(key, x)['params']['Dense_0']['kernel'].dtype == jnp.float16",
    ),
    "LN813": ByHand(
        why="""\
`jax.random.shuffle` drew an order for each column of its own.  `permutation` moves whole rows,
which is what is wanted of a batch; `independent=True` (or `--exact`) does what legacy did.""",
        before="""\
import jax


def shuffled(key, table):
  return jax.random.shuffle(key, table)
""",
        after="""\
import jax


def shuffled(key, table):
  return jax.random.permutation(key, table, independent=True)
""",
        check="shuffled(jax.random.key(0), x).shape == x.shape",
    ),
}
