"""The same program in double precision, or with inputs that are off by a last bit.

Both show what a difference is made of.  Rounding noise shrinks by nine orders
of magnitude in double precision, and is as large as what an invisible change
of the inputs does to the legacy side alone; a wrong migration is neither.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from linenify.verify.overlay import Overlay
from linenify.verify.patching import Patch, patched


@dataclass
class Narrowing:
    """Whether a program converted something to a lower precision."""

    happened: bool = False

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Takes down what happens inside."""

        def note(converted: Any) -> Any:
            self.happened = True
            return converted

        with after_narrowing(note):
            yield


@contextlib.contextmanager
def nudged_narrowing(seed: int) -> Iterator[None]:
    """Inside, whatever is converted to a lower precision is off by a last bit of that."""

    def nudge(converted: Any) -> Any:
        step = float(jnp.finfo(converted.dtype).eps)  # type: ignore[no-untyped-call]
        signs = np.random.default_rng(seed).choice([-step, step], converted.shape)
        return jax.lax.mul(converted, jnp.asarray((1 + signs).astype(converted.dtype)))

    # What JAX has traced meanwhile must not be found again afterwards: the precision is
    # called by its other name, which is a part of the keys of JAX's caches.
    config: Any = jax.config
    other = _ALIASES.get(str(config.jax_default_matmul_precision))
    if other is None:
        yield  # a precision that the user has chosen
        return
    with jax.default_matmul_precision(other), after_narrowing(nudge):
        yield


_ALIASES = {"highest": "float32", "float32": "highest"}


@contextlib.contextmanager
def after_narrowing(then: Callable[[Any], Any]) -> Iterator[None]:
    """Passes the result of every conversion to a lower precision through a function; may nest."""
    try:
        from jax.extend.core.primitives import convert_element_type_p as convert
    except ImportError:  # the JAX of the independent oracle, where no noise is measured
        yield
        return
    before = convert.bind
    inner = False

    def bind(*operands: Any, new_dtype: Any, **parameters: Any) -> Any:
        nonlocal inner
        if inner:  # JAX compiles a single operation by tracing it once more
            return before(*operands, new_dtype=new_dtype, **parameters)
        inner = True
        try:
            converted = before(*operands, new_dtype=new_dtype, **parameters)
        finally:
            inner = False
        narrower = any(_bits(each) > _bits(converted) > 0 for each in operands)
        return then(converted) if narrower else converted

    with _swapped(Patch(convert, "bind", bind)):
        yield


def _bits(value: Any) -> int:
    """The size of a real number; 0 for anything else."""
    dtype = getattr(value, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
        return 0
    return int(jnp.finfo(dtype).bits)  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def doubled(overlay: Overlay | None) -> Iterator[None]:
    """Makes `jnp.float32` mean double precision, also where Flax takes it as a default.

    Half precision becomes double, too: what rounds less in one of two equal
    programs shows that they are equal only where nothing rounds.
    """
    modules = _modern_modules() if overlay is None else overlay.modules
    patches = [Patch(jnp, name, jnp.float64) for name in ("float32", "float16", "bfloat16")]
    for function in _with_single_defaults(modules):
        patches.append(Patch(function, "__defaults__", _widened(function.__defaults__)))
        patches.append(Patch(function, "__kwdefaults__", _widened_keywords(function)))
    patches += [Patch(each, "default", jnp.float64) for each in _single_fields(modules)]
    patches.append(_integers_widened())
    with jax.enable_x64(True), contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(_swapped(patch))
        yield


def _integers_widened() -> Patch:
    """JAX divides integers of 32 bits in single precision even then, and wider ones not.

    What counts steps has 32 bits on one side, and is a plain `int` on the other.
    """
    dtypes = importlib.import_module("jax._src.dtypes")
    table = dtypes._dtype_to_inexact  # noqa: SLF001 - there is no other way
    return Patch(dtypes, "_dtype_to_inexact", dict.fromkeys(table, np.dtype(np.float64)))


@contextlib.contextmanager
def _swapped(patch: Patch) -> Iterator[None]:
    """As `Patch.applied`, for attributes that do not live in a `__dict__`."""
    if isinstance(patch.home, types.ModuleType):
        with patched([patch]):
            yield
        return
    before = getattr(patch.home, patch.attribute)
    setattr(patch.home, patch.attribute, patch.value)
    try:
        yield
    finally:
        setattr(patch.home, patch.attribute, before)


def _widened(defaults: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    if defaults is None:
        return None
    return tuple(jnp.float64 if value is _SINGLE else value for value in defaults)


def _widened_keywords(function: types.FunctionType) -> dict[str, Any] | None:
    given = function.__kwdefaults__
    if given is None:
        return None
    return {name: jnp.float64 if value is _SINGLE else value for name, value in given.items()}


_SINGLE = jnp.float32


def _modern_modules() -> tuple[types.ModuleType, ...]:
    """The modules of Flax and optax: their layers and optimizers have `jnp.float32` as default."""
    return tuple(
        module
        for name, module in sorted(sys.modules.items())
        if name.startswith(("flax.", "optax."))
    )


@functools.cache
def _with_single_defaults(modules: tuple[types.ModuleType, ...]) -> tuple[types.FunctionType, ...]:
    """The functions, `__init__` of dataclasses included, that default to single precision."""
    found: dict[int, types.FunctionType] = {}
    for module in modules:
        for value in list(vars(module).values()):
            parts = list(vars(value).values()) if isinstance(value, type) else [value]
            for part in parts:
                function = getattr(part, "__func__", part)
                if not isinstance(function, types.FunctionType):
                    continue
                function = inspect.unwrap(function)  # Linen wraps what dataclasses generate
                if any(default is _SINGLE for default in _defaults(function)):
                    found[id(function)] = function
    return tuple(found.values())


@functools.cache
def _single_fields(modules: tuple[types.ModuleType, ...]) -> tuple[dataclasses.Field[Any], ...]:
    """The fields of dataclasses with that default, which subclasses of the user's inherit."""
    found = {
        id(field): field
        for module in modules
        for value in list(vars(module).values())
        if isinstance(value, type) and dataclasses.is_dataclass(value)
        for field in dataclasses.fields(value)
        if field.default is _SINGLE
    }
    return tuple(found.values())


def _defaults(function: types.FunctionType) -> tuple[Any, ...]:
    return (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())


def widened(tree: Any) -> Any:
    """Real numbers in double precision, the same ones."""

    def widen(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array | np.ndarray) and _bits(leaf):
            return jnp.asarray(np.asarray(leaf).astype(np.float64))
        return leaf

    return jax.tree_util.tree_map(widen, tree)


def perturbed(tree: Any, draw: np.random.Generator) -> Any:
    """Every floating point number off by about one unit in its last place."""

    def nudge(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array | np.ndarray) or not jnp.issubdtype(
            leaf.dtype, jnp.floating
        ):
            return leaf
        step = float(jnp.finfo(leaf.dtype).eps)  # type: ignore[no-untyped-call]
        signs = draw.choice([-1.0, 1.0], leaf.shape)
        numbers = np.asarray(leaf).astype(np.float64) * (1 + step * signs)
        return jnp.asarray(numbers, leaf.dtype)

    return jax.tree_util.tree_map(nudge, tree)
