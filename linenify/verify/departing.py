"""Where two runs part: the first submodule whose output is something else.

Submodules are taken in the order in which they return, so that of nested ones
the innermost comes first.  Which legacy submodule is which Linen one follows
from the parameters that they own; where those do not match, the order of
execution has to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from linenify.verify.leaves import Keypath
from linenify.verify.tracing import DROPOUT, Event
from linenify.verify.verdict import Departure

_ABOVE_NOISE = 8.0
_STEPS = 4.0
_UNMEASURED = 1e-5  # of the largest element, where the noise was not measured

Owners = Mapping[Keypath, Keypath]
"""For the path of a Linen module that of its legacy counterpart."""


def owners_of(pairs: Sequence[tuple[Keypath, Keypath]]) -> Owners:
    """From pairs of leaves, legacy and Linen, to pairs of modules."""
    owners: dict[Keypath, Keypath] = {(): ()}
    for legacy, linen in pairs:
        owners.setdefault(linen[:-1], legacy[:-1])
        if len(legacy) == len(linen):
            for depth in range(1, len(linen)):
                owners.setdefault(linen[:depth], legacy[:depth])
    return owners


@dataclass(frozen=True)
class _Pair:
    """The same call on both sides; the number of the legacy event, for its noise."""

    legacy: Event
    linen: Event
    number: int


def departure(
    legacy: Sequence[Event],
    linen: Sequence[Event],
    owners: Owners,
    perturbed: Sequence[Sequence[Event]] = (),
) -> Departure | None:
    """The first call, in the order of the Linen side, that returns something else."""
    moved = [events for events in perturbed if len(events) == len(legacy)]
    for pair in _matched(legacy, linen, owners):
        if found := _departed(pair, [events[pair.number] for events in moved]):
            return found
    return None


def dtype_departs(
    legacy: Sequence[Event], linen: Sequence[Event], owners: Owners
) -> Departure | None:
    """The first call, in the order of the Linen side, that returns another dtype."""
    for pair in _matched(legacy, linen, owners):
        for one, other in zip(pair.legacy.outputs, pair.linen.outputs, strict=False):
            if message := _other_dtype(one, other):
                return _departure(pair, message)
    return None


def departure_in_order(
    legacy: Sequence[Event],
    linen: Sequence[Event],
    owned: tuple[Mapping[Keypath, Any], Mapping[Keypath, Any]],
    perturbed: Sequence[Sequence[Event]] = (),
) -> Departure | None:
    """The same where parameters do not match: owners of parameters, one by one.

    `owned` says what each path owns, on both sides, as names and shapes.
    """
    old = [(number, each) for number, each in enumerate(legacy) if each.path in owned[0]]
    new = [each for each in linen if each.path in owned[1]]
    moved = [events for events in perturbed if len(events) == len(legacy)]
    for (number, one), other in zip(old, new, strict=False):
        pair = _Pair(one, other, number)
        mine, theirs = owned[0][one.path], owned[1][other.path]
        if mine != theirs:
            return _departure(pair, f"parameters {_shapes(mine)} and {_shapes(theirs)}")
        if found := _departed(pair, [events[number] for events in moved]):
            return found
    if len(new) > len(old):
        extra = new[len(old)]
        before = old[-1][1].line if old else ""
        message = "legacy has no such call: this is its last one"
        return Departure("/".join(extra.path), "", "parameters", message, extra.line, before)
    if len(old) > len(new):
        _, gone = old[len(new)]
        message = f"Linen does not call what legacy calls {'/'.join(gone.path)}: this is its last"
        before = new[-1].line if new else ""
        return Departure("", "/".join(gone.path), "parameters", message, before, gone.line)
    return None


def sharing_departs(
    legacy: Sequence[Event],
    linen: Sequence[Event],
    owned: tuple[Mapping[Keypath, Any], Mapping[Keypath, Any]],
) -> Departure | None:
    """The first call of one model that takes its parameters from another call than before."""
    old = [each for each in legacy if each.path in owned[0]]
    new = [each for each in linen if each.path in owned[1]]
    partners: dict[Keypath, Keypath] = {}
    for one, other in zip(old, new, strict=False):
        known = partners.setdefault(other.path, one.path)
        if known != one.path:
            message = f"it takes the parameters of legacy {'/'.join(known)} again"
        elif list(partners.values()).count(one.path) > 1:
            message = "it has parameters of its own, where legacy takes those of a call before"
        else:
            continue
        return Departure(
            "/".join(other.path), "/".join(one.path), "parameters", message, other.line, one.line
        )
    return None


def _other_dtype(one: Any, other: Any) -> str:
    if isinstance(one, jax.Array) and isinstance(other, jax.Array) and one.dtype != other.dtype:
        return f"dtype {one.dtype} and {other.dtype}"
    return ""


def _departed(pair: _Pair, perturbed: Sequence[Event]) -> Departure | None:
    """Whether a call returns something else, and whether it was given the same."""
    message = _apart(pair.legacy.outputs, pair.linen.outputs, [each.outputs for each in perturbed])
    if not message:
        return None
    inputs = _arrays(pair.legacy.inputs), _arrays(pair.linen.inputs)
    noise = [_arrays(each.inputs) for each in perturbed]
    return _departure(
        pair,
        message,
        inputs_equal=len(inputs[0]) != len(inputs[1]) or not _apart(*inputs, noise),
        params_equal=not _apart(*_own_params(pair, perturbed)),
    )


def _own_params(
    pair: _Pair, perturbed: Sequence[Event]
) -> tuple[list[Any], list[Any], list[list[Any]]]:
    """The parameters that have one name and shape on both sides, and how they move by noise."""
    old, new = pair.legacy.params, pair.linen.params
    names = [name for name in old if name in new and np.shape(old[name]) == np.shape(new[name])]
    moved = [[each.params.get(name) for name in names] for each in perturbed]
    return [old[name] for name in names], [new[name] for name in names], moved


def _departure(
    pair: _Pair, message: str, *, inputs_equal: bool = True, params_equal: bool = True
) -> Departure:
    return Departure(
        "/".join(pair.linen.path),
        "/".join(pair.legacy.path),
        "outputs",
        message,
        pair.linen.line,
        pair.legacy.line,
        inputs_equal,
        params_equal,
    )


def _shapes(owned: Any) -> str:
    return ", ".join(f"{name}{list(shape)}" for name, shape in owned) or "none"


def _matched(legacy: Sequence[Event], linen: Sequence[Event], owners: Owners) -> Iterator[_Pair]:
    numbers: dict[Keypath, list[int]] = defaultdict(list)
    for number, event in enumerate(legacy):
        numbers[event.path].append(number)
    paths = _with_others(owners, list(numbers), linen)
    seen: dict[Keypath, int] = defaultdict(int)
    for event in linen:
        path = paths.get(event.path)
        if path is None:
            continue
        count = seen[path]
        seen[path] += 1
        if count < len(numbers[path]):
            number = numbers[path][count]
            # What parts of Flax's own layers return may have been changed over time.
            if event.inner and len(event.outputs) != len(legacy[number].outputs):
                continue
            yield _Pair(legacy[number], event, number)


def _with_others(owners: Owners, legacy: Sequence[Keypath], linen: Sequence[Event]) -> Owners:
    """The owners, and the modules without parameters: by name, else by class, in order."""
    paths = dict(owners)
    taken = set(paths.values())
    for event in sorted(linen, key=lambda event: len(event.path)):
        parent = paths.get(event.path[:-1])
        if event.path in paths or parent is None:
            continue
        if DROPOUT in event.kind:  # calls of one function in legacy: no names, but an order
            paths[event.path] = (*parent, DROPOUT)
            continue
        siblings = [each for each in legacy if each[:-1] == parent and each not in taken]
        stem = _stem(event.path[-1])
        siblings.sort(key=lambda each: (each[-1] != event.path[-1], _stem(each[-1]) != stem))
        if siblings and _stem(siblings[0][-1]) == stem:
            paths[event.path] = siblings[0]
            taken.add(siblings[0])
    return paths


def _stem(name: str) -> str:
    """A name without the number that was counted for it."""
    return name.rstrip("0123456789")


def _arrays(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(
        value for value in values if isinstance(value, jax.Array | np.ndarray) and value.ndim
    )


def _apart(old: Sequence[Any], new: Sequence[Any], perturbed: Sequence[Sequence[Any]]) -> str:
    """How two rows of leaves differ; nothing if they are equal but for noise."""
    if len(old) != len(new):
        return f"{len(old)} and {len(new)} leaves"
    for index, (one, other) in enumerate(zip(old, new, strict=True)):
        if one is None or other is None:
            continue
        if np.shape(one) != np.shape(other):
            return f"shape {list(np.shape(one))} and {list(np.shape(other))}"
        if message := _other_dtype(one, other):
            return message
        noise = [each[index] for each in perturbed if len(each) == len(old)]
        distance, allowed = _distance(one, other), _allowed(one, noise)
        if not distance <= allowed:
            return f"max |Δ| {distance:.1e}, noise {allowed / _ABOVE_NOISE:.1e}"
    return ""


def _numbers(value: Any) -> np.ndarray:
    values = np.asarray(value)
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)


def _distance(one: Any, other: Any) -> float:
    a, b = _numbers(one), _numbers(other)
    alike = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        return float(np.max(np.where(alike, 0.0, np.abs(a - b)), initial=0.0))


def _allowed(one: Any, noise: Sequence[Any]) -> float:
    values = np.abs(_numbers(one))
    scale = float(np.max(values[np.isfinite(values)], initial=0.0))
    dtype = np.asarray(one).dtype
    step = float(jnp.finfo(dtype).eps) if jnp.issubdtype(dtype, jnp.floating) else 0.0  # type: ignore[no-untyped-call]
    if not noise:
        return max(_UNMEASURED, _STEPS * step) * scale
    floor = max((_distance(one, each) for each in noise if each is not None), default=0.0)
    return max(_ABOVE_NOISE * floor, _STEPS * step * scale)
