"""Leaf by leaf: how far two results are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from linenify.verify.leaves import key_name
from linenify.verify.verdict import Comparison, Gap, Outcome, worst_outcome

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart equal leaves may be.

    `relative` is measured against the largest element of the leaf, `floor`
    against the largest of all leaves: a gradient that is zero in exact
    arithmetic is rounding noise of the others.
    """

    relative: float
    floor: float = 0.0


def compare_trees(what: str, legacy: Any, linen: Any, tolerance: Tolerance) -> Comparison:
    """Two pytrees; containers of the same keys count as equal."""
    old, new = _by_keypath(legacy), _by_keypath(linen)
    if old.keys() != new.keys():
        missing = [Gap(name, "only the legacy side has it") for name in old.keys() - new.keys()]
        extra = [Gap(name, "only the Linen side has it") for name in new.keys() - old.keys()]
        gaps = sorted((*missing, *extra), key=lambda gap: gap.keypath)
        return Comparison(what, Outcome.DIFFERENT, len(old), tuple(gaps[:_SHOWN]))
    return compare_leaves(what, [(name, old[name], new[name]) for name in old], tolerance)


def compare_leaves(
    what: str, leaves: Sequence[tuple[str, Any, Any]], tolerance: Tolerance
) -> Comparison:
    """Named pairs of leaves, the worst reported first."""
    if not leaves:
        return Comparison(what, Outcome.SKIPPED)
    largest = max((_magnitude(leaf) for _, leaf, _ in leaves), default=0.0)
    judged = [
        _judged(name, old, new, tolerance, tolerance.floor * largest) for name, old, new in leaves
    ]
    outcome = worst_outcome(verdict for verdict, _ in judged)
    order = list(Outcome)
    gaps = sorted(judged, key=lambda item: (order.index(item[0]), item[1].relative), reverse=True)
    shown = [gap for verdict, gap in gaps if verdict is outcome]
    return Comparison(what, outcome, len(leaves), tuple(shown[:_SHOWN]))


def _by_keypath(tree: Any) -> dict[str, Any]:
    with_paths, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {"/".join(map(key_name, path)) or "(all)": leaf for path, leaf in with_paths}


def _magnitude(leaf: Any) -> float:
    values = _numbers(leaf)
    if values is None or not values.size:
        return 0.0
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0


def _numbers(leaf: Any) -> np.ndarray | None:
    """A leaf in double precision; `None` when it is not a number."""
    if not isinstance(leaf, jax.Array | np.ndarray | np.generic | bool | int | float | complex):
        return None
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    values = np.asarray(leaf)
    if values.dtype.kind in "OSUM":
        return None
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)


def _judged(
    name: str, old: Any, new: Any, tolerance: Tolerance, floor: float
) -> tuple[Outcome, Gap]:
    a, b = _numbers(old), _numbers(new)
    if a is None or b is None:
        same = bool(type(old) is type(new) and old == new)
        message = "not numbers, equal" if same else f"{old!r:.60} and {new!r:.60}"
        return (Outcome.IDENTICAL if same else Outcome.DIFFERENT), Gap(name, message)
    if a.shape != b.shape:
        return Outcome.DIFFERENT, Gap(name, f"shape {list(a.shape)} and {list(b.shape)}")
    kinds = np.asarray(old).dtype, np.asarray(new).dtype
    if kinds[0] != kinds[1]:
        return Outcome.DIFFERENT, Gap(name, f"dtype {kinds[0]} and {kinds[1]}")
    if np.array_equal(a, b, equal_nan=True):
        return Outcome.IDENTICAL, Gap(name, "equal to the last bit")
    alike = (a == b) | (np.isnan(a) & np.isnan(b))
    scale = _magnitude(a)
    with np.errstate(invalid="ignore"):
        apart = np.where(alike, 0.0, np.abs(a - b))
    where = np.unravel_index(int(np.argmax(apart)), apart.shape)  # a NaN counts as the largest
    absolute = float(apart[where])
    relative = absolute / scale if scale else float("inf")
    allowed = max(_rounding(kinds[0], tolerance.relative) * scale, floor)
    message = (
        f"max |Δ| {absolute:.1e} at {tuple(map(int, where))} ({relative:.1e} of the largest), "
        f"allowed {allowed:.1e}: {a[where]:.7g} and {b[where]:.7g}"
    )
    outcome = Outcome.CLOSE if absolute <= allowed else Outcome.DIFFERENT
    return outcome, Gap(name, message, absolute, relative, allowed)


def _rounding(dtype: np.dtype, relative: float) -> float:
    """Half precision cannot be held to a tolerance below two of its steps."""
    if jnp.issubdtype(dtype, jnp.floating):
        return max(relative, 2 * float(jnp.finfo(dtype).eps))  # type: ignore[no-untyped-call]
    return relative
