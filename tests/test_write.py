"""Writing: the whole new file or the whole old one, and everything else about it kept."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest

from linenify.outcome import Change
from linenify.project.load import parse
from linenify.write import write

BEFORE = "import flax\nx = 1\n"
AFTER = "import flax\nx = 2\n"


@pytest.fixture
def rewrite(tmp_path):
    """Writes `raw` to a file, replaces "1" by "2" in it through `write`, returns the outcome."""

    def run(raw: bytes, path=tmp_path / "a.py", meanwhile=lambda: None, new="2"):
        path.write_bytes(raw)
        source = parse(raw, path, "a")
        meanwhile()
        change = Change(path, source.text, source.text.replace("1", new), {"LN101": 1})
        return path, write([change], [source])

    return run


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"import flax\nx = 1\n", id="plain"),
        pytest.param(b"import flax\r\nx = 1\r\n", id="crlf"),
        pytest.param(b"import flax\r\nx = 1\ny = 1\r", id="mixed"),
        pytest.param(b"\xef\xbb\xbfimport flax\nx = 1", id="bom_and_no_newline_at_the_end"),
        pytest.param(b"# coding: latin\n# \xe9\nx = 1\n", id="latin"),
        pytest.param(b"# coding: koi8-r\n# \xc1\nx = 1\n", id="koi8"),
    ],
)
def test_only_the_change_changes(rewrite, raw):
    path, unwritten = rewrite(raw)
    assert unwritten == ()
    assert path.read_bytes() == raw.replace(b"1", b"2")


def test_mode_is_kept(rewrite, tmp_path):
    path = tmp_path / "a.py"
    path.touch()
    path.chmod(0o754)
    rewrite(BEFORE.encode())
    assert stat.S_IMODE(path.stat().st_mode) == 0o754


def test_only_what_undo_needs_is_left_in_the_folder_and_git_does_not_see_it(rewrite, tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    rewrite(BEFORE.encode())
    status = ["git", "-C", tmp_path, "status", "--porcelain", "-uall"]
    assert subprocess.run(status, check=True, capture_output=True).stdout == b"?? a.py\n"
    assert {path.name for path in tmp_path.iterdir()} == {".git", ".linenify", "a.py"}


def test_a_link_stays_a_link(rewrite, tmp_path):
    (tmp_path / "real.py").touch()
    (tmp_path / "a.py").symlink_to("real.py")
    path, unwritten = rewrite(BEFORE.encode())
    assert unwritten == ()
    assert path.is_symlink()
    assert (tmp_path / "real.py").read_text() == AFTER


def test_a_file_that_changed_meanwhile_is_left(rewrite, tmp_path):
    edited = BEFORE + "y = 3\n"
    path, (unwritten,) = rewrite(
        BEFORE.encode(), meanwhile=lambda: (tmp_path / "a.py").write_text(edited)
    )
    assert "changed since it was read" in unwritten.message
    assert path.read_text() == edited


def test_a_file_that_vanished_meanwhile_is_reported(rewrite, tmp_path):
    path, (unwritten,) = rewrite(BEFORE.encode(), meanwhile=(tmp_path / "a.py").unlink)
    assert "no such file" in unwritten.message
    assert not path.exists()


def test_text_that_the_encoding_cannot_hold_is_not_written(rewrite):
    raw = b"# coding: ascii\nx = 1\n"
    path, (unwritten,) = rewrite(raw, new="é")
    assert "cannot be written in ascii" in unwritten.message
    assert path.read_bytes() == raw


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_halfway_loses_nothing(rewrite, tmp_path, monkeypatch, step):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    path, (unwritten, *_) = rewrite(BEFORE.encode())
    assert "no space left on device" in unwritten.message
    assert "make room on the disk" in unwritten.remedy
    assert path.read_text() == BEFORE
    assert [each.name for each in tmp_path.iterdir()] == ["a.py"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("locked", ["folder", "file"])
def test_a_read_only_place_is_reported_and_nothing_is_lost(rewrite, tmp_path, locked):
    target = tmp_path if locked == "folder" else tmp_path / "a.py"
    path, (unwritten,) = rewrite(
        BEFORE.encode(), meanwhile=lambda: target.chmod(0o555 if locked == "folder" else 0o444)
    )
    tmp_path.chmod(0o755)
    assert "permission denied" in unwritten.message
    assert path.read_text() == BEFORE
