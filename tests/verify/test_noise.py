"""Rounding is told from a difference by what was measured."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from linenify.verify.compare import Tolerance, compare_leaves
from linenify.verify.inputs import generator
from linenify.verify.noise import measured
from linenify.verify.precision import doubled, perturbed, widened
from linenify.verify.verdict import HALF, VANISHES, Outcome

pytestmark = pytest.mark.numeric

VALUES = np.array([1.0, 2.0, 4.0], np.float32)


def judged(old, new, moved, wide=None):
    """The only gap between two leaves, where `moved` is what a last bit does to the old one."""
    rows = [("leaf", old, new)]
    double = None if wide is None else [("leaf", *wide)]
    comparison = compare_leaves(
        "outputs",
        rows,
        Tolerance(1e-6),
        lambda: measured(rows, [[("leaf", moved, new)]], lambda: double),
    )
    [gap] = comparison.every
    return gap


def test_a_leaf_may_be_off_by_its_noise_and_not_by_more():
    noisy = VALUES + np.float32(1e-3)
    assert judged(VALUES, VALUES + np.float32(2e-3), noisy).outcome is Outcome.CLOSE
    gap = judged(VALUES, VALUES + np.float32(2e-2), noisy)
    assert gap.outcome is Outcome.DIFFERENT
    assert gap.floor == pytest.approx(1e-3, rel=1e-3)


def test_without_noise_two_last_bits_are_granted():
    assert judged(VALUES, VALUES * np.float32(1 + 1e-7), VALUES).outcome is Outcome.CLOSE
    assert judged(VALUES, VALUES * np.float32(1 + 1e-6), VALUES).outcome is Outcome.DIFFERENT


def test_what_stays_in_double_precision_is_no_rounding():
    noisy, new = VALUES + np.float32(1e-3), VALUES + np.float32(9e-4)
    exact = VALUES.astype(np.float64)
    assert judged(VALUES, new, noisy, (exact, exact + 1e-12)).outcome is Outcome.CLOSE
    gap = judged(VALUES, new, noisy, (exact, exact + 9e-4))
    assert gap.outcome is Outcome.DIFFERENT
    assert "stays in double precision" in gap.note


def test_a_leaf_that_is_zero_but_for_noise_is_recognised():
    old = np.array([1e-8, -2e-8], np.float32)
    gap = judged(old, -old, -2 * old, (np.zeros(2), np.zeros(2)))
    assert gap.outcome is Outcome.CLOSE
    assert gap.note == VANISHES


def test_a_leaf_that_drowns_in_noise_is_said_to_prove_little():
    gap = judged(VALUES, VALUES * 1.1, VALUES * 1.2)
    assert "proves little" in gap.note


def test_perturbation_is_invisible_and_complete():
    tree = {"kernel": jnp.asarray(VALUES), "ids": jnp.arange(3), "half": jnp.ones(2, jnp.bfloat16)}
    moved = perturbed(tree, generator("seed"))
    assert (moved["ids"] == tree["ids"]).all()
    assert moved["half"].dtype == jnp.bfloat16
    apart = np.abs(np.asarray(moved["kernel"], np.float64) / VALUES - 1)
    assert (apart > 0).all()
    assert (apart < 2e-7).all()


def test_double_precision_comes_and_goes():
    before = jnp.float32
    with doubled(None):
        assert jnp.zeros(2, jnp.float32).dtype == np.float64
        assert widened({"x": VALUES})["x"].dtype == np.float64
    assert jnp.float32 is before
    assert not jax.config.jax_enable_x64


def test_rounding_to_half_precision_counts_where_both_sides_round_alike():
    draw = generator("half")
    exact = draw.standard_normal(64)
    half = [
        np.asarray(jnp.asarray(exact * (1 + 1e-9 * s), jnp.bfloat16), np.float32) for s in (1, 2)
    ]
    other = np.asarray(half[1] + np.float32(4e-3) * draw.choice([-1, 1], 64), np.float32)
    gap = judged(half[0], other, half[0], (exact, exact))
    assert gap.outcome is Outcome.CLOSE
    assert gap.note == HALF
    single = np.asarray(exact, np.float32)
    assert judged(half[0], single, half[0], (exact, exact)).outcome is Outcome.DIFFERENT
    assert judged(half[0], other, half[0], (exact, exact + 1e-3)).outcome is Outcome.DIFFERENT
