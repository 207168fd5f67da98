"""What remap writes loads into programs whose Models stay objects, and as the docs say."""

import re
import textwrap
from pathlib import Path

import pytest

from linenify.checkpoint.options import spelt_as_legacy
from linenify.cli import main

pytestmark = pytest.mark.numeric

DOCS = Path(__file__).parents[2] / "docs" / "remap.md"

MIGRATED = """
import flax
import jax
import jax.numpy as jnp
import optax
from flax import linen as nn, serialization
from flax.training.train_state import TrainState
from typing import Any


@flax.struct.dataclass
class BoundModel:
  module: nn.Module = flax.struct.field(pytree_node=False)
  params: Any

  def __call__(self, x):
    return self.module.apply({'params': self.params}, x)

  def __contains__(self, name):
    return name in self.params


class Actor(nn.Module):

  @nn.compact
  def __call__(self, x):
    return nn.Dense(2)(x)


def make(net=Actor):
  params = net().init(jax.random.PRNGKey(0), jnp.ones((1, 3)))['params']
  model = BoundModel(net(), params)
  return TrainState.create(apply_fn=None, params=model, tx=optax.adam(1e-3))


def load(path):
  with open(path, 'rb') as f:
    return serialization.from_bytes(make(), f.read())
"""


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A folder with a checkpoint of one Dense layer, trained by legacy Adam."""
    import numpy as np
    from flax import serialization

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    leaves = {"kernel": np.arange(6, dtype=np.float32).reshape(3, 2), "bias": np.ones(2, "f4")}
    slots = {name: {"grad_ema": x, "grad_sq_ema": x * x} for name, x in leaves.items()}
    tree = {
        "target": {"params": {"Dense_0": leaves}},
        "state": {"step": np.int32(7), "param_states": {"params": {"Dense_0": slots}}},
    }
    (tmp_path / "old.msgpack").write_bytes(serialization.to_bytes(tree))
    return tmp_path


def loaded(program, path):
    namespace = {}
    exec(compile(program, "net.py", "exec"), namespace)
    return namespace["load"](path)


def test_params_and_moments_of_a_model_that_is_an_object_are_found(old):
    (old / "net.py").write_text(MIGRATED)
    asked = ("--module", "net.py:Actor", "--input", "f32[1,3]", "--optimizer", "adam")
    assert main(["remap", "old.msgpack", "new.msgpack", *asked]) == 0
    state = loaded(MIGRATED, "new.msgpack")
    assert int(state.step) == 7
    assert state.params.params["Dense_0"]["kernel"][2, 1] == 5
    assert state.opt_state[0].nu.params["Dense_0"]["kernel"][2, 1] == 25


def test_plain_params_where_the_option_says_so(old):
    from flax import serialization

    (old / "net.py").write_text(MIGRATED)
    asked = ("--module", "net.py:Actor", "--input", "f32[1,3]", "--optimizer", "Adam")
    assert main(["remap", "old.msgpack", "new.msgpack", *asked, "--plain-params"]) == 0
    tree = serialization.msgpack_restore((old / "new.msgpack").read_bytes())
    assert list(tree["params"]) == ["Dense_0"]


def test_the_snippet_of_the_docs_takes_the_parts_of_what_is_written(old):
    import jax
    import jax.numpy as jnp
    import optax
    from flax import linen as nn
    from flax import serialization
    from flax.training.train_state import TrainState

    (old / "net.py").write_text(MIGRATED)
    asked = ("--module", "net.py:Actor", "--input", "f32[1,3]", "--optimizer", "Adam")
    assert main(["remap", "old.msgpack", "new.msgpack", *asked, "--plain-params"]) == 0
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    [snippet] = [block for block in blocks if "msgpack_restore" in block]
    net = nn.Dense(2)
    params = {"Dense_0": net.init(jax.random.PRNGKey(0), jnp.ones((1, 3)))["params"]}
    namespace = {
        "serialization": serialization,
        "data": (old / "new.msgpack").read_bytes(),
        "state": TrainState.create(apply_fn=None, params=params, tx=optax.adam(1e-3)),
    }
    lines = [line for line in textwrap.dedent(snippet).splitlines() if "batch_stats" not in line]
    exec("\n".join(lines), namespace)
    assert int(namespace["state"].step) == 7
    assert namespace["state"].params["Dense_0"]["kernel"][2, 1] == 5


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("adam", "Adam"),
        ("momentum(beta=0.8)", "Momentum(beta=0.8)"),
        ("optim.lars()", "optim.LARS()"),
        ("Adam( beta1 = 0.8 )", "Adam( beta1 = 0.8 )"),
        (
            "multioptimizer((lambda path, _: 'adam' in path, momentum()))",
            "MultiOptimizer((lambda path, _: 'adam' in path, Momentum()))",
        ),
        ("adam(", "adam("),
    ],
)
def test_optimizers_are_known_in_any_case_and_texts_stay(given, meant):
    assert spelt_as_legacy(given) == meant
