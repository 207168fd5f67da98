"""A name that is only spelt otherwise today means what the old one meant.

The old meaning is stated in NumPy, which JAX followed, or as the old source had it; values,
shapes and dtypes are compared, on ranks 0 to 3, along axes, for lists and NumPy arrays.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from linenify.facts.legacy import oldapi

INF, NAN = math.inf, math.nan


@functools.cache
def today(path: str) -> Any:
    """The object that a name of today means."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        return functools.reduce(getattr, parts[end:], found)
    raise LookupError(path)


def respelt() -> set[tuple[str, str]]:
    """(old name, name of today) where more than the home differs."""
    return {
        (name, target)
        for module, names in oldapi.gone_names().items()
        for name, target in names.items()
        if target.partition(".")[0] in {"jax", "numpy", "flax", "builtins"}
        and target.rpartition(".")[2] != name
        and not any(part.startswith("_") for part in (*module.split("."), name))
    }


# --- values, types, modules --------------------------------------------------------------------

CONSTANTS = {
    **dict.fromkeys(["Inf", "Infinity", "PINF", "infty"], INF),
    **dict.fromkeys(["NAN", "NaN"], NAN),
}
DTYPES = {  # the character that numpy 1.16 to 1.26 had for each
    "bool8": "?",
    "bytes0": "S",
    "string_": "S",
    "str0": "U",
    "unicode_": "U",
    "unicode": "U",
    "cfloat": "D",
    "complex_": "D",
    "singlecomplex": "F",
    "clongfloat": "G",
    "longcomplex": "G",
    "longfloat": "g",
    "float_": "d",
    "int0": "p",
    "uint0": "P",
    "object0": "O",
    "void0": "V",
}
MODULES = {
    "cd": "jax.custom_derivatives",
    "emath": "numpy.lib.scimath",
    "fftpkg": "numpy.fft",
    "jaxops": "jax.ops",
    "jnp": "jax.numpy",
    "jrandom": "jax.random",
    "la": "numpy.linalg",
    "linpkg": "numpy.linalg",
    "np_linalg": "jax.numpy.linalg",
    "npr": "numpy.random",
    "onp": "numpy",
    "pe": "jax.interpreters.partial_eval",
}


@pytest.mark.parametrize(("name", "target"), sorted(p for p in respelt() if p[0] in CONSTANTS))
def test_a_constant_has_its_value(name, target):
    np.testing.assert_equal(today(target), CONSTANTS[name])


@pytest.mark.parametrize(("name", "target"), sorted(p for p in respelt() if p[0] in DTYPES))
def test_a_type_makes_arrays_of_its_dtype(name, target):
    assert np.dtype(today(target)) == np.dtype(DTYPES[name])


@pytest.mark.parametrize(
    ("name", "target"), sorted(p for p in respelt() if p[0] in {*MODULES, "np", "flags"})
)
def test_a_module_under_another_name_is_that_module(name, target):
    if name == "flags":
        assert today(target) is jax.config
        return
    homes = {"np": {"jax.numpy", "numpy"}}.get(name) or {MODULES[name]}
    assert target in homes
    assert inspect.ismodule(today(target))


@pytest.mark.parametrize("name", ["DeviceArray", "KeyArray"])
def test_arrays_and_keys_are_of_the_type(name):
    (target,) = {t for n, t in respelt() if n == name}
    assert isinstance(jnp.ones(2), today(target))
    assert isinstance(jax.random.PRNGKey(0), today(target))
    assert not isinstance(np.ones(2), today(target))


@pytest.mark.parametrize("name", ["MeshAxes", "P"])
def test_axes_of_a_mesh_are_a_partition(name):
    (target,) = {t for n, t in respelt() if n == name}
    assert tuple(today(target)("a", None)) == ("a", None)


@pytest.mark.parametrize(
    ("name", "given"),
    [("TraceContext", ("name",)), ("StepTraceContext", ("name",)), ("trace_function", ())],
)
def test_traces_take_the_same_and_change_nothing(name, given):
    (target,) = {t for n, t in respelt() if n == name}
    if given:
        with today(target)(*given, step_num=1):
            return
    assert today(target)(lambda x: x + 1)(1) == 2
    assert today(target)(lambda x: x + 1, name="one")(1) == 2


# --- functions of arrays -----------------------------------------------------------------------


def arrays(*dtypes: str, ranks: Iterable[int]) -> Iterator[np.ndarray]:
    for rank, dtype in itertools.product(ranks, dtypes):
        shape = (3, 4, 2)[:rank]
        values = (np.arange(np.prod(shape, dtype=int)) * 7 % 5 - 1.5) * 1.25
        yield values.reshape(shape).astype(dtype)


def axes(x: np.ndarray) -> Iterator[dict[str, Any]]:
    yield {}
    yield from ({"axis": axis} for axis in (0, -1) if x.ndim > max(-axis, 0) and x.ndim)


def reduced(ufunc: np.ufunc) -> Callable[..., Any]:
    return lambda x, axis=None: ufunc.reduce(np.asarray(x), axis=axis)


def accumulated(x: Any, axis: int | None = None) -> Any:
    x = np.asarray(x)
    return np.multiply.accumulate(x.ravel() if axis is None else x, axis=axis or 0)


def trapezoids(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    y = np.moveaxis(np.asarray(y), axis, -1)
    steps = dx if x is None else np.diff(np.asarray(x))
    return (steps * (y[..., 1:] + y[..., :-1]) / 2).sum(-1)


def rows(xs: Any) -> Any:
    return np.concatenate([np.atleast_2d(np.asarray(x)) for x in xs])


def truncated(x: Any) -> Any:
    x = np.asarray(x)
    return np.where(x < 0, np.ceil(x), np.floor(x)).astype(x.dtype)


def standardised(x: Any, axis: int = -1) -> Any:
    mean = np.mean(x, axis, keepdims=True)
    variance = np.mean(np.square(x), axis, keepdims=True) - np.square(mean)
    return (x - mean) / np.sqrt(variance + np.asarray(1e-5, x.dtype))


def _unary(x: np.ndarray) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    yield from (((x,), options) for options in axes(x))


def _rounding(x: np.ndarray) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    yield from (((x,), {}), ((x, 1), {}), ((x,), {"decimals": -1}))


def _integrals(x: np.ndarray) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    if x.ndim:
        yield from (((x,), {}), ((x,), {"dx": 0.5}), ((x, np.arange(x.shape[-1]) ** 2.0), {}))
        yield (x,), {"axis": 0}


def _pairs(x: np.ndarray) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    yield ((x, x),), {}


def _alone(x: np.ndarray) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    yield (x,), {}


def _normal(x: np.ndarray) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    yield from (((x,), options) for options in axes(x) if x.ndim)


FUNCTIONS: dict[str, tuple[Callable[..., Any], Any, tuple[str, ...]]] = {
    "alltrue": (reduced(np.logical_and), _unary, ("int32",)),
    "sometrue": (reduced(np.logical_or), _unary, ("int32",)),
    "product": (reduced(np.multiply), _unary, ("int32",)),
    "cumproduct": (accumulated, _unary, ("int32",)),
    "round_": (np.around, _rounding, ("float32",)),
    "trapz": (trapezoids, _integrals, ("float32",)),
    "row_stack": (rows, _pairs, ("float32",)),
    "fix": (truncated, _alone, ("float32",)),
    "mat": (np.atleast_2d, _alone, ("float32", "int32")),
    "normalize": (standardised, _normal, ("float32",)),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize(("name", "target"), sorted(p for p in respelt() if p[0] in FUNCTIONS))
def test_a_function_gives_what_it_gave(name, target):
    old, given, dtypes = FUNCTIONS[name]
    function = today(target)
    ways: list[Callable[[Any], Any]] = [lambda x: x]
    if not target.startswith("jax.") and name != "mat":
        ways.append(lambda x: x.tolist() if isinstance(x, np.ndarray) else x)
    compared = 0
    for x in arrays(*dtypes, ranks=range(3 if name == "mat" else 4)):
        for (arguments, options), way in itertools.product(given(x), ways):
            passed = [way(a) if isinstance(a, np.ndarray | tuple) else a for a in arguments]
            found, wanted = np.asarray(function(*passed, **options)), old(*arguments, **options)
            wanted = np.asarray(wanted)
            assert found.shape == wanted.shape, (x, options)
            assert found.dtype.kind == wanted.dtype.kind, (x, options)
            if way is ways[0] and not isinstance(x, list):
                assert found.dtype.itemsize in {wanted.dtype.itemsize, x.dtype.itemsize}, options
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
            compared += 1
    assert compared > 2


# --- trees, indices ----------------------------------------------------------------------------

TREES: list[Any] = [1, [1, (2, None)], {"b": 3, "a": [4]}, (), None, [{"x": ()}]]


@pytest.mark.parametrize("name", ["tree_map", "tree_multimap"])
def test_trees_are_mapped_leaf_by_leaf(name):
    for target in {t for n, t in respelt() if n == name}:
        mapped = today(target)
        for tree in TREES:
            assert mapped(lambda x: x, tree) == tree
            assert mapped(lambda *xs: xs[1], tree, tree, tree) == tree
        assert mapped(lambda a, b: a - b, {"x": [3], "y": None}, {"x": [1], "y": None}) == {
            "x": [2],
            "y": None,
        }
        with pytest.raises(ValueError, match=r"[Ee]xpected|structure|mismatch"):
            mapped(lambda *xs: xs, [1, 2], [1])


def test_trees_are_taken_apart_and_put_together():
    (flatten,) = {t for n, t in respelt() if n == "tree_flatten"}
    (unflatten,) = {t for n, t in respelt() if n == "tree_unflatten"}
    (leaves,) = {t for n, t in respelt() if n == "tree_leaves"}
    (structure,) = {t for n, t in respelt() if n == "tree_structure"}
    for tree in TREES:
        flat, definition = today(flatten)(tree)
        assert today(unflatten)(definition, flat) == tree
        assert today(leaves)(tree) == list(flat)
        assert today(structure)(tree) == definition
    assert today(leaves)({"b": 3, "a": [4]}) == [4, 3]
    whole = today(flatten)([(1, 2)], is_leaf=lambda x: isinstance(x, tuple))
    assert whole[0] == [(1, 2)]


def test_trees_are_transposed():
    (target,) = {t for n, t in respelt() if n == "tree_transpose"}
    outer, inner = (jax.tree.structure(t) for t in ([0, 0], {"a": 0, "b": 0}))
    given = [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert today(target)(outer, inner, given) == {"a": [1, 3], "b": [2, 4]}


def test_an_index_is_the_object_between_the_brackets():
    (target,) = {t for n, t in respelt() if n == "index"}
    index = today(target)
    assert index[1] == 1
    assert index[1:3, ..., None] == (slice(1, 3), Ellipsis, None)


# --- all of them -------------------------------------------------------------------------------


def test_every_name_that_is_spelt_otherwise_is_compared():
    elsewhere = {"np", "flags", "DeviceArray", "KeyArray", "MeshAxes", "P", "index"}
    elsewhere |= {"TraceContext", "StepTraceContext", "trace_function", "tree_transpose"}
    elsewhere |= {f"tree_{each}" for each in ("map", "multimap", "flatten", "unflatten")}
    elsewhere |= {"tree_leaves", "tree_structure"}
    tested = {*CONSTANTS, *DTYPES, *MODULES, *FUNCTIONS} | elsewhere
    assert {name for name, _ in respelt()} == tested
