"""Runs both sides once more, watched, to see where they part."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from linenify.verify.case import RunPair
from linenify.verify.departing import Owners, departure_in_order, dtype_departs, sharing_departs
from linenify.verify.inputs import generator
from linenify.verify.leaves import Keypath, Leaves
from linenify.verify.precision import perturbed, widened
from linenify.verify.sides import Arguments, ModuleSide, module_side
from linenify.verify.tracing import Event, Rounding, traced_legacy, traced_linen
from linenify.verify.verdict import Comparison, Departure
from linenify.verify.worlds import UserCodeError, World, inside

_PERTURBATIONS = 2

Numbers = tuple[Sequence[Any], Sequence[Any]]


@dataclass(frozen=True)
class Traces:
    """What both sides did, watched.

    Attributes:
        legacy, linen: the events of the call.
        perturbed: those of legacy runs that are off by a last bit.
        roundings: for both sides, what the user's own code converts to a lower precision.
    """

    legacy: list[Event]
    linen: list[Event]
    perturbed: list[list[Event]]
    roundings: tuple[Counter[Rounding], Counter[Rounding]]

    def round_alike(self, owners: Owners) -> bool:
        """Whether both sides go to a lower precision at the same places."""
        other = dtype_departs(self.legacy, self.linen, owners)
        return other is None and self.roundings[0] == self.roundings[1]


def traced(
    pair: RunPair,
    worlds: tuple[Callable[[], World], Callable[[], World]],
    legacy_variables: Callable[[Numbers], tuple[Any, Any]],
    linen_variables: tuple[Any, Any],
    numbers: Numbers,
) -> Traces | None:
    """What happens in fresh worlds on both sides; None if they do not run so."""
    # Without compilation the steps of a scan can be seen one by one.
    for mode in (jax.disable_jit, contextlib.nullcontext):
        try:
            legacy, linen = (world() for world in worlds)
            with mode():
                events, moved, rounded = _legacy_events(pair, legacy, legacy_variables, numbers)
                new, newly = _linen_events(pair, linen, linen_variables)
                return Traces(events, new, moved, (rounded, newly))
        except UserCodeError:
            continue
    return None


def _given(side: ModuleSide, world: World) -> Arguments:
    given = side.arguments
    if world.double:
        return Arguments(widened(given.inputs), widened(given.named), given.fixed)
    return given


def _legacy_events(
    pair: RunPair,
    world: World,
    variables: Callable[[Numbers], tuple[Any, Any]],
    numbers: Numbers,
) -> tuple[list[Event], list[list[Event]], Counter[Rounding]]:
    assert world.overlay is not None
    moved: list[list[Event]] = []
    with inside(world, "call"), traced_legacy(world.overlay, world.files) as trace:
        side = module_side(pair.legacy, world)
        given = _given(side, world)
        numbers = widened(numbers) if world.double else numbers
        trace.roundings.clear()
        side.call(*variables(numbers), given)
        events, rounded = _visible(trace.events), trace.roundings.copy()
        for trial in range(_PERTURBATIONS):
            trace.events.clear()
            draw = generator("perturbed trace", trial)
            inputs, named = perturbed(given.inputs, draw), perturbed(given.named, draw)
            nudged = variables(perturbed(numbers, draw))
            side.call(*nudged, Arguments(inputs, named, given.fixed))
            moved.append(_visible(trace.events))
    return events, moved, rounded


def _linen_events(
    pair: RunPair, world: World, variables: tuple[Any, Any]
) -> tuple[list[Event], Counter[Rounding]]:
    with inside(world, "call"), traced_linen(world.files) as trace:
        side = module_side(pair.linen, world)
        params, state = widened(variables) if world.double else variables
        trace.roundings.clear()
        side.call(params, state, _given(side, world))
        return _visible(trace.events), trace.roundings


def _visible(events: Sequence[Event]) -> list[Event]:
    """Events of which something can be seen: JAX also traces what it runs afterwards."""
    return [event for event in events if not event.outputs or any(_seen(event.outputs))]


def _seen(values: Sequence[Any]) -> Iterator[bool]:
    return (value is not None for value in values)


def parted_at_init(pair: RunPair, *worlds: World) -> Departure | None:
    """Where the sides part while they initialise: their parameters do not match."""
    legacy, linen = (world.anew() for world in worlds)
    overlay = legacy.overlay
    assert overlay is not None
    try:
        with inside(legacy, "init"), traced_legacy(overlay, legacy.files) as old:
            legacy_params, _ = module_side(pair.legacy, legacy).initial()
        with inside(linen, "init"), traced_linen(linen.files) as new:
            linen_params, _ = module_side(pair.linen, linen).initial()
    except UserCodeError:
        return None
    owned = _owned(legacy_params), _owned(linen_params)
    return departure_in_order(old.events, new.events, owned) or sharing_departs(
        old.events, new.events, owned
    )


def _owned(leaves: Leaves) -> Mapping[Keypath, Any]:
    owned: dict[Keypath, list[tuple[str, tuple[int, ...]]]] = {}
    for place in leaves.places:
        owned.setdefault(place.keypath[:-1], []).append((place.name, _plain(place.shape)))
    return {path: sorted(names) for path, names in owned.items()}


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without sizes of one, which some layers dropped."""
    return tuple(size for size in shape if size != 1)


def owner_of(
    comparison: Comparison,
    linen_of: Mapping[Keypath, Keypath],
    legacy: Sequence[Event],
    linen: Sequence[Event],
) -> Departure | None:
    """The owner of the first variable, in the order of execution, that is different.

    Gradients flow backwards: for them it is the last one.  A module returns after
    the submodules that it calls, but used its own variables at any time: it is the
    last one only if none of them differs.
    """
    gaps = {
        linen_of[path]: (path, gap)
        for gap in comparison.every
        if not gap.outcome.passed
        and (path := tuple(gap.keypath.rpartition(": ")[2].split("/"))) in linen_of
    }
    owners = {path[:-1] for path in gaps}
    backwards = comparison.what == "gradients"
    if backwards:
        owners -= {path[:depth] for path in owners for depth in range(len(path))}
    for event in reversed(linen) if backwards else linen:
        if event.path in owners:
            leaf = next(path for path in gaps if path[:-1] == event.path)
            path, gap = gaps[leaf]
            line = next((each.line for each in legacy if each.path == path[:-1]), "")
            return Departure(
                "/".join(event.path),
                "/".join(path[:-1]),
                comparison.what,
                f"{leaf[-1]}: {gap.message}",
                event.line,
                line,
            )
    return None
