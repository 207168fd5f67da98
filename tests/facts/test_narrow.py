"""Params of half precision: said once where they are made."""

from __future__ import annotations

import pytest
from support import migration

HEAD = """\
import jax
import jax.numpy as jnp
from flax import nn, optim

"""


def notices(code: str) -> list[int]:
    """The lines of LN809 in a file of `code`."""
    made = migration(HEAD + code)
    return [d.span.line for d in made.diagnostics if d.code == "LN809"]


NET = """\
class Net(nn.Module):
  def apply(self, x):
    w = self.param('w', (x.shape[-1], 3), {init})
    return x @ w

def main(x, dtype):
  _, params = Net.init(jax.random.PRNGKey(0), x)
  params = {cast}
  return {optimizer}.create(nn.Model(Net, params))
"""


@pytest.mark.parametrize(
    ("init", "cast", "line"),
    [
        ("lambda k, s: jnp.ones(s, jnp.bfloat16)", "params", [7]),
        ("lambda k, s: jnp.ones(s).astype('float16')", "params", [7]),
        ("nn.initializers.ones", "jax.tree_map(lambda p: p.astype(jnp.bfloat16), params)", [12]),
        ("nn.initializers.ones", "jax.tree_map(lambda p: p.astype(jnp.float32), params)", []),
        ("lambda k, s: jnp.ones(s, jnp.float32)", "params", []),
    ],
)
def test_half_precision_is_said_where_it_begins(init: str, cast: str, line: list[int]) -> None:
    code = NET.format(init=init, cast=cast, optimizer="optim.Momentum(0.1)")
    assert notices(code) == line


def test_without_an_optimizer_nothing_is_said() -> None:
    init = "lambda k, s: jnp.ones(s, jnp.bfloat16)"
    assert notices(NET.format(init=init, cast="params", optimizer="registry")) == []
