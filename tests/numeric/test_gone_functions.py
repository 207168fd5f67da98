"""What stands for a function that is gone means what that function meant.

The old meaning is stated here in NumPy, which JAX followed; where JAX was special, as its
own source of 2020 stated it.  Each replacement runs as a call and as a value.
Names that are only spelt otherwise are compared in `test_respelt_names`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from linenify.facts.jax.jaxforms import FORMS
from tests.support import migrated

HEAD = "import jax\nimport jax.numpy as jnp\nimport numpy as np\nfrom jax import lax\n\n\n"
SPELT = {"jax.numpy": "jnp", "numpy": "np", "jax.lax": "lax"}


@functools.cache
def functions(path: str, arguments: str) -> tuple[Any, Any]:
    """A function that calls `path`, and `path` as a value, both migrated and run."""
    home, _, name = path.rpartition(".")
    spelt = f"{SPELT.get(home, home)}.{name}"
    text = f"{HEAD}def call({arguments}):\n  return {spelt}({arguments})\n\n\n"
    text += f"def pick(other=None):\n  return {spelt} if other is None else other\n"
    made = migrated(text)
    namespace: dict[str, Any] = {}
    exec(compile(made, path, "exec"), namespace)
    return namespace["call"], namespace["pick"]()


def arrays(*dtypes: str) -> Iterator[np.ndarray]:
    for rank, dtype in itertools.product(range(4), dtypes):
        shape = (3, 4, 2)[:rank]
        values = np.arange(np.prod(shape, dtype=int)) * 7 % 5 - 1
        yield values.reshape(shape).astype(dtype)


def agree(path: str, arguments: str, old: Callable[..., Any], given: tuple[Any, ...]) -> None:
    """Both replacements give what the old function gave, whatever the arrays are."""
    call, value = functions(path, arguments)
    wanted = np.asarray(old(*given))
    ways: list[Callable[[Any], Any]] = [lambda x: x]
    if path.startswith("jax."):
        ways.append(lambda x: jnp.asarray(x) if isinstance(x, np.ndarray) else x)
    for function, way in itertools.product((call, value), ways):
        found = function(*map(way, given))
        assert np.asarray(found).shape == wanted.shape, (path, given)
        np.testing.assert_allclose(np.asarray(found), wanted, rtol=1e-6)


# --- along an axis -----------------------------------------------------------------------------


UNARY: dict[str, Callable[[np.ndarray], Any]] = {
    "msort": lambda x: np.sort(x, axis=0),
}


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("home", ["jax.numpy", "numpy"])
def test_a_function_of_one_array(home: str, name: str) -> None:
    for x in arrays("float32", "int32"):
        if name == "msort" and x.ndim == 0:
            continue  # there is no axis
        agree(f"{home}.{name}", "x", UNARY[name], (x,))


def test_an_array_of_one_element_is_a_number() -> None:
    for x in (np.float32(2.5), np.array([3]), np.array([[True]])):
        agree("numpy.asscalar", "a", lambda a: a.ravel()[0], (x,))


# --- membership --------------------------------------------------------------------------------


def is_among(x: np.ndarray, among: np.ndarray) -> np.ndarray:
    return np.array([each in among.ravel() for each in x.ravel()])


@pytest.mark.parametrize("home", ["jax.numpy", "numpy"])
def test_in1d_flattens_both(home: str) -> None:
    for x, among in itertools.product(arrays("int32"), arrays("int32")):
        agree(f"{home}.in1d", "x, among", is_among, (x, among))
        agree(
            f"{home}.in1d",
            "x, among, assume_unique, invert",
            lambda x, among, _, invert: is_among(x, among) ^ invert,
            (x, among, False, True),
        )


# --- updates -----------------------------------------------------------------------------------

AT: dict[str, Callable[..., Any]] = {
    "index_update": lambda x, idx, y: x.__setitem__(idx, y),
    "index_add": np.add.at,
    "index_mul": np.multiply.at,
    "index_min": np.minimum.at,
    "index_max": np.maximum.at,
}
INDICES: dict[int, list[Any]] = {
    0: [(), Ellipsis],
    1: [0, -1, slice(1, None), np.array([0, 2, 2]), np.array([True, False, True])],
    2: [0, (0, 1), (slice(None), 0), (slice(0, 2), [1, 3]), np.array([1, 1])],
    3: [(Ellipsis, 0), (0, slice(None), 1), (slice(None), 2), slice(None, None, 2)],
}


@pytest.mark.parametrize("name", AT)
def test_an_update_of_a_part(name: str) -> None:
    def old(x: np.ndarray, idx: Any, y: Any) -> np.ndarray:
        x = np.array(x)
        AT[name](x, idx, y)
        return x

    for x in arrays("float32", "int32"):
        for idx in INDICES[x.ndim]:
            agree(f"jax.ops.{name}", "x, idx, y", old, (x, idx, 3))


@pytest.mark.parametrize("name", AT)
def test_an_update_takes_lists_and_flags(name: str) -> None:
    call, value = functions(f"jax.ops.{name}", "x, idx, y")
    for function in (call, value):
        found = function([1.0, 2.0, 3.0], 1, 5.0)
        assert isinstance(found, jax.Array)
        assert found.tolist() == function(jnp.array([1.0, 2.0, 3.0]), 1, 5.0).tolist()
    sure = value(np.zeros(3), np.array([0, 1]), 1.0, indices_are_sorted=True, unique_indices=True)
    assert sure.tolist() == value(np.zeros(3), np.array([0, 1]), 1.0).tolist()


# --- the rest ----------------------------------------------------------------------------------


def test_tie_in_gave_its_second_argument() -> None:
    for x in arrays("float32"):
        agree("jax.lax.tie_in", "x, y", lambda _, y: y, (x, x + 1))


def test_shuffle_moved_whole_vectors() -> None:
    call, value = functions("jax.random.shuffle", "key, x")
    key, x = jax.random.PRNGKey(3), jnp.arange(7)
    assert sorted(call(key, x).tolist()) == x.tolist()
    assert call(key, x).tolist() == value(key, x).tolist()
    columns = value(key, jnp.arange(20).reshape(10, 2))
    assert sorted(columns[:, 0].tolist()) == list(range(0, 20, 2))
    assert columns[:, 0].tolist() != (columns[:, 1] - 1).tolist()


@pytest.mark.parametrize("name", ["tree_map", "tree_multimap"])
def test_trees_are_mapped(name: str) -> None:
    call, value = functions(f"jax.{name}", "f, a, b")
    for function in (call, value):
        made = function(lambda a, b: a - b, {"x": [3, 4], "y": None}, {"x": [1, 1], "y": None})
        assert made == {"x": [2, 3], "y": None}


def test_every_form_is_compared() -> None:
    tested = {f"{home}.{name}" for home in ("jax.numpy", "numpy") for name in UNARY}
    tested |= {f"jax.ops.{name}" for name in AT} | {"jax.numpy.in1d", "numpy.in1d"}
    tested |= {"jax.lax.tie_in", "jax.random.shuffle", "numpy.asscalar"}
    assert set(FORMS) <= tested
