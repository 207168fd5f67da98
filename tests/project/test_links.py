"""Links give files more names; a file is read and written once, where it lies."""

from __future__ import annotations

import pytest

from linenify.cli import main
from linenify.migrate import migrate
from linenify.project.load import load

NET = """\
from flax import nn


class Net(nn.Module):

  def apply(self, x, features):
    return nn.Dense(x, features)
"""
TOP = """\
from flax import nn
from {} import Net


class Top(nn.Module):

  def apply(self, x, width):
    return Net(x, width)
"""


@pytest.fixture
def project(tmp_path):
    """Makes files below `project`, a git repository, and links beside them."""

    def make(files, links):
        (tmp_path / "project" / ".git").mkdir(parents=True)
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        for name, target in links.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).symlink_to(target)
        return tmp_path / "project"

    return make


@pytest.mark.parametrize(
    ("link", "target", "module"),
    [
        pytest.param("app/shared", "../common", "app.shared.net", id="folder"),
        pytest.param("app/shared", "../common", "shared.net", id="folder_beside"),
        pytest.param("app/shared", "../common", ".shared.net", id="folder_by_dots"),
        pytest.param("app/blocks.py", "../common/net.py", "blocks", id="file"),
    ],
)
def test_an_import_through_a_link_means_the_file_it_leads_to(project, link, target, module):
    files = {"project/common/net.py": NET, "project/app/top.py": TOP.format(module)}
    folder = project(files, {f"project/{link}": target})
    changed = {each.path.name: each.after for each in migrate(load([folder])).changes}
    assert set(changed) == {"net.py", "top.py"}
    assert "Net(self.width)(x)" in changed["top.py"]


@pytest.mark.parametrize("target", ["..", ".", "/", "loop"])
def test_links_in_a_circle_or_up_lead_nowhere(project, target):
    files = {"project/net.py": NET, "project/app/top.py": TOP.format("loop.net")}
    folder = project(files, {"project/app/loop": target})
    assert len(load([folder], context=True).sources) == 2


def test_what_lies_elsewhere_is_read_and_stays(project, capsys):
    files = {"elsewhere/net.py": NET, "project/top.py": TOP.format("lib.net")}
    folder = project(files, {"project/lib": "../elsewhere"})
    assert main(["--write", str(folder)]) in (None, 0)
    assert "Net(self.width)(x)" in (folder / "top.py").read_text()
    assert (folder / "lib" / "net.py").read_text() == NET
    err = capsys.readouterr().err
    assert "LN822" in err
    assert "lib/net.py, not given" in err


def test_a_link_that_no_import_names_is_not_looked_behind(project):
    files = {"elsewhere/net.py": NET, "project/top.py": TOP.format("other.net")}
    folder = project(files, {"project/lib": "../elsewhere"})
    assert [s.path.name for s in load([folder], context=True).sources] == ["top.py"]


def test_a_file_given_by_its_link_is_written_where_it_lies(project):
    files = {"project/common/net.py": NET, "project/app/top.py": TOP.format("app.blocks")}
    folder = project(files, {"project/app/blocks.py": "../common/net.py"})
    assert main(["--write", str(folder)]) in (None, 0)
    assert (folder / "app" / "blocks.py").is_symlink()
    assert "features: int" in (folder / "common" / "net.py").read_text()
