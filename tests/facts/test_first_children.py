"""Keys such as `'Conv_0'`: a first child is the first of its class, in both worlds."""

from __future__ import annotations

import pytest

from tests.support import HEAD, migration

# How many layers there are is not known: so is what numbers they have.
NET = """
class Net(nn.Module):
  def apply(self, x, depth, pools=True):
    for _ in range(depth):
      x = nn.Conv(x, 4, (3, 3))
      if pools:
        x = nn.Dense(x, 3)
    return x
"""
NESTED = """
class Nested(nn.Module):
  def apply(self, x):
    return nn.Dense(nn.Dense(nn.Conv(x, 3, (1, 1)), 3), 4)
class Pair(nn.Module):
  def apply(self, x):
    return nn.Dense(nn.Dense(x, 3), 4)
"""
READ = {
    "a parameter": NET + "def head(params):\n  return params['Conv_0']['kernel']\n",
    "masks of another file": NET + "import masks\nfirst = masks.made()['Conv_0']\n",
    "an attribute": NET
    + "class Agent:\n  def first(self):\n    return self.tree['Conv_0']['bias'].sum()\n",
    "in a lambda": NET + "first = lambda tree, leaf='kernel': tree['params']['Conv_0'][leaf]\n",
}
FLAGGED = {
    "a later child": NET + "def head(params):\n  return params['Conv_2']\n",
    "it is asked for": NET + "def has(params):\n  return 'Conv_0' in params\n",
    "it may be missing": NET + "def head(params):\n  return params.get('Conv_0')\n",
    "the missing one is borne with": NET
    + "def head(params):\n  try:\n    return params['Conv_0']\n  except KeyError:\n    pass\n",
    "it is compared": NET + "def head(name):\n  return name == 'Conv_0'\n",
    "it is set": NET + "def head(params, new):\n  params['Conv_0'] = new\n",
    "one class has two orders": NESTED + "def head(params):\n  return params['Dense_0']\n",
}


def said(text: str) -> list[str]:
    """The refusals of a program, by their codes."""
    return [d.code for d in migration(HEAD + text).diagnostics if d.code == "LN694"]


@pytest.mark.parametrize("name", READ)
def test_the_key_of_a_first_child_stays_without_a_mark(name: str) -> None:
    result = migration(HEAD + READ[name])

    assert "LN694" not in {d.code for d in result.diagnostics}
    assert "['Conv_0']" in result.changes[0].after


@pytest.mark.parametrize("name", FLAGGED)
def test_other_keys_are_flagged(name: str) -> None:
    assert said(FLAGGED[name]) == ["LN694"]
