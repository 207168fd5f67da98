"""The configuration is understood, or refused with the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from linenify.errors import UsageError
from linenify.project.load import load

LEGACY = """\
from flax import nn


class Net(nn.Module):
  def apply(self, x, size, train=True):
    return nn.Dense(x, size)
"""


def read(folder: Path, settings: str, text: str = LEGACY) -> None:
    (folder / "net.py").write_text(text)
    (folder / "pyproject.toml").write_text(settings)
    load([folder])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("[tool.linenify]\nexlude = ['a/']", r"toml:2: .*`exlude`; did you mean `exclude`\?"),
        ("[tool.linenify]\nkeep_names = true", r"`keep_names`; did you mean `keep-names`\?"),
        ("[tool.linenify]\nzzz = 1", r"no key `zzz`; there is `exclude`, `exact`"),
        ("[tool]\nlinenify = 3", r"must be a table: \[tool.linenify\]"),
        ("[tool.linenify]\nexact = 'yes'", r"`exact` .* must be true or false, not the text"),
        ("[tool.linenify]\nexact = 1", r"must be true or false, not 1"),
        ("[tool.linenify]\nexclude = 'a/'", r"must be a list of patterns, such as"),
        ("[tool.linenify]\nexclude = ['a/', 3]", r"must be a list of patterns"),
        ("[tool.linenify]\nexclude = ['!']", r"'!', which is no pattern"),
        ("[tool.linenify]\nexclude = ['']", r"'', which is no pattern"),
        ("[tool.linenify]\nexclude = ['x[z-a]']", r"which is no pattern"),
        ("[tool.linenify]\nroles = []", r"`roles` .* must be a table"),
        ("tool.linenify.roles.'Net.apply.train' = 'inptu'", r"'inptu' .*did you mean `input`\?"),
        ("[tool.linenify.roles]\n'Net.apply.train' = true", r"True is no role of"),
        ("[tool.linenify.roles]\nNet.apply.train = 'input'", r"put in quotes"),
        ("[tool.linenify.roles]\n'train' = 'input'", r"write `Class.method.argument`"),
        (
            "\n[tool.linenify.roles]\n'Net.apply.trian' = 'input'",
            r"toml:3: `Net.apply` has no argument `trian`; did you mean `train`\?",
        ),
        (
            "[tool.linenify.roles]\n'Nett.apply.train' = 'input'",
            r"no `Nett.apply` .*did you mean `Net.apply`\?",
        ),
        ("[tool.linenify.roles]\n'Net.aply.x' = 'input'", r"did you mean `Net.apply`\?"),
        ("[tool.linenify.roles]\n'Other.apply.x' = 'input'", r"there is no `Other.apply`"),
        ("[tool.linenify", r"not valid TOML: "),
    ],
)
def test_what_is_misspelt_is_named_with_what_was_meant(
    tmp_path: Path, settings: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        read(tmp_path, settings)


@pytest.mark.parametrize("word", ["inptu", "inputs", "fields", "ignore", ""])
def test_a_comment_that_says_nothing_names_its_place(tmp_path: Path, word: str) -> None:
    text = LEGACY.replace("train=True):", f"train=True):  # linenify: {word}")
    with pytest.raises(UsageError, match=rf"net\.py:5: `# linenify: {word}` says nothing"):
        read(tmp_path, "", text)


@pytest.mark.parametrize("line", ["x = 1", "    return nn.Dense(x, size)", "class Net(nn.Module):"])
def test_a_comment_behind_no_argument_names_its_place(tmp_path: Path, line: str) -> None:
    text = f"x = 1\n{LEGACY}".replace(line, f"{line}  # linenify: input")
    with pytest.raises(UsageError, match=r"stands behind no argument"):
        read(tmp_path, "", text)


def test_words_in_a_string_are_no_comment(tmp_path: Path) -> None:
    read(tmp_path, "", f'"""Write # linenify: inptu."""\n{LEGACY}')


@pytest.mark.parametrize(
    "name", ["Net.apply.train", "net:Net.apply.size", "Net.__call__.x", "helper.x"]
)
def test_a_role_may_be_of_any_function_before_and_after_the_migration(
    tmp_path: Path, name: str
) -> None:
    migrated = LEGACY.replace("apply", "__call__") + "\n\ndef helper(x):\n  return x\n"
    text = migrated if "apply" not in name else LEGACY
    read(tmp_path, f"[tool.linenify.roles]\n'{name}' = 'input'", text)


def test_a_role_outlives_the_migration_of_its_class(tmp_path: Path) -> None:
    linen = (
        "from flax import linen as nn\n\n\nclass Net(nn.Module):\n  size: int\n\n"
        "  @nn.compact\n  def __call__(self, x):\n    return nn.Dense(self.size)(x)\n"
    )
    names = ("Net.apply.size", "Net.apply.x")
    read(tmp_path, "[tool.linenify.roles]\n" + "".join(f"'{n}' = 'input'\n" for n in names), linen)


def test_a_role_for_a_file_that_was_not_given_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.linenify.roles]\n'Other.apply.x' = 'input'")
    (tmp_path / "net.py").write_text(LEGACY)
    assert len(load([tmp_path / "net.py"]).sources) == 1
