"""What is read from a partial, or asked of it, comes from the class in it: `.func`.

A legacy partial was a class, with static methods and attributes; `functools.partial`
is none.  Where a partial or a class may arrive, `getattr(cell, 'func', cell)` is the
class of either.
"""

from __future__ import annotations

from linenify.rules.base import Rule
from linenify.rules.forms.calls import reshape
from linenify.rules.forms.names import wrap

RULE = Rule(
    code="LN312",
    name="partial-member",
    doc=__doc__,
    forms=(wrap, reshape),
    examples=(
        (
            """\
class Stack(nn.Module):

  def apply(self, carry, x, size):
    return nn.tanh(nn.Dense(carry, size) + nn.Dense(x, size))

  @staticmethod
  def start(size):
    return jnp.zeros((size,))


class Net(nn.Module):

  def apply(self, xs, size=3):
    stack = Stack.partial(size=size)
    carry = stack.start(size)
    return stack(carry, xs[0])
""",
            """\
class Stack(nn.Module):

  size: int

  @nn.compact
  def __call__(self, carry, x):
    return nn.tanh(nn.Dense(self.size)(carry) + nn.Dense(self.size)(x))

  @staticmethod
  def start(size):
    return jnp.zeros((size,))


class Net(nn.Module):

  size: int = 3

  @nn.compact
  def __call__(self, xs):
    stack = functools.partial(Stack, size=self.size)
    carry = stack.func.start(self.size)
    return stack()(carry, xs[0])
""",
        ),
    ),
)
