"""Which files of a project are looked at, and which meet nothing that is migrated."""

from __future__ import annotations

from pathlib import Path

import pytest

from linenify.facts.collect import collect
from linenify.facts.files.regions import Region, Regions
from linenify.migrate import migrate
from linenify.outcome import Severity
from linenify.project.load import load
from linenify.project.source import Project

MODEL = "from flax import nn\nclass Net(nn.Module):\n  def apply(self, x):\n    return x\n"
PLAIN = "import jax\ndef add(x, y):\n  return jax.lax.add(x, y)\n"


def project(folder: Path, **files: str) -> Project:
    (folder / "pyproject.toml").write_text("")
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return load([folder])


def region(folder: Path, **files: str) -> Region:
    return Regions(project(folder, **files)).region()


def decided(folder: Path, **files: str) -> frozenset[str]:
    return region(folder, **files).decided


def refused(folder: Path, **files: str) -> set[tuple[str, str]]:
    """The file and code of every refusal."""
    found = migrate(project(folder, **files)).diagnostics
    return {(d.path.stem, d.code) for d in found if d.severity is Severity.REFUSAL}


def test_files_that_imports_join_to_a_legacy_one_are_looked_at(tmp_path: Path) -> None:
    assert decided(
        tmp_path,
        model=MODEL,
        user="import model, helper\nhelper.run(model.Net)\n",
        helper="import jax\ndef run(net):\n  return net\n",
        other="import jax, helper\nhelper.run(3)\n",
        alone=PLAIN,
    ) == {"model", "user", "helper", "other"}


def test_modern_flax_is_not_looked_at(tmp_path: Path) -> None:
    linen = "import jax\nfrom flax import linen as nn\nfrom flax import struct\nprint(nn.relu)\n"
    assert not region(tmp_path, linen=linen).decided


def test_legacy_flax_is_known_by_what_is_read_off_an_import_of_flax(tmp_path: Path) -> None:
    assert decided(tmp_path, model="import flax as fx\nlayer = fx.nn.Dense\n") == {"model"}


@pytest.mark.parametrize("made", ["import_module('flax.nn')", "import_module('flax').nn"])
def test_legacy_flax_is_known_by_the_text_of_a_dynamic_import(tmp_path: Path, made: str) -> None:
    text = f"import importlib\nnn = importlib.{made}\n"
    assert decided(tmp_path, model=text) == {"model"}


def test_what_a_dotted_name_reaches_through_a_package_counts_as_imported(tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "__init__.py").write_text("")
    (tmp_path / "zoo" / "model.py").write_text(MODEL)
    found = decided(tmp_path, user="import jax, zoo\nprint(zoo.model.Net)\n", alone=PLAIN)
    assert found == {"zoo", "zoo.model", "user"}


def test_a_file_that_spells_a_gone_name_is_looked_at_and_what_it_imports_is_outlined(
    tmp_path: Path,
) -> None:
    found = region(
        tmp_path,
        compat="import jax\nimport jax.numpy as jnp\n",
        user="from compat import jax\nprint(jax.tree_multimap)\n",
        alone=PLAIN,
    )
    assert (found.decided, found.outlined) == ({"user"}, {"compat"})


def test_a_list_that_jax_takes_no_longer_is_looked_at(tmp_path: Path) -> None:
    text = "import jax.numpy as jnp\nparts = [1, 2]\nprint(jnp.mean(parts))\n"
    assert region(tmp_path, user=text).decided == {"user"}


STEP = "def step(optimizer, grads):\n  return optimizer.apply_gradient(grads)\n"
TRAIN = (
    MODEL
    + """
import jax
from flax import optim
from {} import step
def main(x):
  _, params = Net.init(jax.random.PRNGKey(0), x)
  return step(optim.Adam(1e-3).create(params), params)
"""
)
OWN = "class Sgd:\n  def apply_gradient(self, grads):\n    return grads\n"


def test_a_caller_without_a_word_of_flax_keeps_a_helper_from_being_rewritten(
    tmp_path: Path,
) -> None:
    found = refused(
        tmp_path,
        helper=STEP,
        train=TRAIN.format("helper"),
        plain=OWN + "from helper import step\nprint(step(optimizer=Sgd(), grads=1))\n",
    )
    assert ("helper", "LN692") in found


def test_so_does_one_that_takes_the_helper_from_a_third_file(tmp_path: Path) -> None:
    found = refused(
        tmp_path,
        helper=STEP,
        train=TRAIN.format("helper"),
        tools="from helper import *\n",
        own=OWN + "import tools\ndef run():\n  return tools.step(Sgd(), 1)\n",
    )
    assert ("helper", "LN692") in found


def test_a_list_that_a_file_without_jax_hands_to_a_helper_becomes_an_array(
    tmp_path: Path,
) -> None:
    made = project(
        tmp_path,
        model=MODEL + "import helper\n",
        helper="import jax.numpy as jnp\ndef mean(xs):\n  return jnp.mean(xs)\n",
        plain="import helper\nprint(helper.mean([1., 2.]))\n",
    )
    (change,) = (c for c in migrate(made).changes if c.path.stem == "helper")
    assert "jnp.mean(jnp.array(xs))" in change.after


def test_files_that_are_not_looked_at_have_facts_too(tmp_path: Path) -> None:
    files = collect(project(tmp_path, model=MODEL, alone=PLAIN)).files
    assert files["model"].definitions
    assert not files["alone"].definitions
