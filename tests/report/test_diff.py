"""The diff must apply: `git apply` is the judge."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from linenify.outcome import Change
from linenify.report.diff import base_of, unified


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("a\nb\nc\n", "a\nB\nc\n", id="plain"),
        pytest.param("a\r\nb\r\n", "a\r\nB\r\n", id="crlf"),
        pytest.param("a\nb", "a\nB", id="no_newline_at_the_end"),
        pytest.param("a\nb", "a\nb\n", id="newline_added"),
        pytest.param("a\n\x0cb\u2028c\x85\n", "a\n\x0cB\u2028c\x85\n", id="other_line_ends"),
        pytest.param("a\rb\rc", "a\rB\rc", id="cr_only"),
        pytest.param("\n".join("abcdefghijklmnop"), "\n".join("AbcdefghijklmnoP"), id="two_hunks"),
    ],
)
@pytest.mark.parametrize("bom", [False, True])
def test_git_applies_it(tmp_path, before, after, bom):
    file = tmp_path / "sub" / "a.py"
    file.parent.mkdir()
    mark = "\ufeff" if bom else ""
    file.write_bytes((mark + before).encode())
    diff = unified(Change(Path("sub/a.py"), before, after, {}), bom=bom)
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "-"], cwd=tmp_path, input=diff.encode(), check=True
    )
    assert file.read_bytes() == (mark + after).encode()


def test_headings_name_the_file_as_git_does():
    diff = unified(Change(Path("pkg/a.py"), "x\n", "y\n", {}))
    assert diff.splitlines()[:2] == ["--- a/pkg/a.py", "+++ b/pkg/a.py"]


def test_absolute_paths_stay_as_they_are():
    diff = unified(Change(Path("/pkg/a.py"), "x\n", "y\n", {}))
    assert diff.splitlines()[:2] == ["--- /pkg/a.py", "+++ /pkg/a.py"]


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "repo/.git").mkdir(parents=True)
    (tmp_path / "repo/sub").mkdir()
    return tmp_path / "repo"


@pytest.mark.parametrize(
    ("here", "paths", "there"),
    [
        pytest.param("repo/sub", ["a.py"], ".", id="plain_paths_stay"),
        pytest.param("repo/sub", ["../a.py"], "repo", id="up"),
        pytest.param("repo/sub", ["../sub/a.py", "../b.py"], "repo", id="up_and_down"),
        pytest.param("repo", ["sub/../a.py"], "repo", id="through_a_folder"),
        pytest.param("repo/sub", ["{}/repo/sub/a.py"], "repo", id="absolute"),
        pytest.param(".", ["{}/other/a.py"], ".", id="absolute_below_the_current_folder"),
        pytest.param("repo", ["{}/other/a.py"], "other", id="no_repository"),
    ],
)
def test_the_paths_of_a_diff_count_from_where_it_applies(
    repository, monkeypatch, here, paths, there
):
    (repository.parent / "other").mkdir()
    monkeypatch.chdir(repository.parent / here)
    given = [Path(path.format(repository.parent)) for path in paths]
    base = base_of(given)
    if there == ".":
        assert base in (None, repository.parent)
        base = base or Path.cwd()
    assert base == (Path.cwd() if there == "." else repository.parent / there)
    for path in given:
        heading = unified(Change(path, "x\n", "y\n", {}), base=base).splitlines()[1]
        assert base / heading.removeprefix("+++ b/") == path.resolve()
