"""Trees of arrays: as inputs, and mapped by shared modules."""

from __future__ import annotations

import textwrap

import pytest
from support import migrated

HEAD = "import jax\nimport jax.numpy as jnp\nfrom flax import nn\n\n"
CELL = """
class Cell(nn.Module):
    def apply(self, x, other=None, size=3):
        y = nn.Dense(x, size)
        return y if other is None else y + other


"""


def rewritten(text: str) -> str:
    return migrated(HEAD + textwrap.dedent(CELL) + textwrap.dedent(text).lstrip("\n"))


@pytest.mark.parametrize(
    ("made", "mapped"),
    [
        ("nn.Dense.shared(features=width, name='layer')", "jax.tree_map(layer, tree)"),
        ("Cell.shared(size=width, name='layer')", "jax.tree_util.tree_map(layer, tree)"),
        ("Cell.shared(size=width, name='layer')", "jax.tree_multimap(layer, tree, tree)"),
    ],
)
def test_a_named_instance_maps_a_tree_as_it_did(made: str, mapped: str) -> None:
    text = rewritten(
        f"""
        class Net(nn.Module):
            def apply(self, tree, width):
                layer = {made}
                return {mapped}

        def run(rng, x):
            return Net.init(rng, {{'a': jnp.ones((2, 3)), 'b': (x,)}}, width=3)
        """
    )
    assert "TODO(linenify)" not in text
    assert "def __call__(self, tree):" in text
    assert "(layer, tree" in text


@pytest.mark.parametrize(
    "made",
    [
        "nn.Dense.partial(features=width)",  # other params for each leaf
        "nn.Dense.shared(features=width)",  # its number is given where it first runs
    ],
)
def test_what_makes_new_params_for_each_leaf_is_flagged(made: str) -> None:
    text = rewritten(
        f"""
        class Net(nn.Module):
            def apply(self, tree, width):
                layer = {made}
                return jax.tree_map(layer, tree)
        """
    )
    assert "LN394" in text


@pytest.mark.parametrize(
    ("given", "call"),
    [
        ("{'a': jnp.ones((2, 3))}", "Inner(factor=2)({'a': jnp.ones((2, 3))})"),
        ("(x, jnp.zeros(3))", "Inner(factor=2)((x, jnp.zeros(3)))"),
        ("[[jnp.zeros(3)], []]", "Inner(factor=2)([[jnp.zeros(3)], []])"),
        ("dict(a=dict(b=jnp.zeros(3)))", "Inner(factor=2)(dict(a=dict(b=jnp.zeros(3))))"),
        ("[1, 2]", "Inner([1, 2], factor=2)()"),
    ],
)
def test_a_container_is_an_input_where_arrays_are_in_it(given: str, call: str) -> None:
    text = rewritten(
        f"""
        class Inner(nn.Module):
            def apply(self, things, factor):
                return jax.tree_map(lambda leaf: leaf * factor, things)

        class Net(nn.Module):
            def apply(self, x):
                return Inner({given}, factor=2)
        """
    )
    assert call in text
