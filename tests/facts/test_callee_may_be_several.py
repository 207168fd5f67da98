"""A value that may be several functions of JAX is not one of them.

For every function whose calls are rewritten: wherever what is called may also be another
function, either the call stays, and the value has become one that means the same, or the
call is flagged.  It is never rewritten as though the callee were known.
"""

from __future__ import annotations

import ast
import functools

import pytest

from linenify.facts.jax.arrayarguments import ARRAY_ARGUMENTS
from linenify.facts.jax.jaxarguments import array_arguments
from linenify.facts.jax.jaxforms import _KNOWN, FORMS, moved
from tests.support import migration

HEAD = """\
import functools
import jax
import jax.numpy
import numpy


def own(*given, **options):
  return given
"""
# Each calls `op(...)`, which is {path} or, seen or unseen here, another function.
CALLERS = {
    "chosen by a condition": """
def run(c, {names}):
  op = {path} if c else own
  return op({given})
""",
    "a loop variable": """
def run({names}):
  for op in ({path}, own):
    made = op({given})
  return made
""",
    "looked up in a table": """
TABLE = {{'one': {path}, 'other': own}}


def run(key, {names}):
  op = TABLE[key]
  return op({given})
""",
    "a default that a caller overrides": """
def run({names}, op={path}):
  return op({given})


def caller({names}):
  return run({names}), run({names}, op=own)
""",
    "a default that somebody else may override": """
def run({names}, op={path}):
  return op({given})
""",
    "found or not": """
def run(table, key, {names}):
  op = table.get(key) or {path}
  return op({given})
""",
    "an attribute": """
class Runner:

  def __init__(self, op=None):
    self.op = op or {path}

  def run(self, {names}):
    return self.op({given})
""",
    "bound by another branch": """
def run(c, {names}):
  op = {path}
  if c:
    op = own
  return op({given})
""",
    "from a loop over pairs": """
RULES = [({path}, 1), (own, 2)]


def run({names}):
  return [op({given}) for op, _ in RULES]
""",
}


def calls(text: str) -> list[str]:
    """The calls of `op` in a text."""
    found = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    return [
        ast.unparse(node).removeprefix("self.")
        for node in found
        if isinstance(node.func, ast.Name | ast.Attribute)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "op"
    ]


@functools.cache
def outcome(caller: str, path: str, names: str, given: str) -> tuple[str, list[str], list[str]]:
    """The migrated text, its calls of `op`, and the codes that stand in it."""
    text = HEAD + CALLERS[caller].format(path=path, names=names, given=given)
    made = migration(text)
    after = made.changes[0].after if made.changes else text
    return after, calls(after), [d.code for d in made.diagnostics]


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("caller", CALLERS)
def test_a_gone_function_that_may_be_another(caller: str, path: str) -> None:
    names = ", ".join("abcde"[: FORMS[path].required])
    after, found, codes = outcome(caller, path, names, names)
    assert found == [f"op({names})"]
    assert codes == []
    kept = {ast.unparse(n) for n in ast.walk(ast.parse(after)) if isinstance(n, ast.Attribute)}
    assert path not in kept


MOVED = [(path, name) for path in _KNOWN for name in (moved(path) or _KNOWN[path]).keywords]


@pytest.mark.parametrize(("path", "keyword"), MOVED)
@pytest.mark.parametrize("caller", CALLERS)
def test_a_renamed_argument_of_what_may_be_another(caller: str, path: str, keyword: str) -> None:
    given = f"a, {keyword}=b"
    _, found, codes = outcome(caller, path, "a, b", given)
    assert found == [f"op({given})"]
    assert codes == ["LN196"]


LISTED = [
    f"{namespace}.{name}"
    for namespace, text in ARRAY_ARGUMENTS.items()
    for name in text.split()
    if name.isidentifier() and name in {"mean", "where", "norm", "softmax", "segment_sum"}
]


@pytest.mark.parametrize("path", LISTED)
@pytest.mark.parametrize("caller", CALLERS)
def test_a_list_for_what_may_be_another(caller: str, path: str) -> None:
    wanted = array_arguments(path)
    assert wanted is not None
    place = min(wanted.places)
    given = ", ".join([*"ab"[:place], "[a, b]"])
    _, found, codes = outcome(caller, path, "a, b", given)
    assert found == [f"op({given})"]
    assert codes == ["LN196"]
