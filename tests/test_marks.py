"""Statements under a mark are the reader's: later runs neither rewrite them nor say more."""

from __future__ import annotations

import pytest
from support import migrated

MARK = "# TODO(linenify): LN390 it is unclear; ask\n"


def test_a_marked_statement_is_not_rewritten() -> None:
    before = (
        "from flax import linen as nn\n\n\nclass Old(nn.Module):\n\n  @nn.compact\n"
        "  def __call__(self, x):\n    return nn.Dense(3)(x)\n\n\n"
        "def f(flax, rng, x):\n  import jax\n"
        f"  {MARK}  y = jax.tree_map(lambda v: v, x)\n  return jax.tree_map(lambda v: v, y)\n"
    )
    after = migrated(before)
    assert f"{MARK}  y = jax.tree_map(" in after
    assert "return jax.tree.map(" in after


@pytest.mark.parametrize("mark", [MARK, MARK.replace("LN390", "LN690"), ""])
def test_a_marked_statement_gets_no_second_mark(mark: str) -> None:
    before = (
        f"from flax import nn\n\n\ndef f(Net, params):\n  {mark}  return nn.Model(Net, params)\n"
    )
    before = before if mark else before.replace("  " + mark + "  return", "  return")
    after = migrated(before)
    assert after.count("TODO(linenify)") == 1


def test_a_class_that_was_refused_stays_down_to_what_is_defined_in_it() -> None:
    before = (
        "import functools\nfrom flax import nn\n\n\n"
        "def traced(f):\n  return functools.wraps(f)(f)\n\n\n"
        "@traced\n@nn.module\ndef outer(x, width):\n\n  @nn.module\n  def inner(x):\n"
        "    return nn.Dense(x, 3)\n\n  return inner(x)\n"
    )
    once = migrated(before)
    assert "TODO(linenify): LN291" in once
    assert "def inner(x):" in once
    assert migrated(once) == once
