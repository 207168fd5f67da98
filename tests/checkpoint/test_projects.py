"""Modules in packages and projects of every shape, legacy and migrated."""

import numpy as np
import pytest
from flax import serialization

from linenify.checkpoint import Request
from linenify.checkpoint.user_module import user_module
from linenify.cli import main

pytestmark = pytest.mark.numeric

LEGACY_LAYERS = """
from flax import nn


class Block(nn.Module):
  def apply(self, x, width):
    return nn.Dense(nn.Dense(x, width), 6)
"""
LEGACY_MODEL = """
from flax import nn
{imports}


class Net(nn.Module):
  def apply(self, x, width=6):
    return {block}({block}(x, width), width)
"""
LINEN_LAYERS = """
from flax import linen as nn


class Block(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(6)(nn.Dense(self.width)(x))
"""
LINEN_MODEL = """
from flax import linen as nn
{imports}


class Net(nn.Module):
    width: int = 6

    @nn.compact
    def __call__(self, x):
        return {block}(self.width)({block}(self.width)(x))
"""


def dense(value):
    return {"kernel": np.full((6, 6), value, "f4"), "bias": np.full(6, value, "f4")}


PARAMS = {f"Block_{n}": {f"Dense_{m}": dense(2.0 * n + m) for m in range(2)} for n in range(2)}
WANTED = {"Block_0": [3.0, 2.0], "Block_1": [1.0, 0.0]}


def written(folder, layout, *, legacy):
    layers, model = (LEGACY_LAYERS, LEGACY_MODEL) if legacy else (LINEN_LAYERS, LINEN_MODEL)
    for name, (kind, imports, block) in layout.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = {"layers": layers, "model": model.format(imports=imports, block=block), "": imports}
        path.write_text(texts[kind])


PACKAGE = {
    "nets/__init__.py": ("", "", ""),
    "nets/parts/__init__.py": ("", "from .layers import Block\n", ""),
    "nets/parts/layers.py": ("layers", "", ""),
    "nets/model.py": ("model", "from . import parts", "parts.Block"),
}
NAMESPACE = {
    "nets/parts/layers.py": ("layers", "", ""),
    "nets/model.py": ("model", "from .parts.layers import Block", "Block"),
}
FROM_THE_TOP = {
    "common/layers.py": ("layers", "", ""),
    "nets/deep/model.py": ("model", "from common.layers import Block", "Block"),
}
SCRIPTS = {
    "code/layers.py": ("layers", "", ""),
    "code/model.py": ("model", "import layers", "layers.Block"),
}


@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "linen"])
@pytest.mark.parametrize(
    ("layout", "module"),
    [
        (PACKAGE, "nets/model.py:Net"),
        (PACKAGE, "nets.model:Net"),
        (NAMESPACE, "nets/model.py:Net"),
        (FROM_THE_TOP, "nets/deep/model.py:Net"),
        (SCRIPTS, "code/model.py:Net"),
    ],
    ids=["package", "dotted", "namespace", "from_the_top", "scripts"],
)
def test_imports_of_every_kind(tmp_path, monkeypatch, capsys, layout, module, legacy):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, layout, legacy=legacy)
    (tmp_path / "checkpoint_1").write_bytes(serialization.msgpack_serialize(PARAMS))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.py")}
    code = main(["remap", "checkpoint_1", "new", "--module", module, "--input", "f32[2,6]"])
    said = capsys.readouterr().err
    assert code == 0, said
    assert ("was migrated in a temporary copy" in said) == legacy
    made = serialization.msgpack_restore((tmp_path / "new").read_bytes())["params"]
    first = {
        block: [float(made[block][f"Dense_{n}"]["bias"][0]) for n in range(2)] for block in made
    }
    assert first == WANTED
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.py")} == before


def test_settings_that_are_no_fields_go_to_the_call(tmp_path):
    text = LINEN_LAYERS.replace("def __call__(self, x)", "def __call__(self, x, **options)")
    (tmp_path / "layers.py").write_text(text)
    request = Request(
        f"{tmp_path / 'layers.py'}:Block", ["f32[2,6]"], fields={"width": 3, "train": True}
    )
    with user_module(request) as (module, (x,), options):
        assert (module.width, x.shape, options) == (3, (2, 6), {"train": True})
