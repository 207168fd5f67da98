"""What the README shows is what linenify does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


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
