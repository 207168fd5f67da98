"""Several statements on one line: one of them may become more."""

from __future__ import annotations

import pytest
from support import migrated

HEAD = """\
import jax
from flax import nn


class Net(nn.Module):

  def apply(self, x):
    return nn.Dense(x, 2)


def start(seed, x):
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "rng = jax.random.PRNGKey(seed); y, p = Net.init(rng, x); return y, p",
            "rng = jax.random.PRNGKey(seed); y, variables = Net().init_with_output(rng, x); "
            "p = variables['params']; return y, p",
            id="between-others",
        ),
        pytest.param(
            "_, p = Net.init(seed, x); return p",
            "p = Net().init(seed, x)['params']; return p",
            id="the-first",
        ),
        pytest.param(
            "n = 1; return Net.init(seed, x)",
            "n = 1; outputs, variables = Net().init_with_output(seed, x); "
            "return outputs, variables['params']",
            id="the-last",
        ),
        pytest.param(
            "with nn.stateful() as s: _, p = Net.init(seed, x); m = nn.Model(Net, p); y = m(x)",
            None,
            id="behind-a-with",
        ),
    ],
)
def test_a_statement_beside_others_becomes_more(before: str, after: str | None) -> None:
    text = migrated(f"{HEAD}  {before}\n")
    if after is None:
        assert "TODO(linenify)" in text
    else:
        assert text.endswith(f"def start(seed, x):\n  {after}\n")


def test_two_that_become_more_on_one_line_are_not_both_taken() -> None:
    text = migrated(f"{HEAD}  y, p = Net.init(seed, x); z, q = Net.init(1, x); return y, p, z, q\n")
    assert text.count("init_with_output") == 1
    assert text.count("TODO(linenify)") == 1
