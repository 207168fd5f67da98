"""Which files of a project are looked at, and which meet nothing that is migrated."""

from __future__ import annotations

from pathlib import Path

from linenify.facts.collect import collect
from linenify.facts.files.regions import Region, Regions
from linenify.facts.flow.interpret import Interpreter
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
    return Regions(project(folder, **files)).first()


def test_a_file_that_imports_a_legacy_one_can_meet_its_values_and_so_can_what_it_imports(
    tmp_path: Path,
) -> None:
    found = region(
        tmp_path,
        model=MODEL,
        user="import model, helper\nhelper.run(model.Net)\n",
        helper="import jax\ndef run(net):\n  return net\n",
        alone=PLAIN,
    )
    assert found.users == {"model", "user"}
    assert found.decided == {"model", "user", "helper"}


def test_modern_flax_is_not_looked_at(tmp_path: Path) -> None:
    linen = "import jax\nfrom flax import linen as nn\nfrom flax import struct\nprint(nn.relu)\n"
    assert not region(tmp_path, linen=linen).decided


def test_legacy_flax_is_known_by_what_is_read_off_an_import_of_flax(tmp_path: Path) -> None:
    assert region(tmp_path, model="import flax as fx\nlayer = fx.nn.Dense\n").users == {"model"}


def test_legacy_flax_is_known_by_the_text_of_a_dynamic_import(tmp_path: Path) -> None:
    text = "import importlib\nnn = importlib.import_module('flax.nn')\n"
    assert region(tmp_path, model=text).users == {"model"}


def test_what_a_dotted_name_reaches_through_a_package_counts_as_imported(tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "__init__.py").write_text("")
    (tmp_path / "zoo" / "model.py").write_text(MODEL)
    found = region(tmp_path, user="import jax, zoo\nprint(zoo.model.Net)\n")
    assert found.users == {"zoo.model", "user"}


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


def test_a_file_that_reads_what_a_legacy_one_has_left_in_a_table_is_looked_at(
    tmp_path: Path,
) -> None:
    made = project(
        tmp_path,
        model="import registry\n" + MODEL + "registry.TABLE['net'] = Net\n",
        registry="import jax\nTABLE = {}\n",
        reader="import jax, registry\nprint(registry.TABLE['net'])\n",
        alone=PLAIN,
    )
    regions = Regions(made)
    first = regions.first()
    flow = Interpreter(made)
    flow.run()
    wider = regions.wider(first, flow)
    assert "reader" not in first.decided
    assert wider is not None
    assert "reader" in wider.decided
    assert "alone" not in wider.decided


def test_files_that_are_not_looked_at_have_facts_too(tmp_path: Path) -> None:
    files = collect(project(tmp_path, model=MODEL, alone=PLAIN)).files
    assert files["model"].definitions
    assert not files["alone"].definitions
