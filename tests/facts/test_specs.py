"""Specs of `init_by_shape`, arguments behind them, and calls that several classes share."""

from __future__ import annotations

import pytest

from linenify.migrate import migrate
from linenify.outcome import Severity
from tests.facts.support import project_of
from tests.support import HEAD, migration

TOWER = """
class Tower(nn.Module):
  def apply(self, x, depth, width=4):
    for _ in range(depth):
      x = nn.Dense(x, width)
    return x
"""
GATE = """
class Gate(nn.Module):
  def apply(self, x, gain):
    return nn.Dense(x, 3) * gain
class Match(nn.Module):
  def apply(self, x, y):
    return nn.Dense(x, 3) + nn.Dense(y, 3)
"""
WRAP = """
class Wide(nn.Module):
  def apply(self, x, width):
    return nn.Dense(x, width)
class After(nn.Module):
  def apply(self, x, then):
    return then(nn.LayerNorm(x))
"""
# What was written, and what is there after the migration.
PROGRAMS = {
    "by position behind the specs": (
        TOWER
        + "_, params = Tower.init_by_shape(jax.random.PRNGKey(0), [(2, 3)], 2, 5)\n"
        + "print(params)\n",
        "jax.jit(Tower(2, 5).init)(jax.random.PRNGKey(0), jnp.ones((2, 3)))['params']",
    ),
    "by position and by name": (
        TOWER
        + "_, params = Tower.init_by_shape(jax.random.PRNGKey(0), [(2, 3)], 2, width=5)\n"
        + "print(params)\n",
        "jax.jit(Tower(2, width=5).init)(jax.random.PRNGKey(0), jnp.ones((2, 3)))['params']",
    ),
    "a spec that came from outside": (
        TOWER
        + "def made(shape):\n"
        + "  _, params = Tower.init_by_shape(jax.random.PRNGKey(0), [shape], depth=1)\n"
        + "  return params\n",
        "jax.jit(Tower(depth=1).init)(jax.random.PRNGKey(0), ones_of(shape))['params']",
    ),
    "specs that an attribute holds": (
        TOWER
        + "class Agent:\n"
        + "  def __init__(self, config):\n"
        + "    key = jax.random.PRNGKey(0)\n"
        + "    _, self.params = Tower.init_by_shape(key, config.specs, depth=1)\n",
        "jax.jit(Tower(depth=1).init)(key, *map(ones_of, config.specs))['params']",
    ),
    "a function for modules of one input and of two": (
        GATE
        + "def made(module, specs):\n"
        + "  return module.init_by_shape(jax.random.PRNGKey(0), specs)[1]\n"
        + "one = made(Gate.partial(gain=2.), [((2, 3), jnp.float32)])\n"
        + "two = made(Match, [((2, 3), jnp.float32), ((2, 4), jnp.float32)])\n",
        "one = made(functools.partial(Gate, gain=2.), [((2, 3), jnp.float32)])",
    ),
    "a function for arrays of one input and of two": (
        GATE
        + "def made(module, *inputs):\n"
        + "  return module.init(jax.random.PRNGKey(0), *inputs)[1]\n"
        + "x = jnp.ones((2, 3))\n"
        + "one = made(Gate.partial(gain=2.), x)\n"
        + "two = made(Match, x, x)\n",
        "one = made(functools.partial(Gate, gain=2.), x)",
    ),
    "attention and a layer of our own": (
        WRAP
        + "class Block(nn.Module):\n"
        + "  def apply(self, x, heads):\n"
        + "    for then in (nn.SelfAttention.partial(num_heads=heads), Wide.partial(width=4)):\n"
        + "      x = After(x, then=then)\n"
        + "    return x\n",
        "return self.then()(nn.LayerNorm()(x))",
    ),
    "one of two in a conditional expression": (
        WRAP
        + "class Block(nn.Module):\n"
        + "  def apply(self, x, mixes=True):\n"
        + "    layer = nn.SelfAttention.partial(num_heads=2) if mixes else Wide.partial(width=4)\n"
        + "    return layer(x)\n",
        "return layer()(x)",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_an_expert_would_write_is_written(name: str) -> None:
    text, expected = PROGRAMS[name]

    result = migration(HEAD + text)

    refused = [d.message for d in result.diagnostics if d.severity is not Severity.NOTICE]
    assert not refused
    joined = " ".join(result.changes[0].after.split())
    assert expected.replace(" ", "") in joined.replace(" ", "")


def test_masks_that_attention_alone_was_given_are_not_dropped() -> None:
    text = WRAP + (
        "class Block(nn.Module):\n"
        "  def apply(self, x, mask, mixes=True):\n"
        "    attention = nn.SelfAttention.partial(num_heads=2, padding_mask=mask)\n"
        "    layer = attention if mixes else Wide.partial(width=4)\n"
        "    return layer(x)\n"
    )

    result = migration(HEAD + text)

    assert "LN390" in {d.code for d in result.diagnostics}


NET = """
import jax
import jax.numpy as jnp
from flax import nn
class Net(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 3)
"""
MADE = {
    "by its shape": "_, weights = Net.init_by_shape(jax.random.PRNGKey(0), [(2, 3)])\n",
    "with what it gives": "y, weights = Net.init(jax.random.PRNGKey(0), jnp.ones((2, 3)))\n",
    "under a condition": "if True:\n"
    "  _, weights = Net.init(jax.random.PRNGKey(0), jnp.ones((2, 3)))\n",
}
TAKEN = {
    "by name": "from nets import Net, weights\ny = Net.call(weights, x)\n",
    "as an attribute": "import nets\ny = nets.Net.call(nets.weights, x)\n",
    "by nobody that is seen": "",
}


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("made", MADE)
def test_variables_at_the_top_of_a_file_are_read_by_others(made: str, taken: str) -> None:
    other = "import jax.numpy as jnp\nx = jnp.ones((2, 3))\n" + TAKEN[taken]

    migrated = migrate(project_of({"nets": NET + MADE[made], "other": other}))

    text = next(c.after for c in migrated.changes if c.path.name == "nets.py")
    value = text.rpartition("weights = ")[2]
    assert "['params']" in value
