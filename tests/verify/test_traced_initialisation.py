"""Legacy programs may initialise inside a transformation, as those of 2020 did."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from linenify.verify.overlay import Overlay
from linenify.verify.wheels import legacy_sources

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def overlay() -> Overlay:
    return Overlay(legacy_sources())


@pytest.mark.parametrize("method", ["init", "init_by_shape"])
def test_a_traced_key_gives_the_parameters_of_a_concrete_one(overlay: Overlay, method: str) -> None:
    with overlay.visible():
        nn = overlay.nn

        class Inner(nn.Module):
            def apply(self, x):
                return nn.Dense(nn.Dense(x, 4), 3)

        class Outer(nn.Module):
            def apply(self, x):
                return nn.Dense(Inner(x), 2)

        def params_of(key: jax.Array) -> dict:
            given = jnp.ones((1, 5)) if method == "init" else [(1, 5)]
            return getattr(Outer, method)(key, given)[1]

        keys = jax.random.split(jax.random.PRNGKey(0), 3)
        eager = [params_of(key) for key in keys]
        jitted = jax.jit(params_of)(keys[0])
        mapped = jax.jit(jax.vmap(params_of))(keys)

    jax.tree_util.tree_map(np.testing.assert_allclose, eager[0], jitted)
    stacked = jax.tree_util.tree_map(lambda *leaves: np.stack(leaves), *eager)
    jax.tree_util.tree_map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6), stacked, mapped
    )
    assert not np.allclose(*stacked["Dense_1"]["kernel"][:2])
