"""What is read from disk, under which name, and what happens to files that cannot be read."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from linenify.errors import UsageError
from linenify.project.load import load, load_text
from linenify.project.source import Unreadable
from linenify.write import encoded

LEGACY = "from flax import nn\n"


@pytest.fixture
def tree(tmp_path):
    """Writes files given as {path: text or bytes}; returns their folder."""

    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return write


def names(project):
    return [source.name for source in project.sources]


def only_unreadable(project) -> Unreadable:
    assert project.sources == ()
    (unreadable,) = project.unreadable
    return unreadable


# Names


@pytest.mark.parametrize(
    ("path", "name"),
    [
        pytest.param("train.py", "train", id="script"),
        pytest.param("examples/mnist/train.py", "examples.mnist.train", id="folder_without_init"),
        pytest.param("src/pkg/model.py", "pkg.model", id="src_layout"),
        pytest.param("pkg/__init__.py", "pkg", id="package"),
        pytest.param("pkg/src/model.py", "pkg.src.model", id="src_inside_a_package_counts"),
    ],
)
def test_a_file_is_named_from_the_top_of_its_project(tree, path, name):
    assert names(load([tree({path: LEGACY})])) == [name]


@pytest.mark.parametrize("mark", ["pyproject.toml", "setup.py", ".git/HEAD"])
def test_names_do_not_depend_on_which_folder_is_given(tree, mark):
    root = tree({"a/b/model.py": LEGACY, mark: ""})
    assert names(load([root / "a" / "b"])) == names(load([root])) == ["a.b.model"]


def test_names_reach_out_of_a_package_without_a_project_around_it(tree):
    root = tree({"pkg/__init__.py": "", "pkg/sub/__init__.py": "", "pkg/sub/model.py": LEGACY})
    assert names(load([root / "pkg" / "sub" / "model.py"])) == ["pkg.sub.model"]


def test_a_package_knows_that_it_is_one(tree):
    (source,) = load([tree({"pkg/__init__.py": LEGACY})]).sources
    assert source.is_package


# Which files


def test_order_is_by_path_whatever_was_given_first(tree):
    root = tree({"b.py": LEGACY, "a.py": LEGACY, "c/d.py": LEGACY})
    once = load([root / "b.py", root / "c", root / "a.py"])
    assert names(once) == ["a", "b", "c.d"]


def test_a_file_given_twice_is_read_once(tree):
    root = tree({"a.py": LEGACY})
    assert names(load([root, root / "a.py", root / "." / "a.py"])) == ["a"]


def test_only_given_files_are_read(tree):
    root = tree({"a.py": LEGACY + "import b\n", "b.py": LEGACY})
    assert names(load([root / "a.py"])) == ["a"]


def test_a_script_without_suffix_is_read_when_given(tree):
    assert names(load([tree({"train": LEGACY}) / "train"])) == ["train"]


def test_irrelevant_files_are_counted_not_parsed(tree):
    project = load([tree({"a.py": LEGACY, "b.py": "import os\n", "broken.py": "def (\n"})])
    assert (names(project), project.skipped, project.unreadable) == (["a"], 2, ())


def test_a_user_of_a_project_file_is_read_though_it_never_names_flax(tree):
    files = {"lib.py": LEGACY, "train.py": "from lib import Net\n", "other.py": "import os\n"}
    assert names(load([tree(files)])) == ["lib", "train"]


def test_exclude_patterns_come_from_pyproject(tree):
    config = "[tool.linenify]\nexclude = ['third_party/']\n"
    files = {"pyproject.toml": config, "a.py": LEGACY, "third_party/b.py": LEGACY}
    assert names(load([tree(files)])) == ["a"]


def test_missing_paths_are_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere does not exist"):
        load([tmp_path / "nowhere"])


def test_notebooks_are_wrong_usage_with_a_way_out(tree):
    with pytest.raises(UsageError, match="nbconvert"):
        load([tree({"a.ipynb": "{}"}) / "a.ipynb"])


# Options


def test_options_are_a_sorted_frozen_table(tree):
    config = (
        "[tool.linenify]\nkeep-names = true\nexclude = ['old/']\n"
        "[tool.linenify.roles]\n'N.apply.b' = 'field'\n'N.apply.a' = 'input'\n"
    )
    project = load([tree({"pyproject.toml": config, "pkg/a.py": LEGACY}) / "pkg"])
    assert project.options == (
        ("exclude", ("old/",)),
        ("keep-names", True),
        ("roles", (("N.apply.a", "input"), ("N.apply.b", "field"))),
    )


def test_the_nearest_table_wins(tree):
    files = {
        "pyproject.toml": "[tool.linenify]\nexclude = ['outer']\n",
        "pkg/pyproject.toml": "[tool.other]\nx = 1\n",
        "pkg/a.py": LEGACY,
    }
    assert load([tree(files) / "pkg"]).options == (("exclude", ("outer",)),)


def test_broken_pyproject_is_wrong_usage(tree):
    with pytest.raises(UsageError, match="not valid TOML"):
        load([tree({"pyproject.toml": "[tool", "a.py": LEGACY})])


# Text


@pytest.mark.parametrize(
    ("content", "encoding", "bom"),
    [
        pytest.param(b"import flax\r\nx = 1\r\n", "utf-8", False, id="crlf"),
        pytest.param(b"import flax\rx = 1\r", "utf-8", False, id="cr"),
        pytest.param(b"import flax\r\nx = 1\ny = 2\r", "utf-8", False, id="mixed"),
        pytest.param(
            b"import flax\nif 1:\n\tx = 1\n\x0c\ny = 2", "utf-8", False, id="tab_formfeed"
        ),
        pytest.param(b"\xef\xbb\xbfimport flax\n", "utf-8", True, id="bom"),
        pytest.param("import flax  # é\n".encode(), "utf-8", False, id="utf8"),
        pytest.param(
            "# -*- coding: latin-1 -*-\nimport flax  # é\n".encode("latin-1"),
            "iso-8859-1",
            False,
            id="latin1",
        ),
        pytest.param(
            "#!/usr/bin/python\n# vim: fileencoding=cp1252\nimport flax  # €\n".encode("cp1252"),
            "cp1252",
            False,
            id="cookie_on_line_two",
        ),
        pytest.param("import flax  # \u2028 \x85\n".encode(), "utf-8", False, id="odd_line_ends"),
    ],
)
def test_text_is_kept_to_the_byte(tree, content, encoding, bom):
    (source,) = load([tree({"a.py": content})]).sources
    assert (source.encoding, source.bom) == (encoding, bom)
    assert encoded(source.text, source) == content


# Files that cannot be read


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        pytest.param(b"import flax\nx = = 1\n", (2, 5), "invalid syntax", id="syntax"),
        pytest.param(b"import flax\nprint 'a'\n", (2, 1), "Missing parentheses", id="python2"),
        pytest.param(
            b"import flax\n  # \xe9\n", (2, 5), "byte 0xe9 is not valid utf-8", id="bytes"
        ),
        pytest.param(b"import flax\nx = '\0'\n", (1, 1), "null bytes", id="null"),
        pytest.param(b"# coding: klingon\nimport flax\n", (1, 1), "klingon", id="cookie"),
        pytest.param(
            b"import flax\nx = " + b"(" * 5000 + b")" * 5000, None, "nested", id="parentheses"
        ),
        pytest.param(
            b"import flax\nx = " + b"-" * 100_000 + b"1\n", None, "nested", id="operators"
        ),
        pytest.param(b"import flax\nx = '\n", (2, 5), "unterminated string", id="string"),
    ],
)
def test_a_broken_file_is_reported_with_its_place(tree, content, place, message):
    unreadable = only_unreadable(load([tree({"a.py": content})]))
    assert message in unreadable.message
    assert unreadable.remedy
    if place is not None:
        assert (unreadable.line, unreadable.column) == place


def test_a_broken_file_does_not_stop_the_others(tree):
    project = load([tree({"a.py": "import flax\n(", "b.py": LEGACY})])
    assert names(project) == ["b"]
    assert [each.path.name for each in project.unreadable] == ["a.py"]


def test_python_2_is_told_apart(tree):
    unreadable = only_unreadable(load([tree({"a.py": "import flax\nprint 'a'\n"})]))
    assert "Python 2" in unreadable.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(tree):
    root = tree({"a.py": LEGACY})
    (root / "a.py").chmod(0)
    assert only_unreadable(load([root])).message == "Permission denied"


def test_warnings_about_user_code_stay_out_of_sight(tree, recwarn):
    load([tree({"a.py": "import flax\nx = '\\d'\nx is 1\n"})])
    assert not recwarn.list


def test_code_without_flax_is_read_when_it_comes_from_a_pipe():
    assert names(load_text(b"x = 1\n", Path("<stdin>"))) == ["<stdin>"]


def test_a_project_can_be_pickled(tree):
    project = load([tree({"a.py": LEGACY})])
    assert pickle.loads(pickle.dumps(project)) == project
