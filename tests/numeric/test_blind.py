"""Samplers that do not look at the key."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from linenify.verify.blind import blindfolded

pytestmark = pytest.mark.numeric

SAMPLERS = {
    "normal": lambda key: jax.random.normal(key, (3, 4)),
    "scalar": jax.random.normal,
    "uniform": lambda key: jax.random.uniform(key, (5,), minval=-2.0, maxval=3.0),
    "uniform_traced": lambda key: jax.random.uniform(key, (5,), maxval=jnp.float32(2)),
    "truncated_normal": lambda key: jax.random.truncated_normal(key, -2, 2, (6, 7)),
    "bernoulli": lambda key: jax.random.bernoulli(key, 0.3, (40,)),
    "bernoulli_by_keyword": lambda key: jax.random.bernoulli(key=key, p=0.3, shape=(40,)),
    "bernoulli_of_array": lambda key: jax.random.bernoulli(key, jnp.linspace(0, 1, 9)),
    "randint": lambda key: jax.random.randint(key, (10,), 3, 11),
    "permutation": lambda key: jax.random.permutation(key, 9),
    "permuted_rows": lambda key: jax.random.permutation(key, jnp.arange(12.0).reshape(6, 2)),
    "categorical": lambda key: jax.random.categorical(key, jnp.ones((4, 12)), axis=0),
    "choice": lambda key: jax.random.choice(key, 10, (4,), replace=False),
    "weighted_choice": lambda key: jax.random.choice(key, 3, (7,), p=jnp.array([0.2, 0.5, 0.3])),
    "gumbel": lambda key: jax.random.gumbel(key, (4, 3)),
    "beta": lambda key: jax.random.beta(key, 2.0, jnp.linspace(0.5, 3.0, 6)),
    "dirichlet": lambda key: jax.random.dirichlet(key, jnp.array([0.5, 1.0, 3.0]), (4,)),
    "gamma_of_array": lambda key: jax.random.gamma(key, jnp.array([0.5, 1.0, 3.0])),
    "multivariate_normal": lambda key: jax.random.multivariate_normal(
        key, jnp.arange(3.0), jnp.diag(jnp.array([1.0, 2.0, 0.5])), (5,)
    ),
    "poisson": lambda key: jax.random.poisson(key, 3.0, (40,)),
    "student": lambda key: jax.random.t(key, 4.0, (7,)),
    "glorot": lambda key: jax.nn.initializers.glorot_uniform()(key, (6, 5)),
    "orthogonal": lambda key: jax.nn.initializers.orthogonal()(key, (6, 4)),
}


@pytest.mark.parametrize("draw", SAMPLERS.values(), ids=SAMPLERS)
def test_the_key_and_jit_change_nothing(draw):
    with blindfolded():
        first = draw(jax.random.PRNGKey(0))
        second = jax.jit(draw)(jax.random.PRNGKey(1))
    np.testing.assert_allclose(first, second, rtol=1e-6)
    assert len(np.unique(first)) > 1 or first.ndim == 0


@pytest.mark.parametrize("draw", SAMPLERS.values(), ids=SAMPLERS)
def test_shape_and_dtype_are_those_of_the_sampler(draw):
    real = draw(jax.random.PRNGKey(0))
    with blindfolded():
        blind = draw(jax.random.PRNGKey(0))
    assert (blind.shape, blind.dtype) == (real.shape, real.dtype)


def test_moments():
    with blindfolded():
        key = jax.random.PRNGKey(0)
        assert abs(float(jax.random.normal(key, (4000,)).std()) - 1) < 0.05
        assert abs(float(jax.random.bernoulli(key, 0.3, (4000,)).mean()) - 0.3) < 0.03
        assert abs(float(jax.random.uniform(key, (4000,)).mean()) - 0.5) < 0.03


def test_gradients_and_scans_pass_through():
    def noisy(x):
        def step(carry, key):
            return carry + x * jax.random.normal(key), None

        return jax.lax.scan(step, 0.0, jax.random.split(jax.random.PRNGKey(0), 3))[0]

    with blindfolded():
        draw = jax.random.normal(jax.random.PRNGKey(0))
        assert jnp.allclose(jax.grad(noisy)(2.0), 3 * draw)


def test_a_sampler_that_rejects_draws_takes_traced_parameters():
    def draw(rate, key):
        return jax.random.poisson(key, rate, (200,)), jax.random.beta(key, rate, 2.0, (9,))

    with blindfolded():
        counts, shares = jax.jit(draw)(3.0, jax.random.PRNGKey(0))
        again, _ = jax.jit(draw)(3.0, jax.random.PRNGKey(1))
    assert (counts == again).all()
    assert abs(float(counts.mean()) - 3) < 0.5
    assert ((shares > 0) & (shares < 1)).all()


def test_a_sampler_without_a_blind_form_says_so():
    with blindfolded(), pytest.raises(NotImplementedError, match=r"jax\.random\.ball"):
        jax.random.ball(jax.random.PRNGKey(0), 2)


def test_the_moments_of_a_gamma_are_near():
    with blindfolded():
        drawn = jax.random.gamma(jax.random.PRNGKey(0), jnp.array([[0.5], [1.0], [6.0]]), (3, 4000))
    np.testing.assert_allclose(drawn.mean(1), [0.5, 1.0, 6.0], rtol=0.05)
    np.testing.assert_allclose(drawn.var(1), [0.5, 1.0, 6.0], rtol=0.15)


def test_a_sampler_with_a_fixed_key_draws_the_same_in_double_precision():
    draws = []
    for double in (False, True):
        with jax.enable_x64(double), blindfolded():
            draws.append(np.asarray(jax.random.pareto(jax.random.PRNGKey(0), 3.0, (5,))))
    assert draws[1].dtype == np.float64
    np.testing.assert_allclose(draws[0], draws[1], rtol=1e-6)


def test_a_sampler_may_be_there_on_one_side_only():
    from linenify.verify import blind

    blind._sampler_names.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.random, "shuffle", jax.random.permutation, raising=False)
        with blindfolded():
            assert jax.random.shuffle(jax.random.PRNGKey(0), jnp.arange(5.0)).shape == (5,)
    with blindfolded():
        assert jax.random.normal(jax.random.PRNGKey(0)).shape == ()
    blind._sampler_names.cache_clear()


def test_everything_is_put_back():
    before = {name: getattr(jax.random, name) for name in dir(jax.random)}
    with blindfolded():
        pass
    assert before == {name: getattr(jax.random, name) for name in dir(jax.random)}
