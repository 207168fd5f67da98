"""How much of a difference is rounding: measured leaf by leaf, not assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Row = tuple[str, Any, Any]
"""The name of a leaf, and its value on the legacy and on the Linen side."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What is known about the rounding of one leaf.

    Attributes:
        floor: how far the legacy side alone moves, in units of the leaf, when its
            inputs move by a last bit, or when it is run in double precision.
        double: how far the two sides are apart in double precision; `None` when
            the leaf could not be had in double precision on both sides.
        size: the largest element in double precision (else in single).
    """

    floor: float
    double: float | None
    size: float

    @property
    def vanishes(self) -> bool:
        """Whether the leaf is zero in exact arithmetic, so that only its noise is seen."""
        return self.size < self.floor if self.double is None else self.size < self.floor / 4


def measured(
    rows: Sequence[Row],
    perturbed: Sequence[Sequence[Row]],
    double: Callable[[], Sequence[Row] | None],
    *,
    half: bool = False,
) -> Mapping[str, Noise]:
    """The noise of each leaf of `rows`.

    Args:
        rows: both sides as they are.
        perturbed: rows of runs whose legacy side had its inputs off by a last bit.
        double: gives rows of both sides in double precision; called only if what
            the perturbed runs show leaves a doubt.
        half: whether what a program rounds to half precision on its way counts as
            noise.  It does in gradients, whose sums are taken in an order that
            nobody wrote down.  In a forward pass it does not: there, to round
            later or not at all is another program.
    """
    moved = [{name: old for name, old, _ in each} for each in perturbed]
    noises = {
        name: _noise(old, [each[name] for each in moved if name in each], None, half=half)
        for name, old, _ in rows
    }
    if not any(_doubtful(old, new, noises[name]) for name, old, new in rows):
        return noises
    wide = {name: (old, new) for name, old, new in double() or ()}
    return {
        name: _noise(old, [each[name] for each in moved if name in each], wide.get(name), half=half)
        for name, old, _ in rows
    }


def _doubtful(old: Any, new: Any, noise: Noise) -> bool:
    return _apart(_float64(old), _float64(new)) > noise.floor / 2


def _noise(old: Any, moved: Sequence[Any], double: tuple[Any, Any] | None, *, half: bool) -> Noise:
    here = _float64(old)
    distances = [_apart(here, _float64(each)) for each in moved]
    floor = max(distances, default=0.0)
    if double is None or not all(map(_is_double, double)):
        return Noise(floor, None, _largest(here))
    exact, other = map(_float64, double)
    rounded, size = _apart(here, exact), _largest(exact)
    if half or rounded <= max(_SINGLE * size, _MANY * floor):
        floor = max(floor, rounded)
    return Noise(floor, _apart(exact, other), size)


# What single precision alone can do to a leaf: so much of it, or of what a last bit does.
_SINGLE = 1e-4
_MANY = 64.0


def _is_double(value: Any) -> bool:
    return getattr(value, "dtype", None) == np.float64


def _float64(value: Any) -> np.ndarray:
    values = np.asarray(value)
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    if one.shape != other.shape:
        return 0.0
    with np.errstate(invalid="ignore"):
        distances = np.abs(one - other)
    finite = distances[np.isfinite(distances)]
    return float(finite.max()) if finite.size else 0.0


def _largest(values: np.ndarray) -> float:
    return _apart(values, np.zeros_like(values))
