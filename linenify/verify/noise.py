"""How much of a difference is rounding: measured leaf by leaf, not assumed.

Both sides run in double precision first.  There the rounding noise is 2**-29 of
what it was, and a wrong migration is as wrong as before.  How far legacy moves
from single to double precision is the noise of the leaf; where that does not
explain a difference, or there is no double precision to be had, legacy runs
again with all numbers off by a last bit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Row = tuple[str, Any, Any]
"""The name of a leaf, and its value on the legacy and on the Linen side."""

# In double precision: what no rounding leaves of the leaf, or of its noise in single.
_EXACT = 2.0**-36
_SHRUNK = 2.0**-14
# What is left where a part of the program is in single precision still.
_LAST_BIT = 2.0**-24
_STAYS = 0.25
_LARGE = 1e-4
# The largest of two samples of the noise is a fraction of what may come.
_SHAKEN = 16.0
_EXPLAINED = 2.0


@dataclass(frozen=True, slots=True)
class Noise:
    """What is known about the rounding of one leaf.

    Attributes:
        floor: how far the legacy side alone moves, in units of the leaf, when it is
            run in double precision, or when its numbers move by a last bit.
        size: the largest element in double precision (else in single).
        double: how far the two sides are apart in double precision; `None` when
            the leaf could not be had in double precision on both sides.
        narrowed: whether parts of the program were in single precision nevertheless.
        alike: whether both sides go to half precision at the same places.
        shaken: how far the legacy side moves in double precision when its numbers
            move by a last bit; measured only if `double` asks for it.
    """

    floor: float
    size: float
    double: float | None = None
    narrowed: bool = False
    alike: bool = True
    shaken: float = 0.0

    @property
    def vanishes(self) -> bool:
        """Whether the leaf is zero in exact arithmetic, so that only its noise is seen."""
        return self.size < self.floor if self.double is None else self.size < self.floor / 4

    @property
    def stays(self) -> bool:
        """Whether the sides are apart in double precision by more than rounding leaves."""
        if self.double is None:
            return False
        if self.narrowed:
            coarse = min(_STAYS * self.floor, _LARGE * self.size)
            return self.double > max(coarse, _LAST_BIT * max(self.size, self.floor))
        rounding = (_SHRUNK * self.floor, _EXACT * self.size, _SHAKEN * self.shaken)
        return self.double > max(rounding)

    @property
    def proves(self) -> bool:
        """Whether double precision would have shown any other difference."""
        return self.double is not None and not self.narrowed


@dataclass(frozen=True, slots=True)
class Wide:
    """Both sides in double precision.

    Attributes:
        rows: their leaves.
        narrowed: whether something was converted to a lower precision on the way.
    """

    rows: Sequence[Row]
    narrowed: bool = False


@dataclass(frozen=True, slots=True)
class Reruns:
    """How to run the sides again; each is called at most once, and only if there is a doubt.

    Attributes:
        double: both sides in double precision; gives `None` if they cannot.
        perturbed: the legacy side, its numbers off by a last bit, several times; also
            those that go to half precision, if both sides round there alike.
        round_alike: whether they do.  To round elsewhere is another program, and no noise.
        shaken: as `perturbed`, in double precision.
    """

    double: Callable[[], Wide | None]
    perturbed: Callable[[bool], Sequence[Sequence[Row]]]
    round_alike: Callable[[], bool] = lambda: True
    shaken: Callable[[], Sequence[Sequence[Row]]] = tuple


def measured(rows: Sequence[Row], reruns: Reruns) -> Mapping[str, Noise]:
    """The noise of each leaf of `rows`, which hold both sides as they are."""
    alike = reruns.round_alike()
    wide = reruns.double() or Wide(())
    doubles = {name: (old, new) for name, old, new in wide.rows}
    noises = {
        name: _in_double(old, doubles.get(name), narrowed=wide.narrowed, alike=alike)
        for name, old, _ in rows
    }
    if any(noise.stays for noise in noises.values()):
        legacy = {name: old for name, (old, _) in doubles.items()}
        moved = _moved(reruns.shaken(), legacy)
        noises = {
            name: dataclasses.replace(noise, shaken=moved.get(name, 0.0))
            for name, noise in noises.items()
        }
    # What stays in double precision is different, whatever its noise.
    if all(noises[name].stays or _explained(old, new, noises[name]) for name, old, new in rows):
        return noises
    moved = _moved(reruns.perturbed(alike), {name: old for name, old, _ in rows})
    return {
        name: dataclasses.replace(noise, floor=max(noise.floor, moved.get(name, 0.0)))
        for name, noise in noises.items()
    }


def _in_double(old: Any, double: tuple[Any, Any] | None, *, narrowed: bool, alike: bool) -> Noise:
    here = _float64(old)
    if double is None or not all(map(_is_double, double)):
        return Noise(0.0, _largest(here), alike=alike)
    exact, other = map(_float64, double)
    floor = _apart(here, exact) if alike else 0.0
    return Noise(floor, _largest(exact), _apart(exact, other), narrowed, alike)


def _explained(old: Any, new: Any, noise: Noise) -> bool:
    return _apart(_float64(old), _float64(new)) <= _EXPLAINED * noise.floor


def _moved(reruns: Sequence[Sequence[Row]], legacy: Mapping[str, Any]) -> dict[str, float]:
    """For each leaf the farthest that it went."""
    farthest: dict[str, float] = {}
    for rows in reruns:
        for name, old, _ in rows:
            if name in legacy:
                distance = _apart(_float64(legacy[name]), _float64(old))
                farthest[name] = max(farthest.get(name, 0.0), distance)
    return farthest


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
