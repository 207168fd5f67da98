"""A `Model` that never leaves its function is an instance and its params.

Its calls become `apply` with the params.  A Model that is returned, passed on
or differentiated is training code, and refused here.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape

RULE = Rule(
    code="LN311",
    name="local-model",
    doc=__doc__,
    forms=(reshape,),
    examples=(
        (
            """\
from flax import nn


def predict(params, x):
  model = nn.Model(nn.LayerNorm, params)
  return model(x)
""",
            """\
from flax import linen as nn


def predict(params, x):
  model = nn.LayerNorm()
  return model.apply({'params': params}, x)
""",
        ),
    ),
)
