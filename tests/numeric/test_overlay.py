"""Legacy Flax beside the modern one, and only while it is wanted."""

import sys

import flax
import jax
import jax.numpy as jnp
import pytest

from linenify.verify.overlay import Overlay
from linenify.verify.wheels import legacy_sources

pytestmark = pytest.mark.numeric

SPELLINGS = [
    "from flax import nn",
    "from flax import nn, optim",
    "import flax.nn as nn",
    "import flax; flax.nn.Dense",
    "from flax.nn import Dense",
    "from flax.nn.attention import SelfAttention",
    "from flax.deprecated import nn",
    "import flax.deprecated.nn.linear",
    "from flax.optim import Adam",
    "import flax.optim.momentum",
    "from flax import linen, serialization, struct",
]


@pytest.fixture(scope="module")
def overlay():
    return Overlay(legacy_sources())


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling(overlay, spelling):
    with overlay.visible():
        exec(spelling, {})


@pytest.mark.parametrize("spelling", [text for text in SPELLINGS if "linen, " not in text])
def test_nothing_is_left_outside(overlay, spelling):
    with overlay.visible():
        pass
    with pytest.raises((ImportError, AttributeError)):
        exec(spelling, {})


def test_modern_modules_and_jax_are_untouched_outside(overlay):
    before = flax.traverse_util, dict(vars(jax)), dict(vars(jnp))
    with overlay.visible():
        assert flax.traverse_util is not before[0]
        assert jax.tree_map is jax.tree_util.tree_map
    assert before == (flax.traverse_util, dict(vars(jax)), dict(vars(jnp)))
    assert not [name for name in sys.modules if name.startswith(("flax.nn", "flax.optim"))]


@pytest.mark.parametrize("version", ["0.1.0", "0.2.2", "0.3.0", "0.3.6"])
def test_a_training_step(version):
    overlay = Overlay(legacy_sources(version))
    x = jnp.ones((3, 5))
    with overlay.visible():
        nn, optim = overlay.nn, overlay.optim

        class Model(nn.Module):
            def apply(self, x):
                return nn.dropout(nn.BatchNorm(nn.Dense(x, 4)), 0.5)

        key = jax.random.PRNGKey(0)
        with nn.stateful() as state, nn.stochastic(key):
            _, params = Model.init(key, x)
        optimizer = optim.Adam(0.1).create(nn.Model(Model, params))

        def loss(model):
            with nn.stateful(state), nn.stochastic(key):
                return jnp.sum(model(x) ** 2)

        after = optimizer.apply_gradient(jax.grad(loss)(optimizer.target))
    assert list(state.as_dict()) == ["/BatchNorm_1"]
    assert after.target.params["Dense_0"]["kernel"].shape == (5, 4)
