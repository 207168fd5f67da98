"""Which files a folder stands for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from linenify.project.walk import project_files, python_files


@pytest.fixture
def found(tmp_path):
    """Writes files, then lists what is found below a folder of theirs."""

    def find(files, start=".", exclude=()):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        paths = python_files(tmp_path / start, exclude)
        return [path.relative_to(tmp_path).as_posix() for path in paths]

    return find


def test_python_files_at_any_depth_in_order(found):
    assert found({"b/c.py": "", "a.py": "", "b/d.txt": "", "b/a/x.py": ""}) == [
        "a.py",
        "b/a/x.py",
        "b/c.py",
    ]


@pytest.mark.parametrize(
    "folder", [".git", ".tox", ".venv", "__pycache__", "node_modules", "lib/site-packages"]
)
def test_folders_that_are_not_the_project(found, folder):
    assert found({f"{folder}/a.py": "", "b.py": ""}) == ["b.py"]


def test_a_virtual_environment_under_any_name(found):
    assert found({"env/pyvenv.cfg": "", "env/a.py": "", "b.py": ""}) == ["b.py"]


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        pytest.param("build/\n", ["a.py", "sub/a.py", "sub/c.py"], id="folder_anywhere"),
        pytest.param("/build\n", ["a.py", "sub/a.py", "sub/build/b.py", "sub/c.py"], id="anchored"),
        pytest.param("a.py\n", ["build/b.py", "sub/build/b.py", "sub/c.py"], id="file_anywhere"),
        pytest.param("*.py\n!c.py\n", ["sub/c.py"], id="negation"),
        pytest.param(
            "# a.py\n\n",
            ["a.py", "build/b.py", "sub/a.py", "sub/build/b.py", "sub/c.py"],
            id="comment",
        ),
    ],
)
def test_gitignore(found, ignore, left):
    files = dict.fromkeys(["a.py", "build/b.py", "sub/a.py", "sub/build/b.py", "sub/c.py"], "")
    assert found(files | {".gitignore": ignore}) == left


def test_the_inner_gitignore_outweighs_the_outer(found):
    files = {".gitignore": "*.py\n", "sub/.gitignore": "!keep.py\n", "sub/keep.py": "", "a.py": ""}
    assert found(files) == ["sub/keep.py"]


def test_gitignores_above_the_start_count_within_the_work_tree(found):
    files = {".git/HEAD": "", ".gitignore": "gen_*.py\n", "pkg/gen_a.py": "", "pkg/b.py": ""}
    assert found(files, start="pkg") == ["pkg/b.py"]


def test_gitignores_above_do_not_count_outside_a_work_tree(found):
    assert found({".gitignore": "*.py\n", "pkg/b.py": ""}, start="pkg") == ["pkg/b.py"]


def test_an_ignored_folder_that_is_asked_for_is_entered(found):
    files = {".git/HEAD": "", ".gitignore": "pkg/\n", "pkg/b.py": ""}
    assert found(files, start="pkg") == ["pkg/b.py"]


def test_exclude_patterns(found):
    assert found({"a.py": "", "b/c.py": ""}, exclude=("b/",)) == ["a.py"]


def test_a_loop_of_links_ends(found, tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert found({"a.py": ""}) == ["a.py"]


def test_links_to_files_are_left_to_their_own_place(found, tmp_path):
    (tmp_path / "b.py").symlink_to(tmp_path / "a.py")
    assert found({"a.py": ""}) == ["a.py"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
def test_a_folder_that_may_not_be_listed(found, tmp_path):
    (tmp_path / "secret").mkdir(mode=0)
    assert found({"a.py": ""}) == ["a.py"]


def test_a_folder_that_may_not_be_listed_is_told_of(tmp_path, monkeypatch):
    (tmp_path / "secret").mkdir()
    (tmp_path / "a.py").touch()
    listed = os.scandir

    def scandir(folder):
        if Path(folder).name == "secret":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    told = []
    files = project_files(tmp_path, unlisted=lambda folder, _: told.append(folder))
    assert [path.name for path in files] == ["a.py"]
    assert told == [tmp_path / "secret"]


def test_notebooks_and_configurations_are_met_beside_python(tmp_path):
    for name in ("a.py", "b.ipynb", "c.gin", "d.yaml", "e.md"):
        (tmp_path / name).touch()
    assert [path.suffix for path in project_files(tmp_path)] == [".py", ".ipynb", ".gin", ".yaml"]
    assert [path.name for path in python_files(tmp_path)] == ["a.py"]
