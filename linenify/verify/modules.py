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

from linenify.verify.case import RunPair
from linenify.verify.compare import Tolerance, compare_leaves, mismatch, rows_of_trees
from linenify.verify.departing import Owners, departure, dtype_departs, owners_of
from linenify.verify.evidence import Evidence, Numbers
from linenify.verify.leaves import Keypath, Leaves
from linenify.verify.noise import Noise, Reruns, Row, Wide, measured
from linenify.verify.observing import Seen, observed, randomised
from linenify.verify.paired import Paired
from linenify.verify.pairing import Pairing, Place, pairings
from linenify.verify.parting import Traces, owner_of, parted_at_init, traced
from linenify.verify.precision import widened
from linenify.verify.sides import ModuleSide, module_side
from linenify.verify.structure import census, only_one_side
from linenify.verify.verdict import Census, Comparison, Departure, Gap, worst_outcome
from linenify.verify.worlds import UserCodeError, World, inside

_READINGS = 4

RowsOf = Callable[[Seen, Seen], list[Row] | tuple[Gap, ...]]
Compared = tuple[tuple[Comparison, ...], Departure | None, tuple[Census, ...]]


def compared_modules(pair: RunPair, legacy: World, linen: World, locate: bool) -> Compared:
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
        parted = parted_at_init(pair, legacy, linen) if locate else None
        return tuple(unpaired), parted, sizes

    evidence = Evidence(
        pair,
        (legacy, linen),
        (old, new),
        (legacy_params, legacy_state),
        (randomised(legacy_params), randomised(legacy_state)),
    )
    first: tuple[tuple[Comparison, ...], _Reading] | None = None
    for in_params, in_state in _attempts(params_readings, state_readings):
        reading = _Reading(
            evidence,
            Paired(legacy_params, linen_params, in_params),
            Paired(legacy_state, linen_state, in_state),
        )
        verdict = reading.verdict()
        if worst_outcome(comparison.outcome for comparison in verdict).passed:
            return verdict, None, sizes
        first = first or (verdict, reading)
    assert first is not None
    verdict, reading = first
    return verdict, reading.departure(verdict) if locate else None, sizes


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


@dataclass
class _Reading:
    """One reading of which leaf is which, put to the test."""

    evidence: Evidence
    params: Paired
    state: Paired

    def verdict(self) -> tuple[Comparison, ...]:
        """How equal the sides are; noise is measured where they are not so to the last bit."""
        pair = self.evidence.pair
        verdict = []
        if "initial" in pair.compare:
            rows = self.params.rows(self.params.legacy.values, self.params.linen.values)
            rows += self.state.rows(self.state.legacy.values, self.state.linen.values)
            verdict.append(compare_leaves("initial", rows, Tolerance(pair.rtol or _INITIAL)))
        for what, rows_of in self._kinds():
            rows_or_gaps = rows_of(self.evidence.seen, self._new)
            if isinstance(rows_or_gaps, tuple):
                verdict.append(mismatch(what, rows_or_gaps))
                continue
            if pair.rtol is None:
                measure = functools.partial(self._noise, rows_of, rows_or_gaps)
                verdict.append(compare_leaves(what, rows_or_gaps, Tolerance(_INITIAL), measure))
            else:
                # A gradient sums over many outputs, and rounding with it.
                summed = Tolerance(10 * pair.rtol, floor=pair.rtol)
                tolerance = summed if what == "gradients" else Tolerance(pair.rtol)
                verdict.append(compare_leaves(what, rows_or_gaps, tolerance))
        return tuple(verdict)

    def departure(self, verdict: Sequence[Comparison]) -> Departure | None:
        """Where the sides part, under this reading."""
        different = {each.what for each in verdict if not each.outcome.passed}
        traces = self._traces
        if traces is None:
            return None
        first = departure(traces.legacy, traces.linen, self._owners, traces.perturbed)
        if "outputs" in different and (first is None or self.evidence.goes_to_half):
            first = self._departure_below_rounding(traces) or first
        if first is not None and "outputs" in different:
            return first
        for comparison in verdict:
            if comparison.what in ("collections", "gradients", "initial", "steps") and (
                comparison.what in different
            ):
                in_params = self.params.keypaths
                named = in_params if comparison.what == "gradients" else self._keypaths
                found = owner_of(comparison, named, traces.legacy, traces.linen)
                if found is not None:
                    return found
        return first

    def _departure_below_rounding(self, traces: Traces) -> Departure | None:
        """The first call that returns another dtype, or other numbers in double precision.

        There a small difference is seen that rounding hides, and no rounding that is none.
        """
        found = [dtype_departs(traces.legacy, traces.linen, self._owners)]
        wide = self._traced(World.in_double_precision)
        if wide is not None:
            found.append(departure(wide.legacy, wide.linen, self._owners, wide.perturbed))
        paths = ["/".join(event.path) for event in traces.linen]
        departures = [each for each in found if each is not None and each.linen in paths]
        return min(departures, key=lambda each: paths.index(each.linen), default=None)

    @functools.cached_property
    def _new(self) -> Seen:
        """The Linen side."""
        evidence = self.evidence
        return self._linen(evidence.sides[1], evidence.worlds[1], evidence.numbers)

    @functools.cached_property
    def _double(self) -> tuple[Seen, Seen] | None:
        """Both sides in double precision, if the program allows it."""
        double = self.evidence.double
        if double is None:
            return None
        try:
            return double.seen, self._linen(double.sides[1], double.worlds[1], double.numbers)
        except UserCodeError:
            return None

    @functools.cached_property
    def _traces(self) -> Traces | None:
        """Both sides, watched."""
        return self._traced(World.anew)

    def _traced(self, fresh: Callable[[World], World]) -> Traces | None:
        numbers = self.evidence.numbers
        legacy, linen = self.evidence.worlds
        return traced(
            self.evidence.pair,
            (lambda: fresh(legacy), lambda: fresh(linen)),
            lambda leaves: (
                self.params.legacy.rebuild(leaves[0]),
                self.state.legacy.rebuild(leaves[1]),
            ),
            (self.params.moved(numbers[0]), self.state.moved(numbers[1])),
            numbers,
        )

    @property
    def _keypaths(self) -> dict[Keypath, Keypath]:
        """For each legacy leaf the path of the Linen leaf, less its collection."""
        state = {legacy: linen[1:] for legacy, linen in self.state.keypaths.items()}
        return {**self.params.keypaths, **state}

    @property
    def _owners(self) -> Owners:
        return owners_of([*self._keypaths.items()])

    def _round_alike(self) -> bool:
        """Whether the sides go to half precision at the same places, if at all."""
        if not self.evidence.goes_to_half:
            return True
        return self._traces is not None and self._traces.round_alike(self._owners)

    def _kinds(self) -> Iterator[tuple[str, RowsOf]]:
        kinds: dict[str, RowsOf] = {
            "outputs": lambda old, new: rows_of_trees(old.outputs, new.outputs),
            "gradients": self._gradients,
            "collections": lambda old, new: self.state.tree_rows(old.state, new.state),
            "steps": self._steps,
        }
        asked = {*self.evidence.pair.compare, *(["steps"] if self.evidence.seen.steps else [])}
        return ((what, kinds[what]) for what in kinds if what in asked)

    def _steps(self, old: Seen, new: Seen) -> list[Row] | tuple[Gap, ...]:
        """Outputs and collections of the calls that follow on each other."""
        if isinstance(old.steps, UserCodeError):
            return []  # legacy cannot do it either
        if isinstance(new.steps, UserCodeError):
            raise new.steps
        rows: list[Row] = []
        for index, (before, after) in enumerate(zip(old.steps, new.steps, strict=True)):
            outputs = rows_of_trees(before[0], after[0])
            if isinstance(outputs, tuple):
                return outputs
            step = f"call {index + 2}" if index < len(old.steps) // 2 else "from a fresh start"
            found = [*outputs, *self.state.tree_rows(before[1], after[1])]
            rows += [(f"{step}: {name}", one, other) for name, one, other in found]
        return rows

    def _linen(self, side: ModuleSide, world: World, numbers: Numbers) -> Seen:
        params, state = self.params.moved(numbers[0]), self.state.moved(numbers[1])
        fresh = self.state.moved(self.state.legacy.values)
        if world.double:
            with inside(world, "call"):
                fresh = widened(fresh)
        return observed(side, world, self.evidence.pair, params, state, fresh)

    def _noise(self, rows_of: RowsOf, rows: list[Row]) -> Mapping[str, Noise]:
        evidence = self.evidence

        def double() -> Wide | None:
            try:
                if self._double is None or evidence.double is None:
                    return None
                return Wide(_rows(rows_of(*self._double)), evidence.double.narrowed)
            except UserCodeError:
                return None  # gradients may not exist there

        # Of the runs that are off by a last bit, the legacy column is looked at.
        def moved(seen: Sequence[Seen], new: Seen) -> list[list[Row]]:
            return [_rows(rows_of(each, new)) for each in seen]

        def perturbed(coarse: bool) -> list[list[Row]]:
            seen = evidence.coarsely_perturbed if coarse else evidence.perturbed
            return moved(seen, self._new)

        def shaken() -> list[list[Row]]:
            return [] if self._double is None else moved(evidence.shaken, self._double[1])

        return measured(rows, Reruns(double, perturbed, self._round_alike, shaken))

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
        pair = self.evidence.pair
        rows = self.params.tree_rows(old.gradients[0], new.gradients[0])
        if pair.legacy.inputs == pair.linen.inputs:
            rows += _input_rows("inputs", old.gradients[1], new.gradients[1])
        if pair.legacy.named_inputs == pair.linen.named_inputs:
            rows += _input_rows("named inputs", old.gradients[2], new.gradients[2])
        return [row for row in rows if not isinstance(row[1], str)]


_INITIAL = 1e-6


def _rows(rows: list[Row] | tuple[Gap, ...]) -> list[Row]:
    return rows if isinstance(rows, list) else []


def _input_rows(kind: str, old: Any, new: Any) -> list[Row]:
    olds, news = jax.tree_util.tree_leaves(old), jax.tree_util.tree_leaves(new)
    if len(olds) != len(news):
        return []
    return [(f"{kind}/{index}", a, b) for index, (a, b) in enumerate(zip(olds, news, strict=True))]
