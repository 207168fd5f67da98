"""A folder of the project that is called as a library is."""

from __future__ import annotations

import pytest

from linenify.migrate import migrate
from tests.facts.support import project_of

NET = """
import jax
import jax.numpy as jnp
from flax import nn
{more}
class Net(nn.Module):
  def apply(self, x):
    return nn.Dense(x, 3)
def made(key):
  _, params = Net.init_by_shape(key, [(2, 3)])
  return jax.tree_map(jnp.zeros_like, params), nn.Model(Net, params)
def run(model: nn.Model):
  return model(jnp.ones((2, 3)))
"""
LAYOUTS = {
    "a package": {
        "jax.": "from flax import nn\ndef held(model: nn.Model):\n  return [model]\n",
        "jax.nets": NET.format(more="from jax import lax"),
        "jax.others": NET.format(more="from project.jax import nets"),
    },
    "below another package": {
        "project.": "",
        "project.jax.": "from flax import nn\ndef held(model: nn.Model):\n  return [model]\n",
        "project.jax.nets": NET.format(more="from . import others"),
        "project.jax.others": NET.format(more=""),
    },
    "a file": {
        "models.jax": "tree_map = 3\n",
        "models.nets": NET.format(more=""),
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_jax_is_the_library_there(layout: str) -> None:
    migrated = migrate(project_of(LAYOUTS[layout]))

    texts = {c.path.name: c.after for c in migrated.changes}
    assert "jax.tree.map(jnp.zeros_like, params)" in texts["nets.py"]
    assert not any("from jax import BoundModel" in text for text in texts.values())


def test_with_dots_the_folder_is_meant() -> None:
    files = {
        "project.": "",
        "project.jax.": "",
        "project.jax.layers": (
            "from flax import nn\n"
            "class Own(nn.Module):\n  def apply(self, x, width):\n    return nn.Dense(x, width)\n"
        ),
        "project.main": (
            "from flax import nn\nfrom .jax import layers\n"
            "class Net(nn.Module):\n  def apply(self, x):\n    return layers.Own(x, 3)\n"
        ),
    }

    migrated = migrate(project_of(files))

    text = next(c.after for c in migrated.changes if c.path.name == "main.py")
    assert "layers.Own(3)(x)" in text
