"""`Net.init` that a transform is given: the call of it gives variables in Linen, not a pair."""

from __future__ import annotations

import textwrap

import pytest
from support import migration

NET = """\
import jax
from flax import nn


class Net(nn.Module):
  def apply(self, x, features=3):
    return nn.Dense(x, features)


class Noisy(nn.Module):
  def apply(self, x):
    return nn.dropout(nn.Dense(x, 3), 0.5)


"""

TAKEN = {
    "called on the spot": (
        "def start(key, x):\n  _, params = jax.jit(Net.init)(key, x)\n  return params\n",
        "  params = jax.jit(Net().init)(key, x)['params']\n",
    ),
    "by a name, with what it gives": (
        """\
        def start(key, x):
          net = Net.partial(features=4)
          begin = jax.jit(net.init)
          y, params = begin(key, x)
          return y, params
        """,
        """\
          begin = jax.jit(net().init_with_output)
          y, variables = begin(key, x)
          params = variables['params']
        """,
    ),
    "several times": (
        """\
        def start(key, x):
          begin = jax.jit(Net.init)
          _, params = begin(key, x)
          _, others = begin(key, x + 1)
          return params, others
        """,
        """\
          begin = jax.jit(Net().init)
          params = begin(key, x)['params']
          others = begin(key, x + 1)['params']
        """,
    ),
    "for several keys": (
        "def start(keys, xs):\n  _, params = jax.vmap(Net.init)(keys, xs)\n  return params\n",
        "  params = jax.vmap(Net().init)(keys, xs)['params']\n",
    ),
    "given back": (
        "def start(key, x):\n  return jax.jit(Net.init)(key, x)\n",
        "  return outputs, variables['params']\n",
    ),
}

STAYING = {
    "taken apart by place": "jax.jit(Net.init)(key, x)[1]",
    "draws keys": "jax.jit(Noisy.init)(key, x)[1]",
    "handed on": "use(jax.jit(Net.init), key, x)",
    "with hyper-parameters": "jax.jit(Net.init, static_argnums=2)(key, x, 4)[1]",
}


@pytest.mark.parametrize("story", TAKEN)
def test_it_is_the_method_of_an_instance_and_its_params_are_taken_out(story: str) -> None:
    body, wanted = TAKEN[story]
    made = migration(NET + textwrap.dedent(body))
    (change,) = made.changes
    assert not [d for d in made.diagnostics if d.code != "LN807"]
    assert textwrap.indent(textwrap.dedent(wanted), "  ") in change.after


@pytest.mark.parametrize("story", STAYING)
def test_it_stays_with_a_mark_where_the_pair_goes_elsewhere(story: str) -> None:
    body = f"""\
    def use(begin, key, x):
      _, params = begin(key, x)
      return params


    def start(key, x):
      return {STAYING[story]}
    """
    codes = {d.code for d in migration(NET + textwrap.dedent(body)).diagnostics}
    assert codes & {"LN690", "LN699"}
