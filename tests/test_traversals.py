"""Traversals of params outside of optimizers, methods as values, and contexts without state."""

from __future__ import annotations

import textwrap

import pytest
from support import migrated

HEAD = """\
import functools
import jax
import jax.numpy as jnp
from flax import nn
from flax import optim
from flax.optim import ModelParamTraversal as Pick


class Net(nn.Module):

  def apply(self, x, width=3):
    return nn.Dense(nn.relu(nn.Dense(x, width, name='body')), 2, name='head')


def is_head(path, value):
  return path.startswith('/head')


def start(rng, x):
  _, params = Net.init(rng, x)
  return nn.Model(Net, params)


"""
USE = """

def train(rng, x):
  model = start(rng, x)
  optimizer = optim.Adam(0.1).create(model)
  def loss_fn(model):
    return jnp.mean(model(x)) + penalty(model)
  grad = jax.grad(loss_fn)(optimizer.target)
  return optimizer.apply_gradient(grad)
"""


def rewritten(text: str) -> str:
    return migrated(HEAD + textwrap.dedent(text).strip("\n") + "\n")


ITERATED = """\
def penalty(model):
  kernels = optim.ModelParamTraversal(lambda n, _: n.endswith('kernel'))
  return sum(map(lambda k: jnp.sum(k ** 2), kernels.iterate(model)))
"""
BY_A_GLOBAL_NAME = """\
HEADS = Pick(filter_fn=is_head)
def penalty(net):
  return sum(p.size for p in HEADS.iterate(net))
"""
UPDATED = """\
def penalty(model):
  half = Pick(is_head).update(lambda p: p / 2, model)
  return jnp.sum(half(jnp.ones((2, 3))))
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (ITERATED, "return sum(map(lambda k: jnp.sum(k ** 2), kernels.iterate(params)))"),
        (BY_A_GLOBAL_NAME, "return sum(p.size for p in HEADS.iterate(net_params))"),
        (UPDATED, "traverse_util.ModelParamTraversal(is_head).update(lambda p: p / 2, params)"),
    ],
)
def test_a_traversal_that_is_asked_for_leaves_stays_one(body: str, expected: str) -> None:
    text = rewritten(body + USE)
    assert "TODO(linenify)" not in text
    assert expected in text
    assert "from flax import traverse_util" in text


def test_an_optimizer_gets_the_predicate_and_others_the_traversal() -> None:
    text = rewritten(
        """
        class Penalty:
          def __init__(self):
            self.kernels = Pick(lambda n, v: v.ndim > 1)

          def __call__(self, model):
            return sum(jnp.sum(w) for w in self.kernels.iterate(model))


        def make(model):
          head = optim.ModelParamTraversal(is_head)
          rest = (Pick(lambda p, _: 'head' not in p), optim.GradientDescent(0.01))
          return optim.MultiOptimizer((head, optim.Adam(0.1)), rest).create(model)


        def step(optimizer, x):
          penalty = Penalty()
          grad = jax.grad(lambda model: jnp.mean(model(x)) + penalty(model))(optimizer.target)
          return optimizer.apply_gradient(grad)


        def run(rng, x):
          return step(make(start(rng, x)), x)
        """
    )
    assert "LN691" in text  # `rest` is not spelled out, so that the other one is not known
    text = rewritten(
        """
        class Penalty:
          def __init__(self):
            self.kernels = Pick(lambda n, v: v.ndim > 1)

          def __call__(self, model):
            return sum(jnp.sum(w) for w in self.kernels.iterate(model))


        def make(model):
          head = optim.ModelParamTraversal(is_head)
          rest = Pick(lambda p, _: 'head' not in p)
          split = optim.MultiOptimizer((head, optim.Adam(0.1)), (rest, optim.Momentum(0.01)))
          return split.create(model)


        def step(optimizer, x):
          penalty = Penalty()
          grad = jax.grad(lambda model: jnp.mean(model(x)) + penalty(model))(optimizer.target)
          return optimizer.apply_gradient(grad)


        def run(rng, x):
          return step(make(start(rng, x)), x)
        """
    )
    assert "TODO(linenify)" not in text
    assert "head = is_head" in text
    assert "self.kernels = traverse_util.ModelParamTraversal(lambda n, v: v.ndim > 1)" in text


@pytest.mark.parametrize(
    "used", ["list({})[0]", "next(iter({}))", "[p for p in {}]", "dict(enumerate({}))"]
)
def test_leaves_in_an_order_are_flagged_since_names_sort_otherwise(used: str) -> None:
    text = rewritten(
        f"def penalty(model):\n  return {used.format('Pick(is_head).iterate(model)')}\n" + USE
    )
    assert "LN691 `Pick(is_head).iterate` goes by names" in text


@pytest.mark.parametrize(
    "wrap",
    [
        "jax.pmap({}, axis_name='b')",
        "jax.value_and_grad({})",
        "jax.checkpoint({})",
        "jax.jit(jax.checkpoint({}))",
    ],
)
def test_a_run_as_a_value_under_a_transform_is_a_lambda(wrap: str) -> None:
    text = rewritten(
        f"""
        def run(rng, x):
          net = Net.partial(width=4)
          _, params = net.init(rng, x)
          fn = {wrap.format("net.call")}
          return fn(params, x)
        """
    )
    assert "TODO(linenify)" not in text
    made = wrap.format("lambda params, x: net().apply({'params': params}, x)")
    assert f"fn = {made}" in text


@pytest.mark.parametrize("named", ["def render", "lambda"])
def test_a_state_opened_elsewhere_goes_where_no_module_keeps_any(named: str) -> None:
    made = (
        "  def render(model, x):\n    return model(x)\n  fn = jax.jit(render)\n"
        if named == "def render"
        else "  fn = jax.jit(lambda model, x: model(x))\n"
    )
    text = rewritten(
        "def image(fn, model, state, xs):\n"
        "  with nn.stateful(state, mutable=False):\n"
        "    return [fn(model, x) for x in xs]\n\n\n"
        f"def run(rng, state, xs):\n  model = start(rng, xs[0])\n{made}"
        "  return image(fn, model, state, xs)\n"
    )
    assert "TODO(linenify)" not in text
    assert "nn.stateful" not in text


def test_a_state_opened_elsewhere_is_flagged_where_a_module_keeps_some() -> None:
    text = rewritten(
        """
        class Normed(nn.Module):
          def apply(self, x):
            return nn.BatchNorm(nn.Dense(x, 3), use_running_average=True)


        def image(fn, model, state, xs):
          with nn.stateful(state, mutable=False):
            return [fn(model, x) for x in xs]


        def run(rng, state, xs):
          with nn.stateful() as state:
            _, params = Normed.init(rng, xs[0])
          model = nn.Model(Normed, params)
          fn = jax.jit(lambda model, x: model(x))
          return image(fn, model, state, xs)
        """
    )
    assert "LN590" in text
