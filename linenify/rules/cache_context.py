"""A decoding cache is the `cache` collection of a module whose `decode` field is set.

`with cache.mutate()` goes: the run inside takes the cache beside its params and
gives the next one.  The initialising run inside `with nn.attention.Cache().mutate()`
hands out the collection for the shapes of its inputs.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.contexts import leave_context

RULE = Rule(
    code="LN404",
    name="cache-context",
    doc=__doc__,
    forms=(leave_context,),
    examples=(
        (
            """\
from flax import nn


class LM(nn.Module):
  def apply(self, x, cache=None):
    return nn.SelfAttention(x, num_heads=2, causal_mask=True, cache=cache)


def create(key, x):
  with nn.attention.Cache().mutate() as cache:
    _, params = LM.init(key, x, cache=cache)
  return params, cache


def step(params, x, cache):
  with cache.mutate() as filled:
    y = LM.call(params, x, cache=filled)
  return y, filled
""",
            """\
from flax import linen as nn


class LM(nn.Module):
  decode: bool = False

  @nn.compact
  def __call__(self, x):
    return nn.MultiHeadDotProductAttention(num_heads=2, decode=self.decode)(
        x, mask=nn.make_causal_mask(x[..., 0]))


def create(key, x):
  variables = LM(decode=True).init(key, x)
  params, cache = variables['params'], variables['cache']
  return params, cache


def step(params, x, cache):
  y, new_variables = LM(decode=True).apply({'params': params, 'cache': cache}, x, mutable=['cache'])
  filled = new_variables['cache']
  return y, filled
""",
        ),
    ),
)
