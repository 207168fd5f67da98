"""What a program returns, in words that both sides share."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct
from flax.core import freeze
from flax.training.train_state import TrainState

from linenify.verify.creation import Creation
from linenify.verify.results import Variables, canonical, names_of

pytestmark = pytest.mark.numeric


@struct.dataclass
class Agent:
    params: dict
    steps: int
    name: str = struct.field(pytree_node=False, default="agent")


def plain(result, created=()):
    """The canonical form of a result of the Linen side; `created` are keypaths of params."""
    creation = Creation()
    for keypath in created:
        creation.add(None, tuple(keypath.split("/")))
    return canonical(result, names_of({"params": creation}), None)


def test_numbers_in_a_row_become_one_array():
    losses = plain({"losses": [jnp.float32(2), jnp.float32(1)], "mixed": [1, 2.0], "one": [3.0]})
    np.testing.assert_array_equal(losses["losses"], [2, 1])
    assert losses["mixed"] == {"0": 1, "1": 2.0}
    assert losses["one"] == {"0": 3.0}


def test_structs_are_their_fields_and_states_have_no_bookkeeping():
    assert plain(Agent({"w": 1.0}, 3)) == {"params": {"w": 1.0}, "steps": 3}
    state = TrainState.create(apply_fn=len, params={"w": jnp.ones(2)}, tx=optax.adam(1.0))
    assert set(plain(state)) == {"params", "step"}


def test_what_modules_created_are_variables_in_the_order_of_creation():
    tree = freeze({"A_0": {"bias": 1.0, "kernel": 2.0}, "B_1": {"w": 3.0}})
    created = ["B_1/w", "A_0/kernel", "A_0/bias"]
    variables = plain({"params": tree}, created)["params"]
    assert isinstance(variables, Variables)
    assert ["/".join(path) for path, _ in variables.leaves] == created
    assert not isinstance(plain({"params": tree})["params"], Variables)


def test_flat_state_is_nested():
    state = plain({"state": {"/": {"count": 1.0}, "/A_0/B_1": {"mean": 2.0}}})["state"]
    assert state.leaves == ((("count",), 1.0), (("A_0", "B_1", "mean"), 2.0))


def test_models_of_one_shape_of_names_have_orders_of_their_own():
    creation = Creation()
    for root, names in ((1, ["Dense_1", "Dense_0"]), (2, ["Dense_0", "Dense_1", "Dense_2"])):
        for name in names:
            creation.add(root, (name,))
    assert creation.order_of({("Dense_0",), ("Dense_1",)})[:2] == [("Dense_1",), ("Dense_0",)]
    three = {("Dense_0",), ("Dense_1",), ("Dense_2",)}
    assert creation.order_of(three)[:2] == [("Dense_0",), ("Dense_1",)]
