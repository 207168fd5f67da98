"""The same program in double precision, or with inputs that are off by a last bit.

Both show what a difference is made of.  Rounding noise shrinks by nine orders
of magnitude in double precision, and is as large as what an invisible change
of the inputs does to the legacy side alone; a wrong migration is neither.
"""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from linenify.verify.overlay import Overlay
from linenify.verify.patching import Patch, patched


@contextlib.contextmanager
def doubled(overlay: Overlay | None) -> Iterator[None]:
    """Makes `jnp.float32` mean double precision, also where legacy Flax takes it as default.

    So do the half precisions: a program that rounds to them shows its rounding only so.
    """
    patches = [Patch(jnp, name, jnp.float64) for name in ("float32", "bfloat16", "float16")]
    if overlay is not None:
        patches += [
            Patch(function, "__defaults__", _widened(function.__defaults__))
            for function in _with_single_defaults(overlay)
        ]
    with jax.enable_x64(True), contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(_swapped(patch))
        yield


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


def _widened(defaults: tuple[Any, ...] | None) -> tuple[Any, ...]:
    return tuple(jnp.float64 if value is _SINGLE else value for value in defaults or ())


_SINGLE = jnp.float32


@functools.cache
def _with_single_defaults(overlay: Overlay) -> tuple[types.FunctionType, ...]:
    """The functions of legacy Flax that have single precision as a default."""
    found: dict[int, types.FunctionType] = {}
    for module in overlay.modules:
        for value in list(vars(module).values()):
            parts = list(vars(value).values()) if isinstance(value, type) else [value]
            for part in parts:
                function = getattr(part, "__func__", part)
                if isinstance(function, types.FunctionType) and any(
                    default is _SINGLE for default in function.__defaults__ or ()
                ):
                    found[id(function)] = function
    return tuple(found.values())


def widened(tree: Any) -> Any:
    """Arrays of single and half precision in double precision, the same numbers."""

    def widen(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array | np.ndarray) and jnp.issubdtype(leaf.dtype, jnp.floating):
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
