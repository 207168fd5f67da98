"""Files that are given one by one: the rest of the project is read, and never changed."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from linenify.cli import main

INNER = """\
from flax import nn


class Inner(nn.Module):

  def apply(self, x, depth, width):
    for _ in range(depth):
      x = nn.Dense(x, width)
    return x
"""
OUTER = """\
from flax import nn
from inner import Inner


class Outer(nn.Module):

  def apply(self, x, width):
    return Inner(x, 2, width)
"""
MAIN = """\
import jax
from outer import Outer


def main(key, x):
  _, params = Outer.init(key, x, width=3)
  return Outer.call(params, x, width=3)
"""
FILES = {"inner.py": INNER, "outer.py": OUTER, "main.py": MAIN}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes files into a project, and makes its folder the current one."""

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return write


def texts(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): p.read_text() for p in sorted(root.rglob("*.py"))}


@pytest.fixture
def whole(project):
    """What the whole project becomes; it is legacy again afterwards."""
    root = project(FILES)
    assert main(["--write", "."]) == 0
    after = texts(root)
    main(["undo"])
    assert texts(root) == FILES
    return after


@pytest.mark.parametrize("order", [list(order) for order in permutations(FILES)])
def test_one_file_after_the_other_gives_the_text_of_the_whole_or_a_mark(whole, project, order):
    root = project({})
    for name in order:
        assert main(["--write", name]) == 0
    for name, text in texts(root).items():
        assert text == whole[name] or "TODO(linenify): LN3" in text
    if order == ["main.py", "outer.py", "inner.py"]:
        assert texts(root) == whole


def test_only_the_given_file_changes_and_what_waits_is_named(whole, project, capsys):
    root = project({})
    assert main(["--write", "outer.py"]) == 0
    assert texts(root) == FILES | {"outer.py": whole["outer.py"]}
    said = capsys.readouterr().err
    assert "LN822 notice: imports inner.py, not given, which would change as well" in said
    assert "LN822 notice: is imported by main.py, not given" in said
    assert "(1 file looked at)" in said


def test_files_that_have_nothing_to_do_with_the_given_one_are_not_read(project, capsys):
    project(FILES | {"broken.py": "from flax import nn\n(", "other/inner2.py": INNER})
    assert main(["--check", "inner.py"]) == 1
    said = capsys.readouterr()
    assert "broken" not in said.err
    assert "inner2" not in said.out + said.err


@pytest.mark.parametrize(
    "path",
    [
        "os.path.join(os.path.dirname(os.path.abspath(__file__)), 'common')",
        "os.path.join(os.path.dirname(__file__), os.pardir, 'scripts', 'common')",
        "os.path.dirname(__file__) + '/common'",
        "str(pathlib.Path(__file__).parent / 'common')",
        "str(pathlib.Path(__file__).resolve().parents[1].joinpath('scripts', 'common'))",
        "HERE + '/common'",
    ],
)
@pytest.mark.parametrize("call", ["sys.path.insert(0, {})", "sys.path.append({})"])
@pytest.mark.parametrize("given", [["."], ["scripts/run.py"], ["scripts/common/inner.py"]])
def test_a_caller_that_finds_its_import_by_sys_path_is_seen(project, capsys, path, call, given):
    head = "import os\nimport pathlib\nimport sys\nHERE = os.path.dirname(__file__)\n"
    caller = MAIN.replace("from outer import Outer", "from inner import Inner as Outer")
    caller = caller.replace("width=3", "depth=2, width=3")
    text = f"{head}{call.format(path)}\n{caller}"
    root = project({"scripts/run.py": text, "scripts/common/inner.py": INNER, "setup.py": ""})
    assert main(["--write", *given]) == 0
    migrated = (root / "scripts/run.py").read_text()
    if given == ["scripts/common/inner.py"]:
        assert "is imported by scripts/run.py, not given" in capsys.readouterr().err
    else:
        assert "Outer.init" not in migrated
        assert ".init(key, x" in migrated


def test_a_src_folder_further_down_is_on_the_path(project):
    caller = MAIN.replace("from outer import Outer", "from inner import Inner as Outer")
    caller = caller.replace("width=3", "depth=2, width=3")
    root = project({"app/src/inner.py": INNER, "app/tools/run.py": caller})
    assert main(["--write", "."]) == 0
    assert "Outer.init" not in (root / "app/tools/run.py").read_text()
