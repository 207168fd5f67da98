"""Whatever the program put around its model: found, converted, and converted back."""

import json

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from continuing import LINEN
from flax import serialization

from linenify.checkpoint import (
    CheckpointError,
    Kind,
    Request,
    applied,
    checked,
    convert,
    dumped,
    loaded,
    read,
    write,
)
from linenify.checkpoint import layout as layouts
from linenify.checkpoint.worker import answered

pytestmark = pytest.mark.numeric


def dense(value, inputs=6, size=6):
    return {"kernel": np.full((inputs, size), value, "f4"), "bias": np.full(size, value, "f4")}


def nested(make=dense):
    return {f"Dense_{n}": make(float(n)) for n in range(4)} | {"Dense_4": make(4.0, 6, 3)}


def slots(names, tree):
    if isinstance(tree, dict):
        return {key: slots(names, value) for key, value in tree.items()}
    return {name: tree + index for index, name in enumerate(names, 1)}


def optimizer(names=("grad_ema", "grad_sq_ema"), step=None):
    params = nested()
    step = np.asarray(7, np.int32) if step is None else step
    state = {"step": step, "param_states": {"params": slots(names, params)}}
    return {"target": {"params": params}, "state": state}


def replicated(tree, n=2):
    if isinstance(tree, dict):
        return {key: replicated(value, n) for key, value in tree.items()}
    return np.stack([tree] * n)


@pytest.fixture
def there_and_back(tmp_path):
    """Converts a tree; returns the Linen tree after a round trip that gave the same bytes."""

    def run(tree, kind=None, at=(), *, same=True, **request):
        path = tmp_path / "checkpoint_7"
        path.write_bytes(serialization.msgpack_serialize(tree, in_place=True))
        asked = Request(f"{LINEN}:Nested", ["f32[2,6]"], **request)
        index = read(tmp_path)
        conversion = convert(index, asked, kind, at, answered)
        made = checked(conversion.plan, index)
        write(tmp_path / "new", made)
        plan = loaded(dumped(conversion.plan))
        if plan.backward and same:
            write(tmp_path / "back", applied(plan.backward, read(tmp_path / "new")))
            assert (tmp_path / "back").read_bytes() == path.read_bytes()
        return serialization.msgpack_restore((tmp_path / "new").read_bytes()), conversion

    return run


WANTED = {"Dense_0": 1.0, "Dense_1": 0.0, "Dense_2": 3.0, "Dense_3": 2.0, "Dense_4": 4.0}


def numbers(params):
    return {name: float(child["kernel"].flat[0]) for name, child in params.items()}


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param(nested(), id="params"),
        pytest.param({"params": nested()}, id="Model"),
        pytest.param({"model": {"params": nested()}, "epoch": 3}, id="struct"),
    ],
)
def test_models_without_an_optimizer(there_and_back, tree):
    made, conversion = there_and_back(tree)
    assert numbers(made["params"]) == WANTED
    assert conversion.plan.backward == {} or "model" in tree or made.keys() == {"params"}


@pytest.mark.parametrize("copy", [nested(), {"params": nested()}], ids=["params", "Model"])
def test_other_values_of_the_params_take_their_names_too(there_and_back, copy):
    tree = {"optimizer": optimizer(), "average": copy, "epoch": 3}
    made, _ = there_and_back(tree, optimizer="Adam")
    assert numbers(made["params"]) == WANTED
    assert numbers(made["average"].get("params", made["average"])) == WANTED


def test_what_only_resembles_the_params_keeps_its_names(there_and_back):
    other = nested(lambda value, *_: dense(value, 5, 5))
    made, _ = there_and_back({"optimizer": optimizer(), "head": other}, optimizer="Adam")
    assert numbers(made["head"]) == numbers(other)


def test_an_optimizer_becomes_a_train_state(there_and_back):
    made, _ = there_and_back(optimizer(), optimizer="Adam(weight_decay=0.1)")
    assert numbers(made["params"]) == WANTED
    assert (made["step"].dtype, int(made["step"])) == (np.int32, 7)
    adam = made["opt_state"]["0"]
    assert int(adam["count"]) == 7
    assert numbers(adam["mu"]) == {name: value + 1 for name, value in WANTED.items()}
    assert numbers(adam["nu"]) == {name: value + 2 for name, value in WANTED.items()}
    assert made["opt_state"].keys() == {"0", "1", "2"}  # adam, decay, learning rate


def test_a_native_step_of_an_old_fresh_checkpoint(there_and_back):
    made, _ = there_and_back(optimizer(step=0), optimizer="Adam")
    assert (made["step"].dtype, int(made["step"])) == (np.int32, 0)


def test_hyper_parameters_that_steps_set_and_schedules(there_and_back):
    made, _ = there_and_back(optimizer(), optimizer="Adam(0.25)", per_step=["learning_rate"])
    assert float(made["opt_state"]["hyperparams"]["learning_rate"]) == 0.25
    assert int(made["opt_state"]["count"]) == 7
    made, _ = there_and_back(optimizer(), optimizer="Adam", schedule=True)
    assert int(made["opt_state"]["1"]["count"]) == 7


def test_lars_changes_the_sign_of_its_momenta(there_and_back):
    made, _ = there_and_back(optimizer(["momentum"]), optimizer="LARS(weight_decay=0.1)")
    trace = made["opt_state"]["2"]["trace"]
    assert numbers(trace) == {name: -value - 1 for name, value in WANTED.items()}


def test_replicas_are_stripped_and_made_again(there_and_back):
    made, conversion = there_and_back(
        {"optimizer": replicated(optimizer()), "best": replicated(np.float32(0.5))},
        optimizer="Adam",
    )
    assert numbers(made["params"]) == WANTED
    assert made["step"].shape == ()
    assert made["best"].shape == ()
    assert conversion.notes == ("replicated over 2 devices: the first replica is taken",)


def test_replicas_that_differ_are_named(there_and_back):
    tree = replicated(optimizer())
    tree["target"]["params"]["Dense_1"]["bias"][1] += 1
    _, conversion = there_and_back(tree, same=False, optimizer="Adam")
    (note,) = conversion.notes
    assert "they differ in 1 leaves, for one in target/params/Dense_1/bias" in note
    assert not conversion.plan.backward


def test_an_ensemble_is_not_taken_for_replicas(there_and_back):
    tree = replicated(nested())
    tree["Dense_1"]["bias"][1] += 1
    with pytest.raises(CheckpointError, match="the params differ along it"):
        there_and_back(tree)


@pytest.mark.parametrize("step", [7, 7.0, np.asarray(7.0, "f4"), np.int32(7), np.float64(7)])
def test_steps_of_every_kind_count(there_and_back, step):
    made, _ = there_and_back(optimizer(step=step), optimizer="Adam")
    assert (made["step"].dtype, int(made["step"])) == (np.int32, 7)
    assert made["opt_state"]["0"]["count"].dtype == np.int32


@pytest.mark.parametrize("step", [7.5, 2**40, np.asarray(0.5, "f4"), True, float("nan")])
def test_a_step_that_counts_nothing_is_an_error(there_and_back, step):
    with pytest.raises(CheckpointError, match=r"state/step: .* is no number of steps"):
        there_and_back(optimizer(step=step), optimizer="Adam")


@pytest.mark.parametrize("value", [1.5, 3, "text"])
def test_plain_values_among_the_params_are_not_dropped(there_and_back, value):
    tree = nested()
    tree["Dense_0"]["extra"] = value
    with pytest.raises(CheckpointError, match=r"Dense_0/extra: .* no such variable"):
        there_and_back(tree)
    tree = nested()
    tree["Dense_0"]["bias"] = value
    with pytest.raises(CheckpointError, match=r"Dense_0/bias: .* this is no array"):
        there_and_back(tree)


@pytest.mark.parametrize("change", [["as object"], ["drop"], ["first", "x"], [3], [["as int32"]]])
def test_a_map_with_unknown_changes_is_refused(change):
    row = {"at": ["step"], "from": ["step"], "dtype": "float32", "shape": [], "changes": [change]}
    text = json.dumps({"linenify": "remap", "version": 1, "to_linen": [row], "to_legacy": []})
    with pytest.raises(CheckpointError, match="map"):
        loaded(text)


def test_a_map_is_not_applied_to_what_it_made(there_and_back, tmp_path):
    _, conversion = there_and_back(optimizer(), optimizer="Adam")
    with pytest.raises(CheckpointError, match="on the other side of the map already"):
        checked(conversion.plan, read(tmp_path / "new"))
    with pytest.raises(CheckpointError, match="leave --inverse out"):
        checked(conversion.plan, read(tmp_path / "checkpoint_7"), inverse=True)


def test_another_checkpoint_of_the_map_with_a_step_too_large_is_an_error(there_and_back, tmp_path):
    _, conversion = there_and_back(optimizer(step=7), optimizer="Adam")
    (tmp_path / "other").write_bytes(serialization.msgpack_serialize(optimizer(step=2**40)))
    with pytest.raises(CheckpointError, match="is no number of steps"):
        checked(conversion.plan, read(tmp_path / "other"))


def test_bfloat16_of_old_versions(there_and_back):
    half = {
        name: {k: v.astype(ml_dtypes.bfloat16) for k, v in child.items()}
        for name, child in nested().items()
    }
    made, _ = there_and_back({"params": half})
    assert made["params"]["Dense_0"]["kernel"].dtype == jnp.bfloat16


def test_several_optimizers_of_old_versions_keep_lists(there_and_back):
    """Numbered by the sorted keys of those that the traversal picks (flax <= 0.3.2)."""
    params = nested()
    kernels = {str(n): {"momentum": params[f"Dense_{n}"]["kernel"] + 1} for n in range(5)}
    biases = {
        str(n): {
            "grad_ema": params[f"Dense_{n}"]["bias"] + 1,
            "grad_sq_ema": params[f"Dense_{n}"]["bias"] + 2,
        }
        for n in range(5)
    }
    step = np.asarray(7, np.int32)
    state = {
        "0": {"step": step, "param_states": kernels},
        "1": {"step": step, "param_states": biases},
    }
    made, _ = there_and_back(
        {"target": {"params": params}, "state": state},
        optimizer='MultiOptimizer((lambda path, _: "kernel" in path, Momentum()), '
        '(lambda path, _: "bias" in path, Adam()))',
    )
    inner = made["opt_state"]["inner_states"]
    trace = inner["0"]["inner_state"]["0"]["trace"]
    assert numbers(trace) == {name: value + 1 for name, value in WANTED.items()}
    nu = inner["1"]["inner_state"]["0"]["nu"]
    assert {name: float(c["bias"].flat[0]) for name, c in nu.items()} == {
        name: value + 2 for name, value in WANTED.items()
    }


def test_only_params_or_variables_of_an_optimizer(there_and_back):
    made, conversion = there_and_back(optimizer(), Kind.PARAMS)
    assert numbers(made) == WANTED
    assert conversion.plan.backward == {}
    made, _ = there_and_back(optimizer(), Kind.VARIABLES)
    assert made.keys() == {"params"}


@pytest.mark.parametrize(
    ("tree", "request_", "complaint"),
    [
        (optimizer(), {}, "Adam or LAMB or AdaBelief"),
        (optimizer(["momentum"]), {}, "Momentum or LARS"),
        (optimizer(), {"optimizer": "Momentum"}, "leaf is missing"),
        (optimizer(), {"optimizer": "Adamo"}, "there is no legacy optimizer Adamo"),
        (optimizer(["momentum", "other"]), {"optimizer": "Momentum"}, "Linen has no place"),
        ({"a": optimizer(), "b": optimizer()}, {}, "several optimizers: a, b; choose one"),
        ({"params": {"Dense_0": dense(0.0)}}, {}, "1 submodules with variables"),
    ],
)
def test_what_is_unclear_is_refused(there_and_back, tree, request_, complaint):
    with pytest.raises(CheckpointError, match=complaint):
        there_and_back(tree, **request_)


def test_one_of_several_can_be_chosen():
    tree = {"a": optimizer(), "b": optimizer(), "1": {"/": {"x": np.ones(1)}}}
    found = layouts.layout_of(tree, ("b",))
    assert found.params == ("b", "target", "params")
    assert found.state == ("1",)
    assert found.others == (("a",),)
