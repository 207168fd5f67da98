"""Rounding is told from a difference by what was measured."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from linenify.verify.compare import Tolerance, compare_leaves
from linenify.verify.inputs import generator
from linenify.verify.noise import Reruns, Wide, measured
from linenify.verify.precision import Narrowing, doubled, nudged_narrowing, perturbed, widened
from linenify.verify.verdict import VANISHES, Outcome

pytestmark = pytest.mark.numeric

VALUES = np.array([1.0, 2.0, 4.0], np.float32)


def judged(old, new, moved, wide=None, *, narrowed=False, alike=True, shaken=None):
    """The only gap between two leaves.

    `moved` is what a last bit does to the old one, `shaken` the same in double precision,
    where `wide` are both.
    """
    rows = [("leaf", old, new)]
    double = None if wide is None else Wide([("leaf", *wide)], narrowed)
    reruns = Reruns(
        lambda: double,
        lambda coarse: [[("leaf", moved if coarse else old, new)]],
        lambda: alike,
        lambda: [] if shaken is None else [[("leaf", shaken, new)]],
    )
    comparison = compare_leaves("outputs", rows, Tolerance(1e-6), lambda: measured(rows, reruns))
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


def test_a_difference_below_the_noise_is_seen_in_double_precision():
    noisy, exact = VALUES + np.float32(1e-3), VALUES.astype(np.float64)
    assert judged(VALUES, VALUES + np.float32(1e-6), noisy, (exact, exact + 1e-6)).outcome is (
        Outcome.DIFFERENT
    )


def test_parts_in_single_precision_round_in_double_precision_too():
    noisy, exact = VALUES + np.float32(1e-3), VALUES.astype(np.float64)
    wide = exact, exact + 1e-7
    new = VALUES + np.float32(1e-6)
    assert judged(VALUES, new, noisy, wide, narrowed=True).outcome is Outcome.CLOSE


def test_to_round_to_half_precision_elsewhere_is_no_noise():
    noisy, new, exact = VALUES * np.float32(1.01), VALUES * np.float32(1.002), VALUES * 1.0
    wide = exact.astype(np.float64), exact.astype(np.float64)
    assert judged(VALUES, new, noisy, wide).outcome is Outcome.CLOSE
    assert judged(VALUES, new, noisy, wide, alike=False).outcome is Outcome.DIFFERENT


def test_chaos_stays_chaos_in_double_precision():
    exact = VALUES.astype(np.float64)
    gap = judged(VALUES, VALUES * 1.1, VALUES * 1.2, (exact, exact * 1.3), shaken=exact * 0.8)
    assert gap.outcome is Outcome.CLOSE
    assert judged(VALUES, VALUES * 1.1, VALUES * 1.2, (exact, exact * 1.3), shaken=exact).note


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
        params = nn.Dense(2).init(jax.random.PRNGKey(0), jnp.zeros((1, 3)))
        assert params["params"]["kernel"].dtype == np.float64
    assert jnp.float32 is before
    assert nn.Dense(2).param_dtype is before
    assert not jax.config.jax_enable_x64


def test_what_is_converted_to_a_lower_precision_is_noticed():
    narrowing = Narrowing()
    with doubled(None), narrowing.watched():
        (jnp.ones(2) * 2).astype(jnp.float32)
        assert jnp.ones(2, jnp.bfloat16).dtype == np.float64
        assert not narrowing.happened
        jax.jit(lambda x: x.astype("float32"))(jnp.ones(2))
    assert narrowing.happened


def test_half_precision_is_off_by_a_last_bit_of_its_own():
    def halved(x):
        return x.astype(jnp.bfloat16).astype(jnp.float32)

    values = jnp.asarray(VALUES)
    with jax.default_matmul_precision("highest"):
        with nudged_narrowing(0):
            moved = [halved(values), jax.jit(halved)(values)]
            assert (values.astype(jnp.int32) == VALUES).all()
        after = [halved(values), jax.jit(halved)(values)]
    for each in moved:
        apart = np.abs(np.asarray(each) / VALUES - 1)
        assert ((apart > 2e-3) & (apart < 1e-2)).all()
    for each in after:
        assert (each == VALUES).all()
