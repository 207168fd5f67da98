"""The tables about jax and numpy against the installed ones."""

from __future__ import annotations

import importlib
import inspect

import pytest

from linenify.facts.legacy.arrays import (
    ARRAY_ATTRIBUTES,
    ARRAY_FUNCTIONS,
    CONSTANTS,
    DTYPES,
    RESULTS,
    ROLES,
    TRANSFORMATIONS,
    constant,
    signature,
)

jax = pytest.importorskip("jax")

# Names of the years of `flax.nn` that have left jax or numpy since.
FORMER = {
    *("jax.lax.tie_in", "jax.nn.normalize", "jax.random.shuffle", "jax.tree_util.tree_multimap"),
    *("jax.numpy.fix", "numpy.permute_dims", "numpy.matrix_transpose"),
    *(f"jax.ops.index_{name}" for name in ("update", "add", "mul", "min", "max")),
    *(f"jax.tree_{name}" for name in ("map", "multimap", "leaves", "flatten", "structure")),
}


def found(path: str) -> object | None:
    namespace, _, name = path.rpartition(".")
    return getattr(importlib.import_module(namespace), name, None)


def test_every_function_exists_or_existed() -> None:
    assert {path for path in ARRAY_FUNCTIONS if found(path) is None} <= FORMER


@pytest.mark.parametrize(
    "path", [path for path in ARRAY_FUNCTIONS if path.startswith("jax.") and found(path)]
)
def test_parameters_stand_where_jax_has_them(path: str) -> None:
    target = found(path)
    assert callable(target)
    parameters = [*inspect.signature(target).parameters.values()]
    if isinstance(target, jax.numpy.ufunc):  # *args only
        return
    by_position = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    names = [each.name for each in parameters if each.kind in by_position]
    known = [name for name, _ in ARRAY_FUNCTIONS[path].parameters]
    assert known == names[: len(known)]


def test_words_are_from_the_vocabulary() -> None:
    for each in ARRAY_FUNCTIONS.values():
        assert {role for _, role in each.parameters + each.keywords} <= ROLES
        assert each.variadic is None or each.variadic in ROLES
        assert each.result in RESULTS
    assert {each.result for each in ARRAY_ATTRIBUTES.values()} <= RESULTS


def test_results_of_methods_are_what_arrays_give() -> None:
    array = jax.numpy.ones((2, 2))
    for name, each in ARRAY_ATTRIBUTES.items():
        if name == "view":  # wants a dtype
            continue
        value = getattr(array, name)
        assert (callable(value) and name != "at") == each.method, name


def test_dtypes_and_constants_exist() -> None:
    former = {"float_", "complex_", "bool"} | {"int", "float", "complex"}
    for name in (DTYPES | CONSTANTS) - former:
        assert found(f"jax.numpy.{name}") is not None or name == "newaxis", name


@pytest.mark.parametrize(
    ("path", "roles", "result"),
    [
        ("jax.numpy.matmul", ["array", "array"], "array"),
        ("jax.numpy.sqrt", ["number"], "array"),
        ("jax.numpy.zeros", ["static", "static"], "array"),
        ("jax.numpy.einsum", ["static", "array", "array", "array"], "array"),
        ("jax.numpy.never_heard_of", ["array", "any"], "array"),
        ("jax.random.split", ["key", "static"], "keys"),
        ("jax.random.normal", ["key", "static"], "array"),
        ("jax.random.never_heard_of", ["key", "any"], "array"),
        ("jax.nn.initializers.normal", ["static"], "initializer"),
        ("numpy.prod", ["number", "static"], "same"),
        ("numpy.sum", ["number", "static"], "same"),
        ("numpy.zeros", ["static"], "array"),
        ("numpy.concatenate", ["arrays", "static"], "same"),
        ("builtins.range", ["static"], "static"),
    ],
)
def test_positions_have_roles(path: str, roles: list[str], result: str) -> None:
    entry = signature(path)
    assert entry is not None
    assert [entry.at(position) for position in range(len(roles))] == roles
    assert entry.result == result


def test_keywords_have_roles() -> None:
    reshape, stack = signature("jax.numpy.reshape"), signature("jax.numpy.stack")
    assert reshape is not None
    assert stack is not None
    assert reshape.named("newshape") == "static"
    assert stack.named("axis") == "static"
    assert stack.named("never_heard_of") == "any"


@pytest.mark.parametrize(
    "path",
    [*sorted(TRANSFORMATIONS), "jax.numpy.float32", "jax.numpy.ndarray", "numpy.random", "os"],
)
def test_some_names_say_nothing(path: str) -> None:
    assert signature(path) is None


def test_constants_are_no_functions() -> None:
    assert constant("jax.numpy.float32") == "dtype"
    assert constant("jax.numpy.pi") == "static"
    assert constant("jax.nn.initializers.zeros") == "initializer"
    assert constant("jax.numpy.sum") is None
