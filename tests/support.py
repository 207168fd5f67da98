"""Small pieces of legacy code, set in a frame and migrated."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

from linenify.migrate import migrate
from linenify.outcome import Migration
from linenify.project.load import load_text

BEGIN, END = "# begin", "# end"
HEAD = "from flax import nn\nimport jax\nimport jax.numpy as jnp\n"
APPLY = "class Framed(nn.Module):\n\n  def apply(self, x, features=8, train=True):\n"
KEPT_BY = "    return nn.Dense(x, features) if train else x\n"


def migration(text: str, option: str = "") -> Migration:
    project = load_text(text.encode(), Path("example.py"))
    if option:
        given = tuple(sorted((dict(project.options) | {option: True}).items()))
        project = replace(project, options=given)
    return migrate(project)


def migrated(text: str, option: str = "") -> str:
    result = migration(text, option)
    errors = [d.message for d in result.diagnostics if d.code == "LN000"]
    assert not errors, errors
    return result.changes[0].after if result.changes else text


def framed(fragment: str) -> str:
    """Sets statements into an `apply`, and definitions at the top of a file."""
    fragment = fragment.strip("\n") + "\n"
    marked = f"{BEGIN}\n{fragment}{END}\n"
    if "import " in fragment:
        return f"{marked}X = 1\n"
    if fragment.startswith(("class ", "def ", "@")):
        return f"{HEAD}\n\n{marked}X = 1\n"
    return f"{HEAD}\n\n{APPLY}{textwrap.indent(marked, '    ')}{KEPT_BY}"


def fragment_of(text: str) -> str:
    lines = text.splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if line.strip() == BEGIN)
    last = next(i for i, line in enumerate(lines) if line.strip() == END)
    return textwrap.dedent("".join(lines[first + 1 : last])).strip("\n")


def rewritten(fragment: str, option: str = "") -> str:
    return fragment_of(migrated(framed(fragment), option))
