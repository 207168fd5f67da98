"""Hidden sizes of recurrent cells, masks that attention computes, and names of submodules."""

from __future__ import annotations

import textwrap

import pytest
from support import migration

HEAD = "import jax\nimport jax.numpy as jnp\nfrom flax import nn\n\n\n"


def result(text: str) -> tuple[str, list[str]]:
    """The migrated text, and what was refused."""
    made = migration(HEAD + textwrap.dedent(text))
    after = made.changes[0].after if made.changes else ""
    return after, [f"{d.code} {d.message}" for d in made.diagnostics if d.code < "LN800"]


# --- cells -----------------------------------------------------------------------------------


def test_a_cell_is_as_large_as_the_carry_that_reaches_it():
    text, refused = result("""
    class Net(nn.Module):
        def apply(self, x, hidden=4):
            carry = nn.LSTMCell.initialize_carry(jax.random.PRNGKey(0), (3,), hidden)
            lower = nn.LSTMCell.shared()
            for t in range(2):
                carry, x = lower(carry, x)
            carry = nn.LSTMCell.initialize_carry(jax.random.PRNGKey(0), (3,), 2 * hidden)
            upper = nn.LSTMCell.shared()
            carry, y = jax.lax.scan(upper, carry, x[None])
            return y
    """)
    assert "lower = nn.LSTMCell(features=self.hidden)" in text
    assert "upper = nn.LSTMCell(features=(2 * self.hidden))" in text
    assert not refused


def test_two_carries_that_are_held_at_the_same_time():
    text, refused = result("""
    class Net(nn.Module):
        def apply(self, x):
            key = jax.random.PRNGKey(0)
            first = nn.GRUCell.initialize_carry(key, (3,), 5)
            second = nn.LSTMCell.initialize_carry(key, (3,), 7)
            lower, upper = nn.GRUCell.shared(name='lower'), nn.LSTMCell.shared(name='upper')
            for t in range(2):
                first, y = lower(first, x)
                second, z = upper(second, y)
            return z
    """)
    assert "nn.GRUCell(features=5, name='lower')" in text
    assert "nn.LSTMCell(features=7, name='upper')" in text
    assert not refused


@pytest.mark.parametrize("made", ["other = nn.GRUCell.shared()", "other = nn.GRUCell"])
def test_zeros_are_not_as_large_as_the_carry_of_another_cell(made: str):
    text, refused = result(f"""
    class Net(nn.Module):
        def apply(self, x):
            carry = nn.LSTMCell.initialize_carry(jax.random.PRNGKey(0), (3,), 4)
            cell = nn.LSTMCell.shared()
            carry, y = cell(carry, x)
            {made}
            h = jnp.zeros((3, 8))
            h, z = other(h, y)
            return z
    """)
    assert "nn.LSTMCell(features=4)" in text
    assert "features=8" in text or "features=h.shape[-1]" in text
    assert not refused


# --- masks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("result_of", ["x = ", "x = x + ", "return "])
def test_a_mask_that_is_computed_in_the_call_gets_a_name(result_of: str):
    text, refused = result(f"""
    class Net(nn.Module):
        def apply(self, x, lengths):
            {result_of}nn.SelfAttention(
                x, num_heads=2, padding_mask=(jnp.arange(4)[None] < lengths)[..., None])
            return x
    """)
    assert "        padding_mask = (jnp.arange(4)[None] < lengths)[..., None]\n" in text
    assert "padding_mask.reshape(x.shape[:-1])" in text
    assert not refused


def test_a_second_mask_gets_another_name():
    text, refused = result("""
    class Net(nn.Module):
        def apply(self, x, tokens):
            x = nn.SelfAttention(x, num_heads=2, padding_mask=tokens[..., None] > 0)
            return nn.SelfAttention(x, num_heads=2, padding_mask=tokens[..., None] > 1)
    """)
    assert "padding_mask = tokens[..., None] > 0" in text
    assert "padding_mask_2 = tokens[..., None] > 1" in text
    assert not refused


@pytest.mark.parametrize(
    "value",
    [
        "nn.SelfAttention(x, num_heads=2, padding_mask=m > 0) if wide else x",
        "[nn.SelfAttention(x, num_heads=2, padding_mask=m > n) for n in range(2)]",
        "nn.SelfAttention(x, num_heads=2, padding_mask=nn.Dense(m, 1))",
    ],
)
def test_a_mask_stays_where_another_place_may_not_compute_it(value: str):
    _, refused = result(f"""
    class Net(nn.Module):
        def apply(self, x, m, wide=True):
            return {value}
    """)
    assert [each for each in refused if each.startswith("LN396")]


# --- names -----------------------------------------------------------------------------------


def test_a_keyword_names_a_submodule_and_no_attribute():
    text, refused = result("""
    class Net(nn.Module):
        def apply(self, x):
            return nn.Dense(nn.Dense(x, 3, name='in'), 2, name='out')

        @nn.module_method
        def encode(self, x):
            return nn.Dense(x, 3, name='in')
    """)
    assert text.count("nn.Dense(3, name='in')(x)") == 2
    assert not refused
