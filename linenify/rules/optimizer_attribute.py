"""The parts of an optimizer have other names in a `TrainState`.

`optimizer.target` is `state.params`, `optimizer.state.step` is `state.step`.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape
from linenify.rules.forms.names import change_attribute, rename

RULE = Rule(
    code="LN603",
    name="optimizer-attribute",
    doc=__doc__,
    forms=(
        change_attribute,
        rename,
        reshape,
    ),
    examples=(
        (
            """\
from flax import optim


def create(params):
  optimizer = optim.GradientDescent(learning_rate=0.1).create(params)
  return optimizer.target, optimizer.state.step
""",
            """\
from flax.training import train_state
import optax


def create(params):
  state = train_state.TrainState.create(
      apply_fn=None, params=params, tx=optax.sgd(learning_rate=0.1))
  return state.params, state.step
""",
        ),
    ),
)
