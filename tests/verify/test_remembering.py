"""What one comparison computed of the legacy side is read back by another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from linenify.verify.remembering import Memory
from linenify.verify.verdict import Failure
from linenify.verify.worlds import UserCodeError


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path)


def never():
    raise AssertionError("this is known already")


def test_a_result_is_computed_once_for_each_key(memory):
    assert memory.of(("run", 1), lambda: {"loss": [1, 2]}) == {"loss": [1, 2]}
    assert memory.of(("run", 1), never) == {"loss": [1, 2]}
    assert memory.of(("run", 2), lambda: 3) == 3


def test_double_precision_stays_double_where_jax_has_none(memory):
    with jax.enable_x64(True):
        value = jnp.asarray(1 / 3, jnp.float64)
        memory.of("third", lambda: {"params": value, "half": jnp.ones(2, jnp.bfloat16)})
    again = memory.of("third", never)
    assert again["params"].dtype == np.float64
    assert again["params"] == 1 / 3
    assert again["half"].dtype == jnp.bfloat16


def test_a_failure_is_remembered_with_its_frames(memory):
    error = UserCodeError(Failure("legacy", "gradients", "TypeError: no", ("model.py:3 in f",)))
    memory.of("gradients", lambda: error)
    assert memory.of("gradients", never).failure == error.failure


def test_what_cannot_be_pickled_is_computed_anew(memory):
    values = iter([lambda: 1, lambda: 2])
    assert memory.of("function", lambda: next(values))() == 1
    assert memory.of("function", lambda: next(values))() == 2
