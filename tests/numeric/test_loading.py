"""The user's files: packages, siblings, and the same names on both sides."""

import sys
from pathlib import Path

import pytest

from linenify.verify.loading import UserFiles

pytestmark = pytest.mark.numeric


def written(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "file"),
    [
        ({"model.py": "from layers import X", "layers.py": "X = 1"}, "model.py"),
        ({"model.py": "from .layers import X", "layers.py": "X = 1"}, "model.py"),
        (
            {"a/model.py": "from ..b.layers import X", "b/layers.py": "X = 1", "__init__.py": ""},
            "a/model.py",
        ),
        ({"a/model.py": "from a.layers import X", "a/layers.py": "X = 1"}, "a/model.py"),
        ({"a/__init__.py": "from .layers import X", "a/layers.py": "X = 1"}, "a/__init__.py"),
        ({"json.py": "X = 1", "utils.py": "X = 1"}, "utils.py"),
    ],
    ids=["sibling", "relative", "package", "absolute", "init", "plain"],
)
def test_imports_work_as_written(tmp_path, files, file):
    side = UserFiles(written(tmp_path / "legacy", files))
    before = set(sys.modules)
    with side.active():
        assert side.load(file).X == 1
    assert not [name for name in set(sys.modules) - before if name.split(".")[0] in ("model", "a")]


def test_two_sides_of_the_same_names(tmp_path):
    sides = {
        name: UserFiles(
            written(tmp_path / name, {"model.py": "import layers", "layers.py": f"SIDE = {name!r}"})
        )
        for name in ("legacy", "linen")
    }
    for _ in range(2):
        for name, side in sides.items():
            with side.active():
                module = side.load("model.py")
                assert name == module.layers.SIDE


def test_a_module_is_loaded_once(tmp_path):
    side = UserFiles(written(tmp_path, {"model.py": "X = object()"}) / "model.py")
    loaded = []
    for _ in range(2):
        with side.active():
            loaded.append(side.load().X)
    assert loaded[0] is loaded[1]


def test_both_sides_define_the_same_flags(tmp_path):
    text = (
        "from absl import flags\nflags.DEFINE_integer('depth_of_test', 3, 'help')\nF = flags.FLAGS"
    )
    for name in ("a", "b"):
        side = UserFiles(written(tmp_path / name, {"train.py": text}))
        for _ in range(2):
            with side.active():
                assert side.load("train.py").F.depth_of_test == 3


def test_code_without_a_file_belongs_to_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    files = UserFiles(tmp_path)
    assert not files.owns_file("<frozen importlib._bootstrap>")
    assert files.owns_file(str(tmp_path / "model.py"))
