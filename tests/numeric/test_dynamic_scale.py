"""`flax.optim.DynamicScale` beside `flax.training.dynamic_scale.DynamicScale`."""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.training.dynamic_scale import DynamicScale

from linenify.verify.overlay import Overlay
from linenify.verify.wheels import legacy_sources

pytestmark = pytest.mark.numeric


def loss(params: Any, x: Any) -> tuple[Any, Any]:
    """Half precision, which overflows where `x` is large."""
    y = jnp.asarray(x, jnp.float16) @ params["kernel"].astype(jnp.float16)
    return jnp.mean(y**2), {"y": y}


def trained(scale: Any) -> list[Any]:
    """Steps that grow the scale, overflow, and recover."""
    params = {"kernel": jnp.linspace(-1.0, 1.0, 6).reshape(3, 2)}
    found = []
    for size in (1.0, 2.0, 1.0, 1e4, 1e4, 0.1, 1.0, 1.0):
        scale, finite, aux, grads = scale.value_and_grad(loss, has_aux=True)(
            params, jnp.full((4, 3), size)
        )
        params = jax.tree.map(lambda p, g, ok=finite: jnp.where(ok, p - 0.01 * g, p), params, grads)
        found.append((scale.scale, scale.fin_steps, finite, aux, grads, params))
    return found


@pytest.mark.parametrize(
    "options", [{}, {"growth_interval": 1, "growth_factor": 4.0, "scale": 8.0}]
)
def test_it_is_equal(options):
    overlay = Overlay(legacy_sources())
    with overlay.visible():
        theirs = trained(overlay.optim.DynamicScale(**options))
    ours = trained(DynamicScale(**options))
    finite = [bool(step[2]) for step in ours]
    assert True in finite
    assert False in finite
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_legacy_fields_come_first_and_are_saved_alike():
    overlay = Overlay(legacy_sources())
    with overlay.visible():
        legacy = overlay.optim.DynamicScale(2.0, 0.5, 1000, 7, 16.0)
        names = [each.name for each in dataclasses.fields(legacy)]
        saved = flax.serialization.to_state_dict(legacy)
    scale = DynamicScale(2.0, 0.5, 1000, 7, 16.0)
    assert [each.name for each in dataclasses.fields(scale)][: len(names)] == names
    assert flax.serialization.to_state_dict(scale) == saved
