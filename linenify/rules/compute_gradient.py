"""`compute_gradient` and `optimize` are `jax.value_and_grad`, and a step."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN606",
    name="compute-gradient",
    doc=__doc__,
    forms=(reshape,),
    examples=(
        (
            """\
from flax import optim


def step(params, loss_fn):
  optimizer = optim.GradientDescent(learning_rate=0.1).create(params)
  optimizer, loss = optimizer.optimize(loss_fn)
  return optimizer, loss
""",
            """\
from flax.training import train_state
import jax
import optax


def step(params, loss_fn):
  state = train_state.TrainState.create(
      apply_fn=None, params=params, tx=optax.sgd(learning_rate=0.1))
  loss, grads = jax.value_and_grad(loss_fn)(state.params)
  state = state.apply_gradients(grads=grads)
  return state, loss
""",
        ),
    ),
)
