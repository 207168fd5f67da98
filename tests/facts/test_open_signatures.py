"""What `**kwargs` collects comes from names and from a dict: it is one dict in Linen."""

from __future__ import annotations

import ast

import pytest

from tests.support import HEAD, migration

WRAPPER = """
class Masked(nn.Module):
  def apply(self, x, wrapped, mask=None, **kwargs):
    return wrapped(x, **kwargs) * mask
def run(layer, x, **more):
  return layer(x, **more)
"""
CALLS = {
    "both, the dict last": "Masked(x, wrapped=run, mask=mask, features=3, **kwargs)",
    "both, the dict first": "Masked(x, **kwargs, wrapped=run, mask=mask, features=3)",
    "two dicts": "Masked(x, wrapped=run, mask=mask, **kwargs, **{'bias': False})",
    "names alone": "Masked(x, wrapped=run, mask=mask, features=3, bias=False)",
}


@pytest.mark.parametrize("name", CALLS)
def test_no_keyword_is_given_twice(name: str) -> None:
    text = (
        "class User(nn.Module):\n"
        "  def apply(self, x, *args, mask=None, **kwargs):\n"
        f"    return {CALLS[name]}\n"
    )

    result = migration(HEAD + WRAPPER + text)

    assert "LN000" not in {d.code for d in result.diagnostics}
    compile(result.changes[0].after, "example.py", "exec")
    assert ast.parse(result.changes[0].after)
