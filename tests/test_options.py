"""What the user may decide: roles of arguments, exactness, and names of submodules."""

from __future__ import annotations

from pathlib import Path

import pytest

from linenify.migrate import migrate
from linenify.project.load import load

LEGACY = """\
from flax import nn


class Net(nn.Module):

  def apply(self, ids, size,
            train=True):{comment}
    x = nn.Embed(ids, size, 4)
    return nn.dropout(x, 0.5, deterministic=not train)
"""


def migrated(folder: Path, text: str, settings: str = "") -> str:
    (folder / "net.py").write_text(text)
    (folder / "pyproject.toml").write_text(settings)
    (change,) = migrate(load([folder])).changes
    return change.after


def test_a_flag_that_no_call_passes_is_a_field(tmp_path: Path) -> None:
    after = migrated(tmp_path, LEGACY.format(comment=""))
    assert "  train: bool = True\n" in after
    assert "def __call__(self, ids):" in after


@pytest.mark.parametrize("name", ["Net.apply.train", "net:Net.apply.train"])
def test_configuration_decides_otherwise(tmp_path: Path, name: str) -> None:
    settings = f'[tool.linenify.roles]\n"{name}" = "input"\n'
    after = migrated(tmp_path, LEGACY.format(comment=""), settings)
    assert "train=True):" in after
    assert "deterministic=not train)" in after


def test_a_comment_behind_the_parameter_decides_otherwise(tmp_path: Path) -> None:
    after = migrated(tmp_path, LEGACY.format(comment="  # linenify: input"))
    assert "train=True):  # linenify: input" in after


def test_exact_imitates_the_clamped_ids_of_embed(tmp_path: Path) -> None:
    plain = migrated(tmp_path, LEGACY.format(comment=""))
    exact = migrated(tmp_path, LEGACY.format(comment=""), "[tool.linenify]\nexact = true\n")
    assert "nn.Embed(self.size, 4)(ids)" in plain
    assert "nn.Embed(self.size, 4)(jnp.clip(ids, -self.size, self.size - 1))" in exact


def test_names_of_legacy_are_kept_when_the_configuration_says_so(tmp_path: Path) -> None:
    plain = migrated(tmp_path, LEGACY.format(comment=""))
    kept = migrated(tmp_path, LEGACY.format(comment=""), "[tool.linenify]\nkeep-names = true\n")
    assert "nn.Embed(self.size, 4)(ids)" in plain
    assert "nn.Embed(self.size, 4, name='Embed_0')(ids)" in kept
    assert "nn.Dropout(0.5)(" in kept  # has no parameters: legacy gave it no name


BOTH = """\
from flax import nn


class Net(nn.Module):

  def apply(self, x, width=4, depth=2):{first}
    return nn.Dense(x, width * depth)

  @nn.module_method
  def head(self, x,
           width=8):{second}
    return nn.Dense(x, width, name='head')
"""


def test_a_comment_speaks_of_the_argument_that_it_stands_behind(tmp_path: Path) -> None:
    text = BOTH.replace("width=8", "wide=8").replace("Dense(x, width, name", "Dense(x, wide, name")
    after = migrated(tmp_path, text.format(first="  # linenify: input", second=""))
    assert "  width: int = 4\n" in after
    assert "def __call__(self, x, depth=2):" in after


def test_what_the_user_decides_is_not_outvoted_by_defaults_that_differ(tmp_path: Path) -> None:
    text = BOTH.format(first="", second="  # linenify: field").replace("width=8", "width=4")
    assert "  width: int = 4\n" in migrated(tmp_path, text)
    text = BOTH.format(first="", second="  # linenify: field")
    (tmp_path / "net.py").write_text(text)
    assert "LN292" in {each.code for each in migrate(load([tmp_path])).diagnostics}
