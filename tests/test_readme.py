"""What the README shows is what linenify does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from linenify.errors import ExitCode
from linenify.project.load import load

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_example_of_the_readme_is_real():
    before, after = re.findall(r"```python\n(from flax.*?|.*?__call__.*?)```", README, re.DOTALL)[
        :2
    ]
    command = [sys.executable, "-m", "linenify", "-"]
    result = subprocess.run(command, input=before, capture_output=True, check=True, text=True)
    assert result.stdout == after


def test_both_commands_are_marked_for_continuous_integration():
    marked = re.findall(r"^<!-- ci: (.*) -->\n```sh\n(.+)\n```$", README, re.MULTILINE)
    assert [mark for mark, _ in marked] == ["set up and run", "test"]


def test_no_option_is_undocumented():
    command = [sys.executable, "-m", "linenify", "--help"]
    shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    options = set(re.findall(r"^  (?:-\w, )?(--\w+)", shown, re.MULTILINE)) - {
        "--help",
        "--version",
    }
    assert options
    assert all(option in README for option in options)


def test_every_command_of_the_readme_is_one():
    blocks = "".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    named = set(re.findall(r"`linenify ([a-z]+)\b", README))
    named |= set(re.findall(r"^linenify ([a-z]+)\b", blocks, re.MULTILINE))
    command = [sys.executable, "-m", "linenify", "--help"]
    shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    commands = set(re.findall(r"^  ([a-z]+)  ", shown, re.MULTILINE))
    assert {"explain", "verify", "remap"} <= named <= commands


def test_what_the_readme_links_to_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert {"LICENSE", "CHANGELOG.md", "docs/json.md"} <= set(links)
    assert all((ROOT / link).exists() for link in links)


def test_the_configuration_of_the_readme_is_accepted(tmp_path):
    (table,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(table)
    (tmp_path / "net.py").write_text(
        "from flax import nn\n\n\nclass ResNet(nn.Module):\n"
        "  def apply(self, x, train=True):\n    return x\n"
    )
    options = dict(load([tmp_path]).options)
    assert options["exclude"] == ("third_party/",)
    assert options["exact"] is options["keep-names"] is True
    assert options["roles"] == (("ResNet.apply.train", "input"),)


@pytest.mark.parametrize("document", ["README.md", "docs/verify.md", "docs/remap.md"])
def test_lines_to_install_work_from_a_checkout(document):
    lines = re.findall(r"pip install (?!--quiet)([^`]+)`", (ROOT / document).read_text())
    assert lines
    assert all(line.strip("'").startswith(".") for line in lines)


def test_the_exit_codes_of_the_readme_are_those_of_the_program():
    rows = re.findall(r"^\| (\d) \| ", README, re.MULTILINE)
    assert [int(code) for code in rows] == [code.value for code in ExitCode]
