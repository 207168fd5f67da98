"""What the two sides of a module class do under the same numbers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from linenify.verify.case import RunPair
from linenify.verify.inputs import generator
from linenify.verify.leaves import Leaves
from linenify.verify.observing import Seen, observed
from linenify.verify.precision import perturbed, widened
from linenify.verify.sides import Arguments, ModuleSide, module_side
from linenify.verify.worlds import UserCodeError, World, inside

_PERTURBATIONS = 2

Numbers = tuple[Sequence[Any], Sequence[Any]]
"""The leaves of params and of collections, in legacy order."""


@dataclass(frozen=True)
class Double:
    """Both sides in double precision, and what the legacy one did."""

    worlds: tuple[World, World]
    sides: tuple[ModuleSide, ModuleSide]
    numbers: Numbers
    seen: Seen

    @property
    def narrowed(self) -> bool:
        """Whether something was in a lower precision nevertheless."""
        return any(world.narrowing.happened for world in self.worlds)


@dataclass
class Evidence:
    """What the sides do under the same numbers; run once, whatever the reading."""

    pair: RunPair
    worlds: tuple[World, World]
    sides: tuple[ModuleSide, ModuleSide]
    legacy: tuple[Leaves, Leaves]
    numbers: Numbers

    @functools.cached_property
    def seen(self) -> Seen:
        """The legacy side."""
        return self._legacy(self.sides[0], self.worlds[0], self.numbers)

    @functools.cached_property
    def goes_to_half(self) -> bool:
        """Whether a side converts something to a lower precision."""
        return any(world.narrowing.happened for world in self.worlds)

    @functools.cached_property
    def perturbed(self) -> list[Seen]:
        """The legacy side, its variables and inputs off by a last bit."""
        return self._perturbed(self.sides[0], self.worlds[0], self.numbers, coarse=False)

    @functools.cached_property
    def coarsely_perturbed(self) -> list[Seen]:
        """The same, what is converted to a lower precision off by a last bit of that."""
        return self._perturbed(self.sides[0], self.worlds[0], self.numbers, coarse=True)

    @functools.cached_property
    def double(self) -> Double | None:
        """Both sides in double precision, if the program allows it; the legacy one has run."""
        worlds = [world.in_double_precision() for world in self.worlds]
        sides = []
        try:
            for run, world in zip((self.pair.legacy, self.pair.linen), worlds, strict=True):
                with inside(world, "init"):
                    side = module_side(run, world)
                    given = side.arguments
                    side.arguments = Arguments(
                        widened(given.inputs), widened(given.named), given.fixed
                    )
                    sides.append(side)
            with inside(worlds[0], "call"):
                numbers = widened(self.numbers)
            seen = self._legacy(sides[0], worlds[0], numbers)
        except UserCodeError:
            return None  # not every program allows it
        return Double((worlds[0], worlds[1]), (sides[0], sides[1]), numbers, seen)

    @functools.cached_property
    def shaken(self) -> list[Seen]:
        """The legacy side in double precision, everything off by a last bit of that."""
        if self.double is None:
            return []
        double = self.double
        return self._perturbed(double.sides[0], double.worlds[0], double.numbers, coarse=False)

    def _perturbed(
        self, side: ModuleSide, world: World, numbers: Numbers, *, coarse: bool
    ) -> list[Seen]:
        seen = []
        given = side.arguments
        for trial in range(_PERTURBATIONS):
            draw = generator("perturbation", trial)
            try:
                with inside(world, "call"):
                    moved = perturbed(numbers, draw)
                    side.arguments = Arguments(
                        perturbed(given.inputs, draw), perturbed(given.named, draw), given.fixed
                    )
                seen.append(self._legacy(side, world.nudged(trial, coarse=coarse), moved))
            except UserCodeError:
                continue
            finally:
                side.arguments = given
        return seen

    def _legacy(self, side: ModuleSide, world: World, numbers: Numbers) -> Seen:
        params, state = (
            leaves.rebuild(values) for leaves, values in zip(self.legacy, numbers, strict=True)
        )
        key = self.pair.legacy, self.pair.compare
        fresh = self.legacy[1].rebuild(self.legacy[1].values)
        if world.double:
            with inside(world, "call"):
                fresh = widened(fresh)
        return world.remembered(key, lambda: observed(side, world, self.pair, params, state, fresh))
