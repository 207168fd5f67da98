"""What a single call does not show: collections that change over several calls, masks, tracers."""

import textwrap

import pytest

from linenify.verify.run import Job, run_jobs
from linenify.verify.verdict import Outcome

pytestmark = [pytest.mark.numeric, pytest.mark.xdist_group("verdicts")]

COUNTER = """
import jax.numpy as jnp
from flax import nn


class Average(nn.Module):
    def apply(self, x):
        steps = self.state('steps', (), nn.initializers.zeros)
        mean = self.state('mean', (3,), nn.initializers.zeros)
        if not self.is_initializing():
            first = steps.value == 0
            mean.value = jnp.where(first, x.mean(0), 0.9 * mean.value + 0.1 * x.mean(0))
            steps.value = steps.value + 1
        return nn.Dense(x - mean.value, 2)
"""

COUNTER_LINEN = """
import jax.numpy as jnp
from flax import linen as nn


class Average(nn.Module):
    @nn.compact
    def __call__(self, x):
        steps = self.variable('stats', 'steps', jnp.zeros, ())
        mean = self.variable('stats', 'mean', jnp.zeros, (3,))
        if not self.is_initializing():
            first = steps.value == 0
            mean.value = jnp.where(first, x.mean(0), 0.9 * mean.value + 0.1 * x.mean(0))
            steps.value = steps.value + 1
        return nn.Dense(2)(x - mean.value)
"""

READER = """
import jax.numpy as jnp
from flax import nn


class Reader(nn.Module):
    def apply(self, tokens):
        mask = jnp.arange(tokens.shape[1])[None] < jnp.array([[3], [5]])
        x = nn.Embed(tokens, num_embeddings=7, features=8)
        return nn.SelfAttention(x, num_heads=2, padding_mask=mask)
"""

READER_LINEN = """
import jax.numpy as jnp
from flax import linen as nn


class Reader(nn.Module):
    @nn.compact
    def __call__(self, tokens):
        mask = jnp.arange(tokens.shape[1])[None] < jnp.array([[3], [5]])
        x = nn.Embed(num_embeddings=7, features=8)(tokens)
        mask = nn.make_attention_mask(mask, mask)
        return nn.MultiHeadDotProductAttention(num_heads=2)(x, mask=mask)
"""

LEAKING_LINEN = """
import jax
import jax.numpy as jnp
from flax import linen as nn


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        def step(carry, _):
            return nn.Dense(3)(carry), carry

        return jax.lax.scan(step, x, jnp.arange(2))[0]
"""

LEAKING = """
import jax
import jax.numpy as jnp
from flax import nn


class Net(nn.Module):
    def apply(self, x):
        dense = nn.Dense.shared(features=3, name='Dense_0')

        def step(carry, _):
            return dense(carry), carry

        if self.is_initializing():
            dense(x)
        return jax.lax.scan(step, x, jnp.arange(2))[0]
"""

STATEFUL = '[[run]]\nmodule = "Average"\ninputs = ["f32[4,3]"]\nstate = true\n'
READING = '[[run]]\nmodule = "Reader"\ninputs = ["i32[2,5]<7"]\n'
NET = '[[run]]\nmodule = "Net"\ninputs = ["f32[2,3]"]\n'

PROGRAMS = {
    "stateful": (COUNTER, COUNTER_LINEN, STATEFUL),
    "never counts": (
        COUNTER,
        COUNTER_LINEN.replace("steps.value = steps.value + 1", "steps.value = steps.value + 0"),
        STATEFUL,
    ),
    "seeds itself again": (COUNTER, COUNTER_LINEN.replace("== 0", "<= 1"), STATEFUL),
    "padded rows": (READER, READER_LINEN, READING),
    "padded by too much": (READER, READER_LINEN.replace("[3], [5]", "[2], [5]"), READING),
    "leaked": (LEAKING, LEAKING_LINEN, NET),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    jobs = []
    for name, program in PROGRAMS.items():
        folder = tmp_path_factory.mktemp(name.replace(" ", "_"))
        texts = dict(
            zip(("case.toml", "legacy.py", "linen.py"), (program[2], *program[:2]), strict=True)
        )
        for file, text in texts.items():
            (folder / file).write_text(textwrap.dedent(text))
        jobs.append(Job(*(str(folder / file) for file in texts)))
    return dict(zip(PROGRAMS, run_jobs(jobs), strict=True))


def different(result):
    return {each.what for each in result.runs[0].comparisons if not each.outcome.passed}


def test_collections_are_compared_over_several_calls(verdicts):
    [run] = verdicts["stateful"].runs
    assert run.outcome.passed, run
    [steps] = [each for each in run.comparisons if each.what == "steps"]
    assert steps.leaves == 12  # outputs and two variables of four calls


@pytest.mark.parametrize("name", ["never counts", "seeds itself again"])
def test_a_mistake_that_only_a_later_call_shows_is_seen(verdicts, name):
    assert verdicts[name].outcome is Outcome.DIFFERENT
    assert "steps" in different(verdicts[name])


def test_rows_that_are_masked_as_a_whole_are_no_difference(verdicts):
    [run] = verdicts["padded rows"].runs
    assert run.outcome.passed, run
    assert "LN803" in run.remark


def test_another_mask_is_a_difference(verdicts):
    assert verdicts["padded by too much"].outcome is Outcome.DIFFERENT
    assert "outputs" in different(verdicts["padded by too much"])


def test_a_leaked_tracer_is_a_verdict_that_names_parameter_and_place(verdicts):
    failure = verdicts["leaked"].runs[0].failure
    assert (failure.side, failure.stage) == ("linen", "init")
    assert "`Dense_0/" in failure.message
    assert "linen.py" in failure.message
