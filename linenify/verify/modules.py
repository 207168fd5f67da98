"""Compares one module class on both sides.

Initial values first, under samplers that do not look at keys.  Then all
parameters and collections get random numbers, the same ones on both sides,
because zero biases and unit scales hide a swap: outputs, gradients and the
collections after the call are compared under those.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from linenify.verify.case import RunPair
from linenify.verify.compare import Tolerance, compare_leaves, mismatch, rows_of_trees
from linenify.verify.departing import (
    Owners,
    departure,
    dtype_departs,
    owners_of,
    returns_half,
)
from linenify.verify.inputs import generator
from linenify.verify.leaves import Keypath, Leaves
from linenify.verify.noise import Noise, Row, measured
from linenify.verify.observing import Seen, observed, randomised
from linenify.verify.pairing import Pairing, Place, laid_out, pairings
from linenify.verify.parting import (
    Traces,
    in_double_precision,
    owner_of,
    parted_at_init,
    traced,
)
from linenify.verify.precision import perturbed, widened
from linenify.verify.sides import Arguments, ModuleSide, module_side
from linenify.verify.structure import census, only_one_side
from linenify.verify.tracing import Event
from linenify.verify.verdict import HALF, Census, Comparison, Departure, Gap, Outcome, worst_outcome
from linenify.verify.worlds import UserCodeError, World, inside

_READINGS = 4
_PERTURBATIONS = 2


Compared = tuple[tuple[Comparison, ...], Departure | None, tuple[Census, ...]]


def compared_modules(pair: RunPair, legacy: World, linen: World) -> Compared:
    """The comparisons that the run asks for, where the sides part, and how large they are.

    Raises:
        UserCodeError: a side did not run.
    """
    with inside(legacy, "init"):
        old = module_side(pair.legacy, legacy)
        legacy_params, legacy_state = old.initial()
    with inside(linen, "init"):
        new = module_side(pair.linen, linen)
        linen_params, linen_state = new.initial()

    params_readings = list(pairings(legacy_params.places, linen_params.places))
    places = _without_collection(linen_state)
    state_readings = list(pairings(legacy_state.places, places))
    sizes = (
        census("parameters", legacy_params.places, linen_params.places),
        census("collections", legacy_state.places, places),
    )
    unpaired = [
        _unpaired(what, one, other)
        for what, one, other, readings in (
            ("parameters", legacy_params, linen_params, params_readings),
            ("collections", legacy_state, linen_state, state_readings),
        )
        if not readings
    ]
    if unpaired:
        return tuple(unpaired), parted_at_init(pair, legacy, linen), sizes

    evidence = _Evidence(
        pair,
        (legacy, linen),
        (old, new),
        (legacy_params, legacy_state),
        (randomised(legacy_params), randomised(legacy_state)),
    )
    first: tuple[tuple[Comparison, ...], _Reading] | None = None
    for in_params, in_state in _attempts(params_readings, state_readings):
        reading = _Reading(
            pair,
            _Paired(legacy_params, linen_params, in_params),
            _Paired(legacy_state, linen_state, in_state),
        )
        verdict = reading.verdict(evidence)
        if worst_outcome(comparison.outcome for comparison in verdict).passed:
            return *reading.with_dtypes(evidence, verdict), sizes
        first = first or (verdict, reading)
    assert first is not None
    verdict, reading = first
    return verdict, reading.departure(evidence, verdict), sizes


def _attempts(
    params: Sequence[Pairing], state: Sequence[Pairing]
) -> Iterator[tuple[Pairing, Pairing]]:
    both = [(one, other) for one in params for other in state]
    yield from both[:_READINGS]


def _without_collection(state: Leaves) -> tuple[Place, ...]:
    """Legacy state does not know collections, so their names say nothing."""
    return tuple(Place(place.keypath[1:], place.shape) for place in state.places)


def _unpaired(what: str, legacy: Leaves, linen: Leaves) -> Comparison:
    gaps = tuple(only_one_side(legacy.places, linen.places))
    if not gaps:  # the names that somebody gave stand against it
        olds, news = (["/".join(each.keypath) for each in side.places] for side in (legacy, linen))
        gaps = tuple(
            Gap(new, f"in the place of legacy {old}")
            for old, new in zip(olds, news, strict=True)
            if old != new
        )
    return mismatch(what, gaps, len(legacy.places))


@dataclass(frozen=True)
class _Paired:
    """The variables of both sides, and which is which."""

    legacy: Leaves
    linen: Leaves
    pairing: Pairing

    def moved(self, values: Sequence[Any]) -> Any:
        """Legacy leaves as the variables of Linen."""
        back: list[Any] = [None] * len(values)
        for index, value in zip(self.pairing, values, strict=True):
            back[index] = laid_out(value, np.shape(self.linen.values[index]))
        return self.linen.rebuild(back)

    def rows(self, old: Sequence[Any], new: Sequence[Any]) -> list[tuple[str, Any, Any]]:
        """Pairs of leaves under their legacy names, in Linen's layout."""
        rows = []
        for place, value, index in zip(self.legacy.places, old, self.pairing, strict=True):
            name = "/".join(place.keypath)
            rows.append((name, laid_out(value, np.shape(new[index])), new[index]))
        return rows

    def tree_rows(self, old: Any, new: Any) -> list[tuple[str, Any, Any]]:
        """The same, from trees in the structure of the variables."""
        return self.rows(self.legacy.row(old), self.linen.row(new))


KeypathPair = tuple[Keypath, Keypath]
Numbers = tuple[Sequence[Any], Sequence[Any]]
"""The leaves of params and of collections, in legacy order."""


@dataclass
class _Evidence:
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
    def perturbed(self) -> list[Seen]:
        """The legacy side, its variables and inputs off by a last bit."""
        seen = []
        side = self.sides[0]
        given = side.arguments
        for trial in range(_PERTURBATIONS):
            draw = generator("perturbation", trial)
            side.arguments = Arguments(
                perturbed(given.inputs, draw), perturbed(given.named, draw), given.fixed
            )
            try:
                numbers = perturbed(self.numbers, draw)
                seen.append(self._legacy(side, self.worlds[0], numbers))
            except UserCodeError:
                continue
            finally:
                side.arguments = given
        return seen

    @functools.cached_property
    def double(self) -> tuple[Seen, ModuleSide, World] | None:
        """The legacy side in double precision, and the Linen side to run so."""
        legacy, linen = (world.in_double_precision() for world in self.worlds)
        sides = []
        try:
            for run, world in ((self.pair.legacy, legacy), (self.pair.linen, linen)):
                with inside(world, "init"):
                    side = module_side(run, world)
                    given = side.arguments
                    side.arguments = Arguments(
                        widened(given.inputs), widened(given.named), given.fixed
                    )
                    sides.append(side)
            with inside(legacy, "call"):
                numbers = widened(self.numbers)
            return self._legacy(sides[0], legacy, numbers), sides[1], linen
        except UserCodeError:
            return None  # not every program allows it

    def _legacy(self, side: ModuleSide, world: World, numbers: Numbers) -> Seen:
        params, state = (
            leaves.rebuild(values) for leaves, values in zip(self.legacy, numbers, strict=True)
        )
        return observed(side, world, self.pair, params, state)


@dataclass(frozen=True)
class _Reading:
    """One reading of which leaf is which, put to the test."""

    pair: RunPair
    params: _Paired
    state: _Paired

    def verdict(self, evidence: _Evidence) -> tuple[Comparison, ...]:
        """How equal the sides are; noise is measured where they are not so to the last bit."""
        pair = self.pair
        verdict = []
        if "initial" in pair.compare:
            rows = self.params.rows(self.params.legacy.values, self.params.linen.values)
            rows += self.state.rows(self.state.legacy.values, self.state.linen.values)
            verdict.append(compare_leaves("initial", rows, Tolerance(pair.rtol or _INITIAL)))
        new = self._linen(evidence.sides[1], evidence.worlds[1], evidence.numbers)
        double = functools.cache(lambda: self._double(evidence))
        for what, rows_of in self._kinds():
            rows_or_gaps = rows_of(evidence.seen, new)
            if isinstance(rows_or_gaps, tuple):
                verdict.append(mismatch(what, rows_or_gaps))
                continue
            measure = functools.partial(self._noise, what, rows_or_gaps, evidence, new, double)
            if pair.rtol is None:
                tolerance = Tolerance(_INITIAL)
                verdict.append(compare_leaves(what, rows_or_gaps, tolerance, measure))
            else:
                # A gradient sums over many outputs, and rounding with it.
                summed = Tolerance(10 * pair.rtol, floor=pair.rtol)
                tolerance = summed if what == "gradients" else Tolerance(pair.rtol)
                verdict.append(compare_leaves(what, rows_or_gaps, tolerance))
        return tuple(verdict)

    def with_dtypes(
        self, evidence: _Evidence, verdict: tuple[Comparison, ...]
    ) -> tuple[tuple[Comparison, ...], Departure | None]:
        """What passed as rounding to half precision passes if all submodules have one dtype."""
        if not any(_in_half(gap) for each in verdict for gap in each.every):
            return verdict, None
        traces = self._traces(evidence)
        first = None if traces is None else dtype_departs(*traces[:2], self._owners())
        if first is None:
            return verdict, None
        gap = Gap(first.linen or "(all)", first.message)
        return (mismatch("dtypes", (gap,)), *verdict), first

    def departure(self, evidence: _Evidence, verdict: Sequence[Comparison]) -> Departure | None:
        """Where the sides part, under this reading."""
        different = {each.what for each in verdict if not each.outcome.passed}
        traces = self._traces(evidence)
        if traces is None:
            return None
        legacy, linen, perturbed_events = traces
        first = departure(legacy, linen, self._owners(), perturbed_events)
        if "outputs" in different and (first is None or any(map(returns_half, legacy))):
            first = self._departure_below_half(evidence, legacy, linen) or first
        if first is not None and "outputs" in different:
            return first
        pairs, state = self._pairs()
        for comparison in verdict:
            if comparison.what in ("collections", "gradients", "initial") and (
                comparison.what in different
            ):
                named = dict(pairs if comparison.what == "gradients" else [*pairs, *state])
                found = owner_of(comparison, named, legacy, linen)
                if found is not None:
                    return found
        return first

    def _departure_below_half(
        self, evidence: _Evidence, legacy: Sequence[Event], linen: Sequence[Event]
    ) -> Departure | None:
        """The first call with another dtype, or that differs in double precision.

        There a small difference is seen that half precision hides.
        """
        found = [dtype_departs(legacy, linen, self._owners())]
        if doubles := self._traces(evidence, in_double_precision):
            found.append(departure(*doubles[:2], self._owners(), doubles[2]))
        paths = ["/".join(event.path) for event in linen]
        departures = [each for each in found if each is not None and each.linen in paths]
        return min(departures, key=lambda each: paths.index(each.linen), default=None)

    def _pairs(self) -> tuple[list[KeypathPair], list[KeypathPair]]:
        """The keypaths of params and of collections, legacy and Linen."""
        params = [
            (place.keypath, self.params.linen.places[index].keypath)
            for place, index in zip(self.params.legacy.places, self.params.pairing, strict=True)
        ]
        state = [
            (place.keypath, self.state.linen.places[index].keypath[1:])
            for place, index in zip(self.state.legacy.places, self.state.pairing, strict=True)
        ]
        return params, state

    def _owners(self) -> Owners:
        params, state = self._pairs()
        return owners_of([*params, *state])

    def _traces(
        self, evidence: _Evidence, again: Callable[[World], World] = World.anew
    ) -> Traces | None:
        return traced(
            self.pair,
            (lambda: again(evidence.worlds[0]), lambda: again(evidence.worlds[1])),
            lambda leaves: (
                self.params.legacy.rebuild(leaves[0]),
                self.state.legacy.rebuild(leaves[1]),
            ),
            (self.params.moved(evidence.numbers[0]), self.state.moved(evidence.numbers[1])),
            evidence.numbers,
        )

    def _kinds(self) -> Iterator[tuple[str, Callable[[Seen, Seen], list[Row] | tuple[Gap, ...]]]]:
        kinds = {
            "outputs": lambda old, new: rows_of_trees(old.outputs, new.outputs),
            "gradients": self._gradients,
            "collections": lambda old, new: self.state.tree_rows(old.state, new.state),
        }
        return ((what, kinds[what]) for what in kinds if what in self.pair.compare)

    def _linen(self, side: ModuleSide, world: World, numbers: Numbers) -> Seen:
        params, state = self.params.moved(numbers[0]), self.state.moved(numbers[1])
        return observed(side, world, self.pair, params, state)

    def _noise(
        self,
        what: str,
        rows: list[Row],
        evidence: _Evidence,
        new: Seen,
        double: Callable[[], tuple[Seen, Seen] | None],
    ) -> Mapping[str, Noise]:
        rows_of = dict(self._kinds())[what]
        # Of the runs that are off by a last bit, the legacy column is looked at.
        moved = [_rows(rows_of(seen, new)) for seen in evidence.perturbed]

        def wide() -> list[Row] | None:
            both = double()
            try:
                return None if both is None else _rows(rows_of(*both))
            except UserCodeError:
                return None  # gradients may not exist there

        return measured(rows, moved, wide)

    def _double(self, evidence: _Evidence) -> tuple[Seen, Seen] | None:
        """Both sides in double precision, if the program allows it."""
        if evidence.double is None:
            return None
        old, side, world = evidence.double
        try:
            with inside(world, "call"):
                numbers = widened(evidence.numbers)
            return old, self._linen(side, world, numbers)
        except UserCodeError:
            return None

    def _gradients(self, old: Seen, new: Seen) -> list[Row]:
        if isinstance(old.gradients, UserCodeError) and isinstance(new.gradients, UserCodeError):
            return []  # there are none, on either side
        for gradients in (old.gradients, new.gradients):
            if isinstance(gradients, UserCodeError):
                raise gradients
            if gradients is None:
                return []
        assert isinstance(old.gradients, tuple)
        assert isinstance(new.gradients, tuple)
        rows = self.params.tree_rows(old.gradients[0], new.gradients[0])
        if self.pair.legacy.inputs == self.pair.linen.inputs:
            rows += _input_rows("inputs", old.gradients[1], new.gradients[1])
        if self.pair.legacy.named_inputs == self.pair.linen.named_inputs:
            rows += _input_rows("named inputs", old.gradients[2], new.gradients[2])
        return [row for row in rows if not isinstance(row[1], str)]


_INITIAL = 1e-6


def _in_half(gap: Gap) -> bool:
    """Whether a leaf is off by what half precision rounds."""
    half = gap.note == HALF or gap.dtype in ("bfloat16", "float16")
    return half and gap.outcome is Outcome.CLOSE


def _rows(rows: list[Row] | tuple[Gap, ...]) -> list[Row]:
    return rows if isinstance(rows, list) else []


def _input_rows(kind: str, old: Any, new: Any) -> list[Row]:
    olds, news = jax.tree_util.tree_leaves(old), jax.tree_util.tree_leaves(new)
    if len(olds) != len(news):
        return []
    return [(f"{kind}/{index}", a, b) for index, (a, b) in enumerate(zip(olds, news, strict=True))]
