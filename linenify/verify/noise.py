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
        half: whether both sides round to half precision on their way.
    """

    floor: float
    double: float | None
    size: float
    half: bool = False

    @property
    def vanishes(self) -> bool:
        """Whether the leaf is zero in exact arithmetic, so that only its noise is seen."""
        return self.size < self.floor if self.double is None else self.size < self.floor / 4


def measured(
    rows: Sequence[Row],
    perturbed: Sequence[Sequence[Row]],
    double: Callable[[], Sequence[Row] | None],
) -> Mapping[str, Noise]:
    """The noise of each leaf of `rows`.

    Args:
        rows: both sides as they are.
        perturbed: rows of runs whose legacy side had its inputs off by a last bit.
        double: gives rows of both sides in double precision; called only if what
            the perturbed runs show leaves a doubt.
    """
    moved = [{name: old for name, old, _ in each} for each in perturbed]
    noises = {
        name: _noise(old, [each[name] for each in moved if name in each], None)
        for name, old, _ in rows
    }
    if not any(_doubtful(old, new, noises[name]) for name, old, new in rows):
        return noises
    wide = {name: (old, new) for name, old, new in double() or ()}
    return {
        name: _noise(old, [each[name] for each in moved if name in each], wide.get(name), new)
        for name, old, new in rows
    }


def _doubtful(old: Any, new: Any, noise: Noise) -> bool:
    return _apart(_float64(old), _float64(new)) > noise.floor / 2


def _noise(
    old: Any, moved: Sequence[Any], double: tuple[Any, Any] | None, new: Any = None
) -> Noise:
    here = _float64(old)
    distances = [_apart(here, _float64(each)) for each in moved]
    floor = max(distances, default=0.0)
    if double is None or not all(map(_is_double, double)):
        return Noise(floor, None, _largest(here))
    exact, other = map(_float64, double)
    rounded, size = _apart(here, exact), _largest(exact)
    distance = _apart(exact, other)
    if rounded <= max(_SINGLE * size, _MANY * floor):
        return Noise(max(floor, rounded), distance, size)
    # The program rounds to half precision on its way, and the other side has to do so, too.
    if not _alike(here, exact, _float64(new), other):
        return Noise(floor, distance, size)
    return Noise(max(floor, rounded), distance, size, half=True)


# What single precision alone can do to a leaf: so much of it, or of what a last bit does.
_SINGLE = 1e-4
_MANY = 64.0


def _alike(old: np.ndarray, exact: np.ndarray, new: np.ndarray, other: np.ndarray) -> bool:
    """Whether both sides round with one precision: an error of half is 2**16 of single."""
    if not old.shape == exact.shape == new.shape == other.shape or not old.size:
        return False
    sizes = [float(np.sqrt(np.mean(np.abs(each) ** 2))) for each in (old - exact, new - other)]
    return max(sizes) <= (_MANY_ALIKE if old.size >= _ENOUGH else _FEW_ALIKE) * min(sizes)


_MANY_ALIKE, _FEW_ALIKE, _ENOUGH = 8.0, 512.0, 16


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
