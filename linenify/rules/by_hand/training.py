"""By hand: state, randomness, and the code that trains."""

from __future__ import annotations

from linenify.rules.by_hand.page import ByHand

PAGES = {
    "LN490": ByHand(
        why="""\
The legacy cache was an object that attention layers wrote into.  In Linen it is a collection
called `cache`, which a module with `decode=True` makes in `init` and changes when `apply` is
told that it is mutable.  An entry of one's own is a variable of that collection.""",
        before="""\
import jax.numpy as jnp
from flax import nn


class Counter(nn.Module):

  def apply(self, x, cache):
    seen = cache.retrieve(0)
    cache.store(seen + 1)
    return x + seen
""",
        after="""\
import jax.numpy as jnp
from flax import linen as nn


class Counter(nn.Module):

  @nn.compact
  def __call__(self, x):
    seen = self.variable('cache', 'seen', jnp.zeros, (), jnp.int32)
    x = x + seen.value
    if not self.is_initializing():
      seen.value += 1
    return x
""",
        check="Counter().apply({}, x, mutable=['cache'])[1]['cache']['seen'] == 1",
    ),
    "LN491": ByHand(
        why="""\
A legacy Collection was an object keyed by paths of modules.  In Linen a state is a plain
nested dict, and what reads or changes it by hand does so with the tools for dicts.""",
        before="""\
from flax import nn


def with_mean(state, mean):
  with state.mutate() as new_state:
    new_state['/bn/mean'] = mean
  return new_state


def start(mean):
  return with_mean(nn.Collection(), mean)
""",
        after="""\
def with_mean(batch_stats, mean):
  return {**batch_stats, 'bn': {**batch_stats.get('bn', {}), 'mean': mean}}


def start(mean):
  return with_mean({}, mean)
""",
        check="start(1.0) == {'bn': {'mean': 1.0}}",
    ),
    "LN590": ByHand(
        why="""\
`nn.dropout` and `nn.make_rng` read the key from a context that was open somewhere.  Linen
keeps keys in the module that is running; a function outside of modules gets one passed.""",
        before="""\
from flax import nn


def noisy(x, rate):
  return nn.dropout(x, rate)
""",
        after="""\
import jax
import jax.numpy as jnp


def noisy(key, x, rate):
  keep = jax.random.bernoulli(key, 1 - rate, x.shape)
  return jnp.where(keep, x / (1 - rate), 0)
""",
        check="noisy(key, x, 0.0).shape == (2, 4)",
    ),
    "LN690": ByHand(
        why="""\
A legacy Model was module and params in one, and `init` returned the output along with them.
Linen keeps them apart, so what goes to code that linenify cannot see has to be said: the
params, the output, or both.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x, width):
    return nn.Dense(x, width)


def start(key, x, keep):
  for made in Net.init(key, x, width=3):
    keep(made)
""",
        after="""\
from flax import linen as nn


class Net(nn.Module):

  width: int

  @nn.compact
  def __call__(self, x):
    return nn.Dense(self.width)(x)


def start(key, x, keep):
  output, variables = Net(width=3).init_with_output(key, x)
  for made in (output, variables['params']):
    keep(made)
""",
        check="start(key, x, lambda made: None) is None",
    ),
    "LN691": ByHand(
        why="""\
An optimizer that is picked by a name at run time may be any of them, and each has another
form in optax.  Say which names can come, as a table of functions that make the optax
transformation.  Mind the arguments: `beta1` is `b1`, and `weight_decay` in Adam is adamw's.""",
        before="""\
from flax import optim


def make_optimizer(kind, params, **options):
  return getattr(optim, kind)(**options).create(params)
""",
        after="""\
import optax
from flax.training import train_state

OPTIMIZERS = {
    'GradientDescent': optax.sgd,
    'Momentum': lambda learning_rate, beta=0.9: optax.sgd(learning_rate, momentum=beta),
    'Adam': optax.adam,
}


def make_optimizer(kind, params, **options):
  tx = OPTIMIZERS[kind](**options)
  return train_state.TrainState.create(apply_fn=None, params=params, tx=tx)
""",
        check="make_optimizer('Adam', {'w': x}, learning_rate=0.1).step == 0",
    ),
    "LN692": ByHand(
        why="""\
A TrainState has params, the optimizer's state, a step and the transformation, and no
hyper-parameters to read or replace.  What has to be read or set later goes through
`optax.inject_hyperparams`, which keeps it in the state.""",
        before="""\
from flax import optim


def train(params, grads, log):
  optimizer = optim.Momentum(learning_rate=0.1).create(params)
  log(optimizer.optimizer_def.hyper_params)
  return optimizer.apply_gradient(grads)
""",
        after="""\
import optax
from flax.training import train_state


def train(params, grads, log):
  tx = optax.inject_hyperparams(optax.sgd)(learning_rate=0.1, momentum=0.9)
  state = train_state.TrainState.create(apply_fn=None, params=params, tx=tx)
  log(state.opt_state.hyperparams)
  return state.apply_gradients(grads=grads)
""",
        check="train({'w': x}, {'w': x}, lambda values: None).step == 1",
    ),
    "LN693": ByHand(
        why="""\
`optimize` took the gradient and made the step in one expression.  With optax these are two
statements, and here the expression stands where none can go before it: behind `and`, in a
lambda, in a comprehension.  Make room for them, and hand on what the callers need.""",
        before="""\
from flax import optim


class Trainer:

  def __init__(self, params):
    self.optimizer = optim.GradientDescent(0.1).create(params)

  def step(self, loss, wanted):
    return wanted and self.optimizer.optimize(loss)
""",
        after="""\
import jax
import optax
from flax.training import train_state


class Trainer:

  def __init__(self, params):
    self.state = train_state.TrainState.create(
        apply_fn=None, params=params, tx=optax.sgd(0.1))

  def step(self, loss, wanted):
    if not wanted:
      return wanted
    value, grads = jax.value_and_grad(loss)(self.state.params)
    return self.state.apply_gradients(grads=grads), value
""",
        check="Trainer({'w': x}).step(lambda p: p['w'].sum(), True)[1].shape == ()",
    ),
    "LN694": ByHand(
        why="""\
Legacy numbered all submodules of a module together (`Dense_0`, `LayerNorm_1`, `Dense_2`),
Linen those of each class (`Dense_0`, `LayerNorm_0`, `Dense_1`).  Behind a loop whose length
the text does not tell, the new number is unknown, too.  Name the layer that is looked up.""",
        before="""\
from flax import nn


class Net(nn.Module):

  def apply(self, x, depth):
    for _ in range(depth):
      x = nn.LayerNorm(nn.Dense(x, 4))
    return nn.Dense(x, 1)


def head(key, x, depth):
  _, params = Net.init(key, x, depth)
  return params['Dense_6']
""",
        after="""\
from flax import linen as nn


class Net(nn.Module):

  depth: int

  @nn.compact
  def __call__(self, x):
    for _ in range(self.depth):
      x = nn.LayerNorm()(nn.Dense(4)(x))
    return nn.Dense(1, name='head')(x)


def head(key, x, depth):
  params = Net(depth).init(key, x)['params']
  return params['head']
""",
        check="head(key, x, 3)['kernel'].shape == (4, 1)",
    ),
    "LN696": ByHand(
        why="""\
Legacy kept the state of all modules in one flat dict, by path; Linen keeps a nested dict for
each collection.  Where the paths come from outside, it takes somebody who knows the modules
to say which collection a leaf belongs to.""",
        before="""\
from flax import nn


def restored(means):
  state = {}
  for name, mean in means.items():
    state[f'/{name}'] = {'mean': mean}
  return nn.Collection(state)
""",
        after="""\
def restored(means):
  return {'batch_stats': {name: {'mean': mean} for name, mean in means.items()}}
""",
        check="restored({'norm': 1.0}) == {'batch_stats': {'norm': {'mean': 1.0}}}",
    ),
}
