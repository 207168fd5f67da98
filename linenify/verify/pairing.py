"""Which leaf of one side is which leaf of the other.

The two APIs number children differently, so names prove little; the order of
creation does.  Several readings can be possible: they are tried in turn, and
the first one under which the programs agree is right.  A wrong reading cannot
make different programs agree, because every leaf gets numbers of its own.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Place:
    """Where a leaf lives, and its shape."""

    keypath: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """The variable's own name."""
        return self.keypath[-1] if self.keypath else ""

    def __str__(self) -> str:
        return f"{'/'.join(self.keypath)} {list(self.shape)}"


Pairing = tuple[int, ...]
"""For each legacy leaf the index of its Linen leaf."""


def pairings(legacy: Sequence[Place], linen: Sequence[Place]) -> Iterator[Pairing]:
    """The possible readings, the likeliest first, none twice."""
    if len(legacy) != len(linen):
        return
    seen: set[Pairing] = set()
    for reading in (_in_order, _by_structure, _by_keypath, _in_order_renamed):
        pairing = reading(legacy, linen)
        if pairing is None or pairing in seen:
            continue
        seen.add(pairing)
        if _names_kept(legacy, linen, pairing):
            yield pairing


def _names_kept(legacy: Sequence[Place], linen: Sequence[Place], pairing: Pairing) -> bool:
    """Whether names that somebody gave stay with what they name.

    A checkpoint finds `query` under `query`: that its weights would do as well
    for a `key` that was made in its place must not pass for equal.
    """
    known = {place.keypath[:depth] for place in linen for depth in range(1, len(place.keypath) + 1)}
    for place, index in zip(legacy, pairing, strict=True):
        other = linen[index].keypath
        for depth, (name, new) in enumerate(zip(place.keypath, other, strict=False)):
            if name == new:
                continue
            if not _automatic(name) and (*other[:depth], name) in known:
                return False
            if len(other) != len(place.keypath):
                break  # nested otherwise: from here on the levels do not correspond
    return True


def relayout(
    old: tuple[int, ...], new: tuple[int, ...]
) -> Callable[[np.ndarray], np.ndarray] | None:
    """How a leaf of one shape becomes the same leaf in another layout, if it can.

    GroupNorm dropped its leading axes of size one; DenseGeneral sorts the axes
    that it contracts.
    """
    if old == new:
        return np.asarray
    if [size for size in old if size != 1] == [size for size in new if size != 1]:
        return lambda leaf: np.reshape(leaf, new)
    if sorted(old) == sorted(new):
        for axes in itertools.permutations(range(len(old))):
            if tuple(old[axis] for axis in axes) == new:
                return lambda leaf: np.transpose(leaf, axes)
    return None


def laid_out(leaf: Any, shape: tuple[int, ...]) -> Any:
    """A leaf in the layout that `shape` stands for; unchanged when there is no way."""
    layout = relayout(np.shape(leaf), shape)
    if layout is None or np.shape(leaf) == shape:
        return leaf
    # Outside of a world in double precision JAX would round to single.
    return layout(np.asarray(leaf) if getattr(leaf, "dtype", None) == np.float64 else leaf)


def _fits(legacy: Place, linen: Place) -> bool:
    return relayout(legacy.shape, linen.shape) is not None


def _checked(
    legacy: Sequence[Place], linen: Sequence[Place], pairing: Sequence[int]
) -> Pairing | None:
    fits = (_fits(place, linen[index]) for place, index in zip(legacy, pairing, strict=True))
    return tuple(pairing) if all(fits) else None


def _in_order(legacy: Sequence[Place], linen: Sequence[Place]) -> Pairing | None:
    if any(a.name != b.name for a, b in zip(legacy, linen, strict=True)):
        return None
    return _in_order_renamed(legacy, linen)


def _in_order_renamed(legacy: Sequence[Place], linen: Sequence[Place]) -> Pairing | None:
    return _checked(legacy, linen, range(len(legacy)))


def _by_keypath(legacy: Sequence[Place], linen: Sequence[Place]) -> Pairing | None:
    index = {place.keypath: position for position, place in enumerate(linen)}
    if len(index) != len(linen) or any(place.keypath not in index for place in legacy):
        return None
    return _checked(legacy, linen, [index[place.keypath] for place in legacy])


@dataclass
class _Node:
    """A scope: its own leaves by name, its children in the order of creation."""

    leaves: dict[str, int] = field(default_factory=dict)
    children: dict[str, _Node] = field(default_factory=dict)


def _by_structure(legacy: Sequence[Place], linen: Sequence[Place]) -> Pairing | None:
    """Scope by scope: given names first, then automatic ones in order, where shapes allow."""
    pairs: dict[int, int] = {}
    if not _matched(_tree(legacy), _tree(linen), legacy, linen, pairs):
        return None
    return _checked(legacy, linen, [pairs[index] for index in range(len(legacy))])


def _tree(places: Sequence[Place]) -> _Node:
    root = _Node()
    for index, place in enumerate(places):
        node = root
        for name in place.keypath[:-1]:
            node = node.children.setdefault(name, _Node())
        node.leaves[place.name] = index
    return root


def _matched(
    old: _Node,
    new: _Node,
    legacy: Sequence[Place],
    linen: Sequence[Place],
    pairs: dict[int, int],
) -> bool:
    if old.leaves.keys() != new.leaves.keys() or len(old.children) != len(new.children):
        return False
    if not all(_fits(legacy[old.leaves[name]], linen[new.leaves[name]]) for name in old.leaves):
        return False
    pairs |= {old.leaves[name]: new.leaves[name] for name in old.leaves}
    left = dict(new.children)
    # Given names sort before automatic ones; within each the order stays.
    for name, child in sorted(old.children.items(), key=lambda item: _automatic(item[0])):
        own_name = [name] if name in left and not _automatic(name) else []
        for candidate in [*own_name, *left]:
            if _matched(child, left[candidate], legacy, linen, pairs):
                del left[candidate]
                break
        else:
            return False
    return True


def _automatic(name: str) -> bool:
    return re.fullmatch(r"(.*_)?\d+", name) is not None
