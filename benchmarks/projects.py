"""Generated projects, to see how time grows with their size.

Models, optimizers, states and partials travel through functions of other files: along
chains of neighbours, and through helpers that every file uses.
"""

from __future__ import annotations

from pathlib import Path

CHAIN = 20  # files that hand each other what they make; the next chain starts anew

_HELPERS = '''\
"""What every part of the project uses."""

from flax import nn
import jax
import jax.numpy as jnp


def evaluate(model, batch):
  return jnp.mean(jnp.square(model(batch)))


def gradient(optimizer, batch):
  def loss(model):
    return evaluate(model, batch)
  return jax.grad(loss)(optimizer.target)


def wide(layer, factor):
  return layer.partial(features=8 * factor)


def run(step, optimizer, batches):
  for batch in batches:
    optimizer = step(optimizer, batch)
  return optimizer
'''

_FIRST = '''\
"""The first part of a chain."""

from flax import nn
from flax import optim
from project import helpers


class Block{number}(nn.Module):

  def apply(self, x, features):
    return nn.relu(nn.Dense(x, features))


def make_{number}(rng):
  block = helpers.wide(Block{number}, 1)
  _, params = block.init_by_shape(rng, [(1, 8)])
  return nn.Model(block, params)


def score_{number}(model, batch):
  return helpers.evaluate(model, batch)


def step_{number}(optimizer, batch):
  return optimizer.apply_gradient(helpers.gradient(optimizer, batch))
'''

_NEXT = '''\
"""Part {number}: takes what part {before} makes."""

from flax import nn
from flax import optim
from project import helpers
from project.{folder}.part_{before} import Block{before}, make_{before}, score_{before}


class Block{number}(nn.Module):

  def apply(self, x, features, inner=None):
    norm = nn.BatchNorm.partial(use_running_average=False, momentum=0.9)
    x = Block{before}(x, features)
    for width in (features, 2 * features):
      x = nn.Dense(norm(x), width, bias=False)
    return x


def make_{number}(rng):
  block = helpers.wide(Block{number}, 2)
  _, params = block.init_by_shape(rng, [(1, 8)])
  return nn.Model(block, params)


def score_{number}(model, batch):
  return score_{before}(model, batch) + helpers.evaluate(model, batch)


def step_{number}(optimizer, batch):
  grad = helpers.gradient(optimizer, batch)
  return optimizer.apply_gradient(grad, learning_rate=0.1)


def train_{number}(rng, batches):
  model, other = make_{number}(rng), make_{before}(rng)
  optimizer = optim.Momentum(beta=0.9).create(model)
  with nn.stateful() as state:
    optimizer = helpers.run(step_{number}, optimizer, batches)
  return score_{number}(optimizer.target, batches[0]), score_{before}(other, batches[0]), state
'''


def generate(folder: Path, files: int) -> None:
    """Writes a project of so many files into `folder`."""
    package = folder / "project"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "helpers.py").write_text(_HELPERS)
    for number in range(files - 2):
        home = package / f"chain_{number // CHAIN}"
        home.mkdir(exist_ok=True)
        text = _NEXT if number % CHAIN else _FIRST
        made = text.format(number=number, before=number - 1, folder=home.name)
        (home / f"part_{number}.py").write_text(made)
