"""Old params of modules that were migrated with `--keep-names`: they load, and remap agrees."""

from pathlib import Path

import jax
import numpy as np
import pytest
from flax import serialization

from linenify.checkpoint import remap, renames
from linenify.verify.case import read_case
from linenify.verify.inputs import Inputs
from linenify.verify.loading import UserFiles
from linenify.verify.observing import randomised
from linenify.verify.overlay import Overlay
from linenify.verify.sides import module_side
from linenify.verify.wheels import legacy_sources
from linenify.verify.worlds import World, inside

pytestmark = pytest.mark.numeric

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.fixture(scope="module")
def overlay():
    return Overlay(legacy_sources("0.3.6"))


@pytest.fixture
def sides(request, overlay):
    """Legacy params as a file holds them, and the migrated module with its inputs."""
    name, number = request.param
    folder = FIXTURES / name
    pair = read_case(folder / "case.toml").runs[number]
    legacy = World(UserFiles(folder / "legacy.py"), overlay)
    with inside(legacy, "init"):
        leaves, _ = module_side(pair.legacy, legacy).initial()
        params = jax.tree_util.tree_map(np.asarray, leaves.rebuild(randomised(leaves)))
    linen = World(UserFiles(folder / "linen.py"), None)
    with inside(linen, "init"):
        namespace = vars(linen.files.load())
        make = Inputs(namespace)
        module = namespace[pair.linen.module](**make.literals(pair.linen.hyperparameters))
        inputs = make.positional(pair.linen.inputs)
    return serialization.to_bytes(params), module, inputs


NAMED = [
    ("kept_names_of_nested_calls", 0),
    ("kept_names_in_loops", 0),
    ("kept_names_in_loops", 1),
    ("kept_names_in_loops", 2),
    ("kept_names_of_shared_modules", 0),
    ("kept_names_of_shared_modules", 1),
]


@pytest.mark.parametrize("sides", NAMED, indirect=True, ids=str)
def test_an_old_checkpoint_loads_unchanged(sides):
    data, module, inputs = sides
    fresh = module.init(jax.random.key(0), *inputs)["params"]
    loaded = serialization.from_bytes(fresh, data)
    old = serialization.msgpack_restore(data)
    assert jax.tree_util.tree_all(jax.tree_util.tree_map(np.array_equal, loaded, old))
    module.apply({"params": loaded}, *inputs)


@pytest.mark.parametrize("sides", NAMED, indirect=True, ids=str)
def test_remap_moves_nothing(sides):
    data, module, inputs = sides
    params = serialization.msgpack_restore(data)
    names = renames(module, *inputs, params=params)
    assert not names.notes
    assert all(row.legacy == row.linen and row.shape == row.linen_shape for row in names.rows)
    moved = remap(params, names)["params"]
    assert jax.tree_util.tree_all(jax.tree_util.tree_map(np.array_equal, moved, params))


@pytest.mark.parametrize("sides", [("names_that_cannot_be_kept", 0)], indirect=True)
def test_remap_does_the_rest(sides):
    data, module, inputs = sides
    params = serialization.msgpack_restore(data)
    names = renames(module, *inputs, params=params)
    changed = {
        "/".join(row.legacy[1:]): "/".join(row.linen[1:])
        for row in names.rows
        if row.legacy != row.linen
    }
    assert changed == {
        "Stack_1/Dense_1/kernel": "Stack_1/Dense_0/kernel",
        "Stack_1/Dense_1/bias": "Stack_1/Dense_0/bias",
    }
    turned = {
        "/".join(row.linen[1:]) for row in names.rows if row.shape != row.linen_shape or row.axes
    }
    assert turned == {
        "Block_0/GroupNorm_1/scale",
        "Block_0/GroupNorm_1/bias",
        "Block_0/DenseGeneral_2/kernel",
    }
    module.apply(remap(params, names), *inputs)
