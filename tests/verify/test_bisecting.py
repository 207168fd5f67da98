"""A migration by hand is taken apart: the wrong passages among many are named."""

import pytest

from linenify.cli_verify import _migrate
from linenify.verify.bisecting import Migrations, culprit
from linenify.verify.request import Request, requested
from linenify.verify.service import Settings, verified

pytestmark = [pytest.mark.numeric, pytest.mark.slow]

LAYERS = """
from flax import nn


class Mlp(nn.Module):
    def apply(self, x, width):
        y = nn.Dense(x, width)
        y = nn.LayerNorm(y, epsilon=1e-5)
        y = nn.tanh(y)
        return nn.Dense(y, x.shape[-1])
"""

MODEL = """
import jax.numpy as jnp
from flax import nn
from .layers import Mlp


class Net(nn.Module):
    def apply(self, x, classes):
        for _ in range(2):
            x = x + Mlp(x, 5)
        x = nn.max_pool(x, (2,), strides=(2,))
        x = jnp.mean(x, axis=1)
        return nn.Dense(x, classes, bias=False)
"""


@pytest.fixture
def sides(tmp_path):
    """The legacy package, and a migration of it in which every line was touched."""
    for name in ("legacy", "linen"):
        folder = tmp_path / name / "pkg"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        (folder / "layers.py").write_text(LAYERS)
        (folder / "model.py").write_text(MODEL)
    _migrate(tmp_path / "linen")
    for file in (tmp_path / "linen" / "pkg").glob("*.py"):
        lines = file.read_text().splitlines()
        file.write_text("".join(f"{line}  # read\n" if line else "\n" for line in lines))
    return tmp_path / "legacy", tmp_path / "linen"


@pytest.mark.parametrize(
    "wrong",
    [
        [("layers.py", "(epsilon=1e-5)", "()", "LN301")],
        [("model.py", ", use_bias=False", "", "LN301")],
        [("layers.py", "nn.tanh(y)", "nn.relu(y)", ""), ("model.py", "max_pool", "avg_pool", "")],
    ],
    ids=["in one file", "in the other", "in both"],
)
def test_wrong_passages_are_named(sides, wrong):
    legacy, linen = sides
    for name, old, new, _ in wrong:
        file = linen / "pkg" / name
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
    request = Request("pkg.model:Net", inputs=["f32[2,4,6]"], settings=["classes=3"])
    target = requested(request, legacy, linen)
    settings = Settings(cached=False)
    migrations = Migrations(_migrate, lambda path: _migrate(path, exact=True))
    with verified([target], _migrate, settings) as [done]:
        cause = culprit(done, migrations, settings)
    passages = cause.split("; and ")
    assert len(passages) == len(wrong)
    for passage, (name, _, new, code) in zip(passages, wrong, strict=True):
        assert passage.startswith(f"pkg/{name}:")
        assert new in passage
        assert code in passage
