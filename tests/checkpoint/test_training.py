"""Checkpoints of real legacy training load, and the next five steps are legacy's."""

import importlib.util
import itertools
from pathlib import Path

import continuing
import legacy_training
import pytest

from linenify.checkpoint.conversion import applied, dumped, loaded
from linenify.checkpoint.outputs import write
from linenify.checkpoint.sources import read
from linenify.verify.overlay import Overlay
from linenify.verify.wheels import WheelUnavailableError, legacy_sources

pytestmark = pytest.mark.numeric
HERE = Path(__file__).parent

# Every model and every optimizer once; all pairs are in docs/remap.md.
MODELS = list(legacy_training.INPUTS)
OPTIMIZERS = list(legacy_training.OPTIMIZERS)
PAIRS = list(zip(itertools.cycle(MODELS), OPTIMIZERS, strict=False))


@pytest.fixture(scope="module")
def legacy():
    try:
        overlay = Overlay(legacy_sources())
    except WheelUnavailableError as error:
        pytest.skip(str(error))
    with overlay.visible():
        spec = importlib.util.spec_from_file_location("legacy_models", HERE / "models/legacy.py")
        models = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(models)
    return overlay, models


@pytest.fixture
def trained(legacy, tmp_path):
    """A folder with a legacy checkpoint, and with what legacy makes of it."""
    overlay, models = legacy

    def train(model, optimizer):
        with overlay.visible():
            from flax import serialization

            middle, after = legacy_training.trained(
                overlay.nn, overlay.optim, models, model, optimizer
            )
            data = serialization.to_bytes(middle)
        (tmp_path / "checkpoint_5").write_bytes(data)
        legacy_training.np.savez(tmp_path / "after.npz", **after)
        return tmp_path

    return train


@pytest.mark.parametrize(("model", "optimizer"), PAIRS)
def test_the_next_steps_are_those_of_legacy(trained, model, optimizer, tmp_path):
    place = trained(model, optimizer)
    outputs, losses, variables = continuing.errors(place, model, optimizer, tmp_path / "new")
    assert outputs < 1e-5
    assert losses < 1e-5
    assert variables < 1e-4


@pytest.mark.parametrize(("model", "optimizer"), [("Counter", "adamw"), ("Axes", "weight_norm")])
def test_the_way_back_gives_the_same_bytes(trained, model, optimizer, tmp_path):
    place = trained(model, optimizer)
    _, conversion, made = continuing.remapped(place, model, optimizer)
    assert conversion.notes == ()
    write(tmp_path / "new", made)
    plan = loaded(dumped(conversion.plan))
    assert dumped(plan) == dumped(conversion.plan)
    write(tmp_path / "back", applied(plan.backward, read(tmp_path / "new")))
    assert (tmp_path / "back").read_bytes() == (place / "checkpoint_5").read_bytes()
