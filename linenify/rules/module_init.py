"""`Module.init(rng, x)` and `Module.call(params, x)` run an instance in Linen.

Legacy `init` gave the output and the params; Linen's gives variables, of which
the params are one collection, and `init_with_output` gives both.  `init_by_shape`
initialises with ones of that shape.  Modules that keep state or draw keys need
the contexts around them to move as well, and are refused here.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import split_call

RULE = Rule(
    code="LN310",
    name="module-init",
    doc=__doc__,
    forms=(split_call,),
    examples=(
        (
            """\
from flax import nn


def create(rng, x):
  _, params = nn.Dense.init(rng, x, features=3)
  return params
""",
            """\
from flax import linen as nn


def create(rng, x):
  params = nn.Dense(features=3).init(rng, x)['params']
  return params
""",
        ),
        (
            """\
from flax import nn


def run(params, x):
  return nn.Dense.call(params, x, features=3)
""",
            """\
from flax import linen as nn


def run(params, x):
  return nn.Dense(features=3).apply({'params': params}, x)
""",
        ),
    ),
)
