"""Optimizer classes that travel: functions of the arguments that their calls give."""

from __future__ import annotations

import textwrap

import pytest
from support import migrated

HEAD = """\
import jax
import jax.numpy as jnp
from flax import nn
from flax import optim
from flax.optim import Momentum as Heavy


class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 3)


def step(optimizer, x):
  grad = jax.grad(lambda model: jnp.mean(model(x)))(optimizer.target)
  return optimizer.apply_gradient(grad)


def start(rng, x):
  _, params = Net.init(rng, x)
  return nn.Model(Net, params)


"""
BRANCH = """
def make(config, model):
  if config.optimizer == 'adam':
    cls = optim.Adam
  else:
    cls = Heavy
  return cls(learning_rate=config.rate, weight_decay=0.1).create(model)
"""
CHOSEN = """
def make(config, model):
  kind = optim.Adam if config.fast else optim.GradientDescent
  return kind(config.rate).create(model)
"""
TABLE = """
KINDS = {'heavy': Heavy, 'adam': optim.Adam}

def make(config, model):
  return KINDS[config.optimizer](learning_rate=config.rate).create(model)
"""
HANDED_ON = """
def build(cls, model, **options):
  return cls(**options).create(model)

def make(config, model):
  if config.fast:
    return build(optim.Adam, model, learning_rate=config.rate, beta1=0.5)
  return build(optim.Adagrad, model, learning_rate=0.1)
"""
SPREAD = """
def make(config, model):
  cls = optim.LAMB if config.large else optim.Adam
  common = dict(learning_rate=config.rate, eps=1e-6)
  decay, rest = cls(weight_decay=0.01, **common), cls(weight_decay=0.0, **common)
  body = optim.ModelParamTraversal(lambda path, _: 'bias' not in path)
  other = optim.ModelParamTraversal(lambda path, _: 'bias' in path)
  return optim.MultiOptimizer((body, decay), (other, rest)).create(model)
"""
RUN = """

def run(rng, config, x):
  return step(make(config, start(rng, x)), x)
"""


def rewritten(body: str) -> str:
    return migrated(HEAD + body.lstrip("\n") + RUN)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (BRANCH, "cls = lambda learning_rate, weight_decay: optax.adamw("),
        (BRANCH, "cls(learning_rate=config.rate, weight_decay=0.1)"),
        (CHOSEN, "(lambda learning_rate: optax.adam(learning_rate=learning_rate)) if"),
        (CHOSEN, "tx=kind(config.rate)"),
        (TABLE, "'adam': lambda learning_rate: optax.adam(learning_rate=learning_rate)}"),
        (TABLE, "tx=KINDS[config.optimizer](learning_rate=config.rate)"),
        (SPREAD, "cls(weight_decay=0.01, **common), cls(weight_decay=0.0, **common)"),
    ],
)
def test_a_class_becomes_a_function_and_its_calls_stay(body: str, expected: str) -> None:
    text = rewritten(body)
    assert "TODO(linenify)" not in text
    assert expected in text


def test_what_not_all_calls_give_has_its_legacy_default() -> None:
    text = rewritten(
        """
KINDS = {'heavy': Heavy}

def make(config, model):
  if config.fast:
    return KINDS['heavy'](config.rate, beta=0.5).create(model)
  return KINDS['heavy'](config.rate).create(model)
"""
    )
    assert "TODO(linenify)" not in text
    assert "lambda learning_rate, beta=0.9: optax.sgd(" in text


@pytest.mark.parametrize(
    "body",
    [
        HANDED_ON,  # what the splat carries differs from call to call
        BRANCH.replace("  return cls", "  if cls is optim.Adam: print('fast')\n  return cls"),
        BRANCH.replace("weight_decay=0.1", "beta1=0.1"),  # Momentum has no such argument
        CHOSEN.replace("kind(config.rate)", "kind(*config.given)"),
    ],
)
def test_what_is_asked_for_more_or_called_out_of_sight_is_flagged(body: str) -> None:
    text = rewritten(body)
    assert "LN691" in text
    assert "lambda learning_rate" not in text


def test_the_signature_is_one_for_all_the_layouts_of_a_call() -> None:
    text = rewritten(
        textwrap.dedent(
            """
            def make(config, model):
              cls = Heavy if config.heavy else optim.GradientDescent
              if config.fast:
                return cls(config.rate).create(model)
              return cls(learning_rate=config.rate / 2).create(model)
            """
        )
    )
    assert "TODO(linenify)" not in text
    assert text.count("lambda learning_rate: optax.sgd(") == 2
