"""An optimizer around its target is a `TrainState`: params, optimizer state and step."""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN602",
    name="optimizer-create",
    doc=__doc__,
    forms=(reshape,),
    examples=(
        (
            """\
from flax import optim


def create(params):
  return optim.GradientDescent(learning_rate=0.1).create(params)
""",
            """\
from flax.training import train_state
import optax


def create(params):
  return train_state.TrainState.create(
      apply_fn=None, params=params, tx=optax.sgd(learning_rate=0.1))
""",
        ),
    ),
)
