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
