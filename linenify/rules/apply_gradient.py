"""`optimizer.apply_gradient(grads)` is `state.apply_gradients(grads=grads)`.

Hyper-parameters that every step passes are set in the state of
`optax.inject_hyperparams` first.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN604",
    name="apply-gradient",
    doc=__doc__,
    forms=(reshape,),
    examples=(
        (
            """\
from flax import optim


def step(params, grads):
  optimizer = optim.GradientDescent(learning_rate=0.1).create(params)
  return optimizer.apply_gradient(grads)
""",
            """\
from flax.training import train_state
import optax


def step(params, grads):
  state = train_state.TrainState.create(
      apply_fn=None, params=params, tx=optax.sgd(learning_rate=0.1))
  return state.apply_gradients(grads=grads)
""",
        ),
    ),
)
