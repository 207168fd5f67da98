"""The independent oracle: another Flax, another JAX, the same numbers."""

import textwrap

import numpy as np
import pytest

from linenify.errors import UsageError
from linenify.verify import isolated
from linenify.verify.run import Job, Limits, run_jobs

pytestmark = [pytest.mark.numeric, pytest.mark.slow, pytest.mark.xdist_group("isolated")]

LEGACY = """
from flax import nn, optim
import jax
import jax.numpy as jnp

class Net(nn.Module):
    def apply(self, x, train=True):
        x = nn.BatchNorm(nn.Dense(x, 4), use_running_average=not train)
        return nn.Dense(nn.dropout(nn.relu(x), 0.5, deterministic=not train), 2)

def main():
    x = jax.random.normal(jax.random.PRNGKey(0), (4, 3))
    _, params = nn.Dense.partial(features=1).init_by_shape(jax.random.PRNGKey(1), [(4, 3)])
    optimizer = optim.Adam(0.1).create(nn.Model(nn.Dense.partial(features=1), params))
    losses = []
    for _ in range(3):
        loss, grad = jax.value_and_grad(lambda m: (m(x) ** 2).mean())(optimizer.target)
        optimizer = optimizer.apply_gradient(grad)
        losses.append(loss)
    return losses
"""

LINEN = """
from flax import linen as nn
import jax
import optax

class Net(nn.Module):
    @nn.compact
    def __call__(self, x, train=True):
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(4)(x))
        return nn.Dense(2)(nn.Dropout(0.5)(nn.relu(x), deterministic=not train))

def main():
    x = jax.random.normal(jax.random.PRNGKey(0), (4, 3))
    module, tx = nn.Dense(1), optax.adam(0.1)
    params = module.init(jax.random.PRNGKey(1), x)
    state, losses = tx.init(params), []
    for _ in range(3):
        loss, grad = jax.value_and_grad(lambda p: (module.apply(p, x) ** 2).mean())(params)
        updates, state = tx.update(grad, state, params)
        params = optax.apply_updates(params, updates)
        losses.append(loss)
    return losses
"""

CASE = """
[[run]]
module = "Net"
inputs = ["f32[4,3]"]
rngs = ["dropout"]
state = true

[[run]]
function = "main"
"""


@pytest.fixture(scope="module", autouse=True)
def _environment():
    try:
        isolated.environment_python()
    except UsageError as error:
        pytest.skip(str(error))


def test_both_oracles_agree(tmp_path):
    for name, text in (("legacy.py", LEGACY), ("linen.py", LINEN), ("case.toml", CASE)):
        (tmp_path / name).write_text(textwrap.dedent(text))
    job = Job(*(str(tmp_path / name) for name in ("case.toml", "legacy.py", "linen.py")))
    [result] = run_jobs(isolated.recorded([job], tmp_path, Limits()))
    assert result.outcome.passed, result
    for run in result.runs:
        assert run.comparisons[-1].what == "independent oracle"
        assert run.comparisons[-1].leaves


def test_what_the_oracles_disagree_on_is_seen(tmp_path):
    import pickle

    for name, text in (("legacy.py", LEGACY), ("linen.py", LINEN), ("case.toml", CASE)):
        (tmp_path / name).write_text(textwrap.dedent(text))
    job = Job(*(str(tmp_path / name) for name in ("case.toml", "legacy.py", "linen.py")))
    [job] = isolated.recorded([job], tmp_path, Limits())
    records = pickle.loads((tmp_path / "0.pickle").read_bytes())
    records[1]["outputs/(all)"] = np.asarray(records[1]["outputs/(all)"]) + np.float32(1e-3)
    (tmp_path / "0.pickle").write_bytes(pickle.dumps(records))
    [result] = run_jobs([job])
    assert [run.outcome.passed for run in result.runs] == [True, False]


def test_without_an_index_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    with pytest.raises(UsageError, match="--oracle overlay is there"):
        isolated.environment_python()
    assert not list(tmp_path.glob("linenify/oracle/*"))
