"""Several Models under one optimizer: one train state, and training goes on."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import serialization
from flax.training import train_state

from linenify.checkpoint import CheckpointError, Request, checked, convert, read, write
from linenify.checkpoint.conversion import applied, dumped, loaded
from linenify.checkpoint.optax_state import transformation_of
from linenify.checkpoint.worker import answered
from linenify.verify.overlay import Overlay
from linenify.verify.wheels import legacy_sources

pytestmark = pytest.mark.numeric
FIXTURES = Path(__file__).parents[2] / "fixtures"
STEPS = 3


@pytest.fixture(scope="module")
def overlay():
    return Overlay(legacy_sources())


def imported(path):
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def noisy(tree):
    draw = np.random.default_rng(3)
    return jax.tree_util.tree_map(
        lambda leaf: leaf + jnp.asarray(0.1 * draw.normal(size=leaf.shape), leaf.dtype), tree
    )


def goes_on(overlay, fixture, optimizer, start, batches, request, folder):
    """Legacy trains, stops, and trains on; what the migrated program makes of its checkpoint."""
    home = FIXTURES / fixture
    with overlay.visible():
        legacy = imported(home / "legacy.py")
        definition = eval(optimizer, dict(vars(overlay.optim)))
        state = definition.create(noisy(start(legacy)))
        for batch in batches:
            state = legacy.train_step(state, *batch)[0]
        (folder / "checkpoint_3").write_bytes(serialization.to_bytes(state))
        theirs = []
        for batch in batches:
            state, loss, *_ = legacy.train_step(state, *batch)
            theirs.append(float(loss))
        after = serialization.to_state_dict(state)["target"]

    index = read(folder)
    conversion = convert(index, request, ask=answered)
    write(folder / "new", checked(conversion.plan, index))
    write(folder / "back", applied(loaded(dumped(conversion.plan)).backward, read(folder / "new")))
    assert (folder / "back").read_bytes() == (folder / "checkpoint_3").read_bytes()

    linen = imported(home / "linen.py")
    fresh = train_state.TrainState.create(
        apply_fn=None, params=start(linen), tx=transformation_of(optimizer)
    )
    migrated = serialization.from_bytes(fresh, (folder / "new").read_bytes())
    ours = []
    for batch in batches:
        migrated, loss, *_ = linen.train_step(migrated, *batch)
        ours.append(float(loss))
    np.testing.assert_allclose(ours, theirs, rtol=2e-6)
    assert int(migrated.step) == 2 * STEPS
    mine = serialization.to_state_dict(migrated.params)
    for row in conversion.renames.rows:
        old, new = after, mine
        for old_key, new_key in zip(row.legacy[1:], row.linen[1:], strict=True):
            old, new = old[old_key], new[new_key]
        np.testing.assert_allclose(new, old, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["Adam(0.01)", "LAMB(0.01, weight_decay=0.1)"])
def test_a_tuple_of_models(overlay, optimizer, tmp_path):
    file = FIXTURES / "tuple_of_encoder_and_decoder" / "linen.py"
    draw = np.random.default_rng(0)
    batches = [(draw.normal(size=(16, 8)).astype("f4"), 0.1) for _ in range(STEPS)]
    parts = {
        "0": Request(f"{file}:Encoder", ["f32[1,8]"], fields={"code_size": 2}),
        "1": Request(f"{file}:Decoder", ["f32[1,2]"], fields={"size": 8}),
    }
    request = Request(parts=parts, optimizer=optimizer)
    goes_on(
        overlay,
        "tuple_of_encoder_and_decoder",
        optimizer,
        lambda program: program.create_models(jax.random.PRNGKey(0), 8, 2),
        batches,
        request,
        tmp_path,
    )


def test_a_dict_of_models_and_a_number(overlay, tmp_path):
    file = FIXTURES / "dict_of_models_in_one_optimizer" / "linen.py"
    draw = np.random.default_rng(0)
    batches = [
        (draw.normal(size=(5, 6, 6, 3)).astype("f4"), draw.integers(0, 12, (5, 4)))
        for _ in range(STEPS)
    ]
    parts = {
        "image": Request(f"{file}:ImageTower", ["f32[1,6,6,3]"], fields={"dim": 5}),
        "caption": Request(f"{file}:CaptionTower", ["i32[1,4]"], fields={"dim": 5, "vocab": 12}),
    }
    goes_on(
        overlay,
        "dict_of_models_in_one_optimizer",
        "Momentum(0.2, beta=0.8)",
        lambda program: program.build(jax.random.PRNGKey(0)),
        batches,
        Request(parts=parts, optimizer="Momentum(0.2, beta=0.8)"),
        tmp_path,
    )


# --- the edges -------------------------------------------------------------------------------

LINEN = """
from flax import linen as nn


class Gen(nn.Module):
    @nn.compact
    def __call__(self, z):
        return nn.Dense(3)(nn.relu(nn.Dense(5)(z)))


class Disc(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(nn.BatchNorm(use_running_average=False)(nn.Dense(4)(x)))
"""


def dense(inputs, size, value):
    return {"kernel": np.full((inputs, size), value, "f4"), "bias": np.full(size, value, "f4")}


def gan():
    norm = {"scale": np.ones(4, "f4"), "bias": np.zeros(4, "f4")}
    gen = {"params": {"Dense_0": dense(2, 5, 0.0), "Dense_1": dense(5, 3, 1.0)}}
    disc = {"Dense_0": dense(3, 4, 2.0), "BatchNorm_1": norm, "Dense_2": dense(4, 1, 3.0)}
    return {"gen": gen, "disc": {"params": disc}}


def state(value):
    return {"/BatchNorm_1": {"mean": np.full(4, value, "f4"), "var": np.ones(4, "f4")}}


@pytest.fixture
def there_and_back(tmp_path):
    (tmp_path / "gan.py").write_text(LINEN)

    def run(tree, names=("gen", "disc"), **rest):
        (tmp_path / "checkpoint_1").write_bytes(serialization.msgpack_serialize(tree))
        known = {
            "gen": Request(f"{tmp_path / 'gan.py'}:Gen", ["f32[1,2]"]),
            "disc": Request(f"{tmp_path / 'gan.py'}:Disc", ["f32[1,3]"]),
        }
        parts = {name: known[name.rpartition("/")[2]] for name in names}
        index = read(tmp_path)
        conversion = convert(index, Request(parts=parts, **rest), ask=answered)
        write(tmp_path / "new", checked(conversion.plan, index))
        back = applied(loaded(dumped(conversion.plan)).backward, read(tmp_path / "new"))
        write(tmp_path / "back", back)
        assert (tmp_path / "back").read_bytes() == (tmp_path / "checkpoint_1").read_bytes()
        return serialization.msgpack_restore((tmp_path / "new").read_bytes())

    return run


def test_each_collection_goes_to_its_model(there_and_back):
    made = there_and_back(
        {"models": gan(), "states": {"gen": {}, "disc": state(5.0)}},
        ("models/gen", "models/disc"),
    )
    assert made["states"]["disc"]["batch_stats"]["BatchNorm_0"]["mean"][0] == 5.0
    assert made["params"]["models"]["gen"]["params"]["Dense_0"]["bias"].shape == (3,)


def test_params_without_models_keep_their_level(there_and_back):
    tree = {name: model["params"] for name, model in gan().items()}
    made = there_and_back({"gen": tree["gen"], "disc": tree["disc"]})
    assert made["params"]["gen"].keys() == {"Dense_0", "Dense_1"}


def test_a_model_without_a_module_is_an_error(there_and_back):
    with pytest.raises(CheckpointError, match=r"disc: this model has no module"):
        there_and_back(gan(), ("gen",))


def test_models_without_names_are_an_error(tmp_path):
    slots = jax.tree_util.tree_map(lambda leaf: {"momentum": leaf}, gan())
    tree = {"target": gan(), "state": {"step": np.int32(1), "param_states": slots}}
    (tmp_path / "checkpoint_1").write_bytes(serialization.msgpack_serialize(tree))
    with pytest.raises(CheckpointError, match="--module gen=FILE:CLASS"):
        convert(read(tmp_path), Request("gan.py:Gen", optimizer="Momentum"), ask=answered)


def test_a_module_that_does_not_fit_names_its_model(there_and_back):
    tree = gan()
    del tree["disc"]["params"]["Dense_2"]
    with pytest.raises(CheckpointError, match="disc: "):
        there_and_back(tree)
