"""Leaf by leaf: how far two results are apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from linenify.verify.leaves import key_name
from linenify.verify.noise import Noise, Row
from linenify.verify.verdict import (
    VANISHES,
    Comparison,
    Gap,
    Outcome,
    worst_first,
    worst_outcome,
)

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart equal leaves may be, where that is not measured.

    `relative` is measured against the largest element of the leaf, `floor`
    against the largest of all leaves: a gradient that is zero in exact
    arithmetic is rounding noise of the others.  `least` may always be lost, of
    the largest element, whatever was measured.
    """

    relative: float
    floor: float = 0.0
    least: float = 0.0


# The largest of a few samples of the noise is a fraction of what may come: among
# some 500 leaves of the fixtures no difference was above 1.5 times its floor.
_ABOVE_FLOOR = 4.0
# Two sides that round the same numbers in another order may differ by so many steps.
_STEPS = 2.0


def rows_of_trees(legacy: Any, linen: Any) -> list[Row] | tuple[Gap, ...]:
    """The leaves of two pytrees side by side, or what only one of them has."""
    old, new = _by_keypath(legacy), _by_keypath(linen)
    if old.keys() != new.keys():
        missing = [Gap(name, "only the legacy side has it") for name in old.keys() - new.keys()]
        extra = [Gap(name, "only the Linen side has it") for name in new.keys() - old.keys()]
        return tuple(sorted((*missing, *extra), key=lambda gap: gap.keypath))
    return [(name, old[name], new[name]) for name in old]


def mismatch(what: str, gaps: Sequence[Gap], leaves: int = 0) -> Comparison:
    """Results that cannot be compared leaf by leaf."""
    return Comparison(what, Outcome.DIFFERENT, leaves, tuple(gaps[:_SHOWN]), tuple(gaps))


def compare_leaves(
    what: str,
    leaves: Sequence[Row],
    tolerance: Tolerance,
    noise: Callable[[], Mapping[str, Noise]] | None = None,
) -> Comparison:
    """Named pairs of leaves, the worst reported first.

    With `noise`, which is called only if there is a difference, a leaf may be
    off by its own measured noise, and the tolerance is not looked at.
    """
    if not leaves:
        return Comparison(what, Outcome.SKIPPED)
    largest = max((_magnitude(leaf) for _, leaf, _ in leaves), default=0.0)
    floor = tolerance.floor * largest
    judged = [
        _described(_judged(name, old, new, tolerance, floor), old) for name, old, new in leaves
    ]
    if noise is not None and any(gap.absolute for gap in judged):
        known = noise()
        judged = [
            _weighed(gap, known[gap.keypath], _magnitude(old), np.asarray(old).dtype, tolerance)
            if gap.absolute and gap.keypath in known
            else gap
            for gap, (_, old, _) in zip(judged, leaves, strict=True)
        ]
    outcome = worst_outcome(gap.outcome for gap in judged)
    gaps = sorted(judged, key=worst_first)
    shown = [gap for gap in gaps if gap.outcome is outcome]
    return Comparison(what, outcome, len(leaves), tuple(shown[:_SHOWN]), tuple(gaps))


def confirmed(comparison: Comparison, noise: Mapping[str, Noise]) -> Comparison:
    """The comparison, of leaves that are equal in single precision, with a look at double."""
    every = [
        dataclasses.replace(
            gap,
            outcome=Outcome.DIFFERENT,
            message=f"equal in single precision only: in double {known.double:.1e} apart",
            double=known.double,
        )
        if (known := noise.get(gap.keypath)) is not None and known.stays
        else gap
        for gap in comparison.every
    ]
    outcome = worst_outcome(gap.outcome for gap in every)
    gaps = tuple(sorted(every, key=worst_first))
    shown = tuple(gap for gap in gaps if gap.outcome is outcome)
    return Comparison(comparison.what, outcome, comparison.leaves, shown[:_SHOWN], gaps)


def _weighed(gap: Gap, noise: Noise, scale: float, dtype: np.dtype, tolerance: Tolerance) -> Gap:
    """A difference against the measured noise of its leaf."""
    steps = _rounding(dtype, tolerance.least) * scale
    allowed = max(_ABOVE_FLOOR * noise.floor, steps)
    within = gap.absolute <= allowed
    note = VANISHES if noise.vanishes else ""
    if noise.stays:
        within = False
        note = f"it stays in double precision: {noise.double:.1e}"
    elif not within and not noise.alike:
        note = "the sides go to half precision at different places"
    elif within and noise.floor > _BLURRED * scale and not (noise.vanishes or noise.proves):
        note = f"the noise is {noise.floor / scale:.0e} of the leaf: this proves little"
    return dataclasses.replace(
        gap,
        outcome=Outcome.CLOSE if within else Outcome.DIFFERENT,
        message=gap.message.replace(f"allowed {gap.allowed:.1e}", f"noise {noise.floor:.1e}")
        + (f"; {note}" if note else ""),
        allowed=allowed,
        floor=noise.floor,
        double=noise.double,
        note=note,
    )


_BLURRED = 1e-2


def _floating(dtype: np.dtype) -> bool:
    return bool(jnp.issubdtype(dtype, jnp.floating))


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


def _described(gap: Gap, leaf: Any) -> Gap:
    """The gap with what is known of its leaf."""
    if _numbers(leaf) is None:
        return gap
    kind = getattr(leaf, "dtype", None) or np.asarray(leaf).dtype
    return dataclasses.replace(gap, shape=np.shape(leaf), dtype=str(kind))


def _judged(name: str, old: Any, new: Any, tolerance: Tolerance, floor: float) -> Gap:
    a, b = _numbers(old), _numbers(new)
    if a is None or b is None:
        same = bool(type(old) is type(new) and old == new)
        message = "not numbers, equal" if same else f"{old!r:.60} and {new!r:.60}"
        return Gap(name, message, outcome=Outcome.IDENTICAL if same else Outcome.DIFFERENT)
    if a.shape != b.shape:
        return Gap(name, f"shape {list(a.shape)} and {list(b.shape)}")
    kinds = np.asarray(old).dtype, np.asarray(new).dtype
    if kinds[0] != kinds[1]:
        return Gap(name, f"dtype {kinds[0]} and {kinds[1]}")
    if np.array_equal(a, b, equal_nan=True):
        return Gap(name, "equal to the last bit", outcome=Outcome.IDENTICAL)
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
    return Gap(name, message, absolute, relative, allowed, outcome)


def _rounding(dtype: np.dtype, relative: float) -> float:
    """Half precision cannot be held to a tolerance below two of its steps."""
    if _floating(dtype):
        return max(relative, _STEPS * float(jnp.finfo(dtype).eps))  # type: ignore[no-untyped-call]
    return relative
