"""Support code: where it lands, that it comes once, and when it cannot come."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

import pytest

from linenify.facts.deciding.support import is_taken, missing
from linenify.facts.legacy.snippets import SNIPPETS
from linenify.facts.sites import FileFacts, Reshaped
from linenify.project.load import parse
from linenify.project.source import Source
from linenify.project.spans import Spans
from linenify.rewrite import rewrite
from linenify.syntax.support import reindented

NAME = "scale_by_lamb_trust_ratio"


def supported(text: str, call: str = "old()") -> str:
    """The text of a file with one call rewritten to `NAME()`, and its support code."""
    source = parse(textwrap.dedent(text).encode(), Path("m.py"), "m")
    assert isinstance(source, Source)
    facts = FileFacts(support=[NAME])
    spans = Spans(source.text)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node) == call:
            facts.expressions["Call", spans.of(node)] = Reshaped(f"{NAME}()", "LN691")
    after = rewrite(source, facts).text
    compile(after, "m.py", "exec")
    return after


def outline(text: str) -> list[str]:
    """The first words of the lines that are not indented."""
    return [line.split()[0] for line in text.splitlines() if line and line[0] not in " \t"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "import jax.numpy as jnp\ntx = old()\n",
            "import import import def tx",
            id="behind_the_imports",
        ),
        pytest.param(
            "'Doc.'\ntx = old()\n",
            "'Doc.' import import import def tx",
            id="behind_the_docstring",
        ),
        pytest.param(
            "import optax\ntry:\n    import jax\nexcept ImportError:\n    jax = None\ntx = old()\n",
            "import try: except def tx",
            id="behind_an_import_with_a_second_try",
        ),
        pytest.param(
            "import jax\nif True:\n    import optax\nF = 1\nimport os\n# why\ntx = old()\n",
            "import import if F import def # tx",
            id="behind_the_last_import",
        ),
        pytest.param(
            "import jax\ntx = old()\nimport os\n",
            "import import def tx import",
            id="before_the_first_use",
        ),
        pytest.param(
            "import jax\nX = 1\nif __name__ == '__main__':\n    import os\n    tx = old()\n",
            "import import def X if",
            id="not_behind_the_entry_point",
        ),
    ],
)
def test_it_stands_behind_the_imports_two_lines_apart(before, after):
    text = supported(before)
    assert outline(text) == after.split()
    assert "\n\n\n\n" not in text
    above, below = text.split("    return optax.stateless(")
    assert "\n\n\ndef scale_by" in above
    assert "    )\n\n\n" in below


def test_two_blank_lines_around_and_comments_stay_with_their_statement():
    after = supported("import jax\nimport jax.numpy as jnp\nimport optax\n\n# why\ntx = old()\n")
    assert "import optax\n\n\ndef scale_by" in after
    assert f"    )\n\n\n# why\ntx = {NAME}()\n" in after


def test_it_comes_once_and_is_known_again():
    once = supported("import jax\n\ntx = old()\n")
    again = supported(once.replace(f"tx = {NAME}()", f"tx = {NAME}()\nty = old()"))
    assert again == once + f"ty = {NAME}()\n"
    assert missing(ast.parse(once), [NAME]) == []
    assert not is_taken(ast.parse(once), NAME)


@pytest.mark.parametrize(
    "text",
    [
        f"def {NAME}(): pass",
        f"class {NAME}: pass",
        f"from m import {NAME}",
        f"import a.b as {NAME}",
        f"import {NAME}.b",
        f"def f({NAME}): pass",
        f"def f():\n    for {NAME} in x: pass",
        f"try: pass\nexcept E as {NAME}: pass",
    ],
)
def test_a_name_that_means_something_else_is_taken(text):
    assert is_taken(ast.parse(text), NAME)


def test_it_takes_over_indentation_and_line_ends():
    before = "import jax\r\ndef f():\r\n  return old()\r\n"
    after = supported(before)
    assert "\n" not in after.replace("\r\n", "")
    assert '\r\n  """Scales each update' in after
    assert "\r\n  def rescaled(update, param):\r\n    param_norm" in after


def test_a_file_with_tabs_gets_tabs():
    after = supported("import jax\ndef f():\n\treturn old()\n")
    assert "\n\tdef rescaled(update, param):\n\t\tparam_norm" in after


def test_what_hangs_keeps_its_distance():
    text = """def f():
    '''A.

    B.'''
    # why
    if a:
        g(
            1)
    else:
        b
"""
    after = """def f():
  '''A.

  B.'''
  # why
  if a:
    g(
        1)
  else:
    b
"""
    assert reindented(text, "  ") == after


@pytest.mark.parametrize("name", SNIPPETS)
def test_snippets_are_documented_and_named_as_they_say(name):
    snippet = SNIPPETS[name]
    assert snippet.name == name
    assert snippet.summary.endswith(".")
    assert all(needed in SNIPPETS for needed in snippet.needs)
    spelt = re.sub(r"\{spell:([\w.]+)\}", r"\1", snippet.text.replace("{spell:jax.numpy}", "jnp"))
    assert max(map(len, spelt.splitlines())) <= 84
