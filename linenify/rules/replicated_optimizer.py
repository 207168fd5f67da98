"""`optimizer.replicate()` is `jax_utils.replicate`; its steps average the gradients themselves."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN605",
    name="replicated-optimizer",
    doc=__doc__,
    forms=(reshape,),
    examples=(
        (
            """\
from flax import optim


def replicated(params):
  optimizer = optim.GradientDescent(learning_rate=0.1).create(params)
  return optimizer.replicate()
""",
            """\
from flax import jax_utils
from flax.training import train_state
import optax


def replicated(params):
  state = train_state.TrainState.create(
      apply_fn=None, params=params, tx=optax.sgd(learning_rate=0.1))
  return jax_utils.replicate(state)
""",
        ),
    ),
)
