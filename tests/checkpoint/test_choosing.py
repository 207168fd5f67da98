"""Without a module: the class that fits the checkpoint; and legacy source as it is."""

import numpy as np
import pytest
from flax import serialization

from linenify.cli import main
from linenify.verify.wheels import WheelUnavailableError, legacy_sources

pytestmark = pytest.mark.numeric

LINEN = """
import jax.numpy as jnp
from flax import linen as nn

SHAPE = (1, 6)


class Net(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(x + nn.Dense(6)(nn.Dense(self.width)(x)))


class Other(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(x)


def start(key):
    return Net(width=6).init(key, jnp.ones(SHAPE)), Other().init(key, jnp.ones(SHAPE))
"""
TWIN = """

class Twin(nn.Module):
    @nn.compact
    def __call__(self, x):
        y = nn.Dense(6, name="Dense_0")(x)
        return nn.Dense(3, name="Dense_2")(x + nn.Dense(6, name="Dense_1")(y))


def again(key):
    return Twin().init(key, jnp.ones((1, 6)))
"""
LEGACY = """
from flax import nn
import jax.numpy as jnp

SHAPE = (1, 6)


class Net(nn.Module):
  def apply(self, x, width):
    return nn.Dense(x + nn.Dense(nn.Dense(x, width), 6), 3)


def start(key):
  return Net.partial(width=6).init_by_shape(key, [(SHAPE, jnp.float32)])
"""


def dense(value, size=6):
    return {"kernel": np.full((6, size), value, "f4"), "bias": np.full(size, value, "f4")}


PARAMS = {"Dense_0": dense(0.0), "Dense_1": dense(1.0), "Dense_2": dense(2.0, 3)}


@pytest.fixture
def remap(tmp_path, monkeypatch, capsys):
    """Runs the command in a folder with a checkpoint; its result, and what it said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoint_1").write_bytes(serialization.msgpack_serialize(PARAMS))

    def run(*options, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        code = main(["remap", "checkpoint_1", "new", *options])
        said = capsys.readouterr().err
        if code:
            assert not (tmp_path / "new").exists()
            return None, said
        made = serialization.msgpack_restore((tmp_path / "new").read_bytes())["params"]
        for name, text in files.items():
            assert (tmp_path / f"{name}.py").read_text() == text
        return {name: float(child["kernel"][0, 0]) for name, child in made.items()}, said

    return run


NAMED = ("--module", "model.py:Net", "--input", "f32[1,6]", "--set", "width=6")
WANTED = {"Dense_0": 2.0, "Dense_1": 1.0, "Dense_2": 0.0}


def test_the_class_that_fits_is_found(remap):
    made, said = remap(model=LINEN)
    assert made == WANTED
    assert "found --module model.py:Net --input 'f32[1,6]' --set width=6" in said


def test_another_folder_can_be_named(remap, tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "model.py").write_text(LINEN)
    assert remap("--project", "code")[0] == WANTED


def test_two_that_mean_different_maps_are_an_error(remap):
    made, said = remap(model=LINEN + TWIN)
    assert made is None
    assert "several module classes fit the checkpoint, with different maps" in said
    assert "--module model.py:Net --input 'f32[1,6]' --set width=6" in said
    assert "--module model.py:Twin --input 'f32[1,6]'" in said
    assert "model.py:Other" in said


def test_none_that_fits_is_an_error_with_reasons(remap):
    made, said = remap(model=LINEN.replace("width=6", "width=7"))
    assert made is None
    assert "no module class of the project fits the checkpoint" in said
    assert "3 submodules with variables" in said
    assert "in Linen [6, 7]" in said or "[7" in said
    assert "as in: linenify remap SRC DST --module" in said


def test_nothing_to_trace_is_an_error_with_a_command(remap):
    made, said = remap(model=LINEN.partition("def start")[0])
    assert made is None
    assert "no call shows with what it is initialised" in said
    assert "--module model.py:Net" in said


@pytest.fixture
def oracle():
    try:
        legacy_sources()
    except WheelUnavailableError as error:
        pytest.fail(str(error))


@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize("options", [(), NAMED])
def test_legacy_source_is_migrated_in_a_copy_and_confirms_the_map(remap, options):
    made, said = remap(*options, model=LEGACY)
    assert made == WANTED
    assert "model.py:Net is legacy source: `Net` was migrated in a temporary copy" in said
    assert "the legacy source initialises the same leaves" in said


def test_without_the_legacy_flax_it_goes_on_and_says_so(remap, monkeypatch, tmp_path):
    monkeypatch.setenv("LINENIFY_LEGACY_WHEEL", str(tmp_path / "nowhere.whl"))
    made, said = remap(model=LEGACY)
    assert made == WANTED
    assert "not confirmed by a legacy initialisation" in said


def test_a_refusal_of_the_migration_is_named(remap):
    recorded = (
        "class Net(nn.Module):\n  def __new__(cls, *args):\n    return super().__new__(cls, *args)"
    )
    text = LEGACY.replace("class Net(nn.Module):", recorded)
    made, said = remap(*NAMED, model=text)
    assert made is None
    assert "the migration refuses a part of `Net` itself: model.py:8 LN290" in said
